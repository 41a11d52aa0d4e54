"""Retries and fallbacks of LiteLLM's `Router`."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.router_entries import HI, KEYLESS, entry
from tests.support.upstream import TEXT, Reply, Upstream

import litellm
from litellm import Router


def test_a_failure_is_retried_at_another_deployment_and_then_at_the_fallbacks(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    router = Router(
        [entry("a", first, order=1), entry("b", second)],
        num_retries=0,
        fallbacks=[{"a": ["b"]}],
    )
    first.plays(Reply.error(500))

    answer = router.completion("a", HI)

    assert answer.choices[0].message.content == TEXT
    assert [len(first.requests), len(second.requests)] == [1, 1]
    assert second.requests[0].json["model"] == "b-up"


def test_a_fallback_of_the_call_names_names_of_the_router(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    router = Router([entry("a", first), entry("b", second)], num_retries=0)
    first.plays(Reply.error(500), Reply.error(500))

    assert router.completion("a", HI, fallbacks=["b"]).choices[0].message.content == TEXT
    with pytest.raises(litellm.InternalServerError):
        router.completion("a", HI)


def test_a_full_context_has_fallbacks_of_its_own(hosts: tuple[Upstream, Upstream]) -> None:
    first, second = hosts
    router = Router(
        [entry("small", first), entry("large", second)],
        context_window_fallbacks=[{"small": ["large"]}],
    )
    first.plays(
        Reply.json(
            {"error": {"message": "maximum context length", "code": "context_length_exceeded"}},
            status=400,
        )
    )

    assert router.completion("small", HI).choices[0].message.content == TEXT
    assert len(second.requests) == 1


def test_a_key_never_follows_to_a_fallback_of_another_maker() -> None:
    from puna.client.keywords import read_call
    from puna.client.settings import ClientSettings

    settings = ClientSettings(environ={"ANTHROPIC_API_KEY": "sk-own", "OPENAI_API_KEY": "sk-env"})
    call = read_call(
        "gpt-4o", HI, {"api_key": "sk-openai", "fallbacks": ["claude-x", "gpt-4o-mini"]}, settings
    )

    keys = [group[0].target.api_key for group in call.plan.fallbacks]
    assert [key.reveal() for key in keys if key is not None] == ["sk-own", "sk-openai"]


def test_a_name_without_key_goes_to_its_fallbacks_until_the_key_is_there(
    environ: dict[str, str], hosts: tuple[Upstream, Upstream]
) -> None:
    """As in LiteLLM, where a host refuses the call."""
    other = entry("b", mock_response="from b")
    router = Router(
        [KEYLESS, other], fallbacks=[{"a": ["none", "b"]}], model_group_alias={"c": "a"}
    )
    for name in ("a", "c"):
        assert router.completion(name, HI).choices[0].message.content == "from b"
    environ |= {"GROQ_API_KEY": "k", "GROQ_API_BASE": hosts[0].url}
    for name in ("a", "c"):
        assert router.completion(name, HI).choices[0].message.content == TEXT


@pytest.mark.parametrize(
    "settings",
    [
        {"fallbacks": [{"a": ["other"]}]},
        {"fallbacks": [{"a": [{"model": "b"}]}]},
        {"fallbacks": [{"*": ["other"]}]},
        {"default_fallbacks": ["other"]},
    ],
)
def test_a_fallback_may_be_an_alias_or_an_object_with_its_name(
    hosts: tuple[Upstream, Upstream], settings: dict[str, Any]
) -> None:
    first, second = hosts
    first.plays_always(Reply.error(500))
    entries = [entry("a", first), entry("b", second)]
    router = Router(entries, num_retries=0, model_group_alias={"other": "b"}, **settings)

    assert router.completion("a", HI).choices[0].message.content == TEXT


def test_an_alias_has_its_own_fallbacks_or_those_of_its_name(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    first.plays_always(Reply.error(500))
    entries = [entry("a", first), entry("b", second)]
    aliases = {"plain": "a", "own": {"model": "a", "hidden": True}}
    own = Router(entries, num_retries=0, model_group_alias=aliases, fallbacks=[{"own": ["b"]}])
    named = Router(entries, num_retries=0, model_group_alias=aliases, fallbacks=[{"a": ["b"]}])

    assert own.completion("own", HI).choices[0].message.content == TEXT
    assert named.completion("plain", HI).choices[0].message.content == TEXT
    for name in ("a", "plain"):
        with pytest.raises(litellm.InternalServerError):
            own.completion(name, HI)


def test_fallbacks_of_a_call_may_be_given_as_the_routers_are(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    first.plays_always(Reply.error(500))
    router = Router([entry("a", first), entry("b", second)], num_retries=0)

    answer = router.completion("a", HI, fallbacks=[{"b": ["a"]}, {"a": ["b"]}])

    assert answer.choices[0].message.content == TEXT
    with pytest.raises(litellm.InternalServerError):
        router.completion("a", HI, fallbacks=[{"b": ["a"]}])
    with pytest.raises(litellm.BadRequestError, match=r"a list such as \['other'\]"):
        router.completion("a", HI, fallbacks=[{"a": "bcd"}])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fallbacks": [{"a": "other"}]}, r"a list such as \['other'\], not `'other'`"),
        ({"default_fallbacks": "other"}, r"a list such as \['other'\], not `'other'`"),
        ({"fallbacks": {"a": ["b"]}}, "must be a list of objects"),
        ({"fallbacks": [{"a": [7]}]}, "one of the router's names"),
        ({"context_window_fallbacks": [{"a": [{"model": "b", "top_p": 1}]}]}, "are not built"),
    ],
)
def test_fallbacks_that_are_no_lists_of_names_are_refused(
    settings: dict[str, Any], said: str
) -> None:
    with pytest.raises(litellm.BadRequestError, match=said):
        Router([entry("a", mock_response="x"), entry("b", mock_response="x")], **settings)
