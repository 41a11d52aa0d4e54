"""LiteLLM's `Router` over Puna's routing."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from tests.support.upstream import TEXT, Reply, Upstream

import litellm
from litellm import Router

HI = [{"role": "user", "content": "hi"}]


@pytest.fixture
def hosts() -> Iterator[tuple[Upstream, Upstream]]:
    with Upstream() as first, Upstream() as second:
        yield first, second


def _entry(name: str, host: Upstream | None = None, **params: Any) -> dict[str, Any]:
    place = {"api_base": host.url} if host is not None else {}
    return {
        "model_name": name,
        "litellm_params": {"model": f"openai/{name}-up", "api_key": "k", **place, **params},
    }


def _texts(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_a_name_is_asked_at_its_deployment_with_its_defaults(
    hosts: tuple[Upstream, Upstream],
) -> None:
    router = Router(
        [_entry("a", hosts[0], temperature=0.5, rpm=None), _entry("b", hosts[1])],
        default_litellm_params={"max_tokens": 7},
    )

    answer = router.completion("a", HI, max_tokens=9)

    assert answer.choices[0].message.content == TEXT
    assert hosts[0].requests[0].json == {
        "model": "a-up",
        "messages": HI,
        "temperature": 0.5,
        "max_tokens": 9,
    }
    assert hosts[0].requests[0].headers["authorization"] == "Bearer k"
    assert not hosts[1].requests
    assert answer._hidden_params["model_id"] == router.get_model_ids()[0]


def test_streams_text_and_asyncio_go_the_same_way(hosts: tuple[Upstream, Upstream]) -> None:
    router = Router(model_list=[_entry("a", hosts[0])])

    async def run() -> tuple[Any, str]:
        whole = await router.acompletion(model="a", messages=HI)
        stream = await router.acompletion("a", HI, stream=True)
        return whole, "".join([c.choices[0].delta.content or "" async for c in stream])

    whole, streamed = asyncio.run(run())
    assert whole.choices[0].message.content == TEXT
    assert streamed == TEXT
    assert _texts(router.completion("a", HI, stream=True)) == TEXT
    assert router.text_completion("a", "Once").choices[0].text == TEXT


def test_a_failure_is_retried_at_another_deployment_and_then_at_the_fallbacks(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    router = Router(
        [_entry("a", first, order=1), _entry("b", second)],
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
    router = Router([_entry("a", first), _entry("b", second)], num_retries=0)
    first.plays(Reply.error(500), Reply.error(500))

    assert router.completion("a", HI, fallbacks=["b"]).choices[0].message.content == TEXT
    with pytest.raises(litellm.InternalServerError):
        router.completion("a", HI)


def test_a_full_context_has_fallbacks_of_its_own(hosts: tuple[Upstream, Upstream]) -> None:
    first, second = hosts
    router = Router(
        [_entry("small", first), _entry("large", second)],
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


def test_names_aliases_and_unknown_ones() -> None:
    router = Router(
        [_entry("a", mock_response="from a")],
        model_group_alias={"other": "a"},
        default_fallbacks=["a"],
    )

    assert router.completion("other", HI).choices[0].message.content == "from a"
    assert router.get_model_names() == ["a", "other"]
    assert router.model_names == ["a", "other"]
    assert [entry["model_name"] for entry in router.get_model_list("a")] == ["a"]
    with pytest.raises(litellm.BadRequestError, match=r"`b` in the router: its names are `a`"):
        router.completion("b", HI)
    router.add_deployment(_entry("b", mock_response="from b"))
    assert router.completion("b", HI).choices[0].message.content == "from b"


def test_calls_go_through_the_modules_functions_so_that_replaced_ones_are_called() -> None:
    router = Router([_entry("a", mock_response="x")])
    heard: list[Any] = []

    def instead(*args: Any, **kwargs: Any) -> str:
        heard.append((args, kwargs["temperature"]))
        return "instead"

    litellm.completion = instead  # type: ignore[assignment]
    try:
        assert router.completion("a", HI, temperature=0) == "instead"
    finally:
        del litellm.completion
    assert heard == [(("a", HI), 0)]


def test_what_the_router_does_not_follow_is_said_by_name(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING, logger="LiteLLM Router")

    router = Router(
        [_entry("a", mock_response="x", rpm=5)],
        routing_strategy="least-busy",
        redis_host="localhost",
        cache_responses=False,
    )

    said = " ".join(caplog.messages)
    assert all(name in said for name in ("least-busy", "`redis_host`", "`litellm_params.rpm`"))
    assert "cache_responses" not in said
    with pytest.raises(TypeError, match="no_such_argument"):
        Router([], no_such_argument=1)
    with pytest.raises(AttributeError, match=r"Router\.schedule_acompletion. is not built"):
        router.schedule_acompletion("a", HI)


@pytest.mark.parametrize(
    "wrong",
    [
        [{"model_name": "a"}],
        [{"litellm_params": {"model": "openai/x"}}],
        [{"model_name": "a", "litellm_params": {"model": "nobody/x"}}],
        ["a"],
    ],
)
def test_a_wrong_list_is_refused_and_the_old_one_stays(wrong: list[Any]) -> None:
    router = Router([_entry("a", mock_response="x")])

    with pytest.raises(litellm.BadRequestError):
        router.set_model_list(wrong)
    assert router.completion("a", HI).choices[0].message.content == "x"


def test_a_deployment_may_be_litellms_object_and_its_key_a_variable(
    environ: dict[str, str], hosts: tuple[Upstream, Upstream]
) -> None:
    environ["MY_KEY"] = "from-environment"
    params = {"model": "openai/m", "api_key": "os.environ/MY_KEY", "api_base": hosts[0].url}
    lib: Any = litellm
    deployment = lib.types.router.Deployment(
        model_name="a",
        litellm_params=lib.types.router.LiteLLM_Params(**params),
    )

    Router([deployment]).completion("a", HI)

    assert hosts[0].requests[0].headers["authorization"] == "Bearer from-environment"


def test_a_key_never_follows_to_a_fallback_of_another_maker() -> None:
    from puna.client.keywords import read_call
    from puna.client.settings import ClientSettings

    settings = ClientSettings(environ={"ANTHROPIC_API_KEY": "sk-own", "OPENAI_API_KEY": "sk-env"})
    call = read_call(
        "gpt-4o", HI, {"api_key": "sk-openai", "fallbacks": ["claude-x", "gpt-4o-mini"]}, settings
    )

    keys = [group[0].target.api_key for group in call.plan.fallbacks]
    assert [key.reveal() for key in keys if key is not None] == ["sk-own", "sk-openai"]


KEYLESS = {"model_name": "a", "litellm_params": {"model": "groq/llama-3.3-70b-versatile"}}


def test_a_key_may_come_after_the_router_was_made(
    environ: dict[str, str], hosts: tuple[Upstream, Upstream], caplog: pytest.LogCaptureFixture
) -> None:
    """As in LiteLLM, where a host refuses the call; smolagents makes routers without any key."""
    caplog.set_level(logging.WARNING, logger="LiteLLM Router")
    router = Router(
        [KEYLESS, {**KEYLESS, "model_name": "b"}, _entry("b", mock_response="from b")],
        model_group_alias={"c": "a"},
    )

    assert router.get_model_names() == ["b", "a", "c"]
    assert "A deployment of `b` is left out" in caplog.text
    assert "GROQ_API_KEY" in caplog.text
    assert router.completion("b", HI).choices[0].message.content == "from b"
    for name in ("a", "c"):
        with pytest.raises(litellm.AuthenticationError, match="GROQ_API_KEY"):
            router.completion(name, HI)
    environ |= {"GROQ_API_KEY": "k", "GROQ_API_BASE": hosts[0].url}
    assert router.completion("c", HI).choices[0].message.content == TEXT
    assert hosts[0].requests[0].headers["authorization"] == "Bearer k"


def test_a_name_without_key_leaves_the_connections_of_others_alone(
    hosts: tuple[Upstream, Upstream],
) -> None:
    router = Router([KEYLESS, _entry("b", hosts[0])])
    for _ in range(3):
        with pytest.raises(litellm.AuthenticationError, match="GROQ_API_KEY"):
            router.completion("a", HI)
        assert router.completion("b", HI).choices[0].message.content == TEXT
    assert hosts[0].connections == 1


def test_a_name_without_key_goes_to_its_fallbacks_until_the_key_is_there(
    environ: dict[str, str], hosts: tuple[Upstream, Upstream]
) -> None:
    """As in LiteLLM, where a host refuses the call."""
    other = _entry("b", mock_response="from b")
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
    entries = [_entry("a", first), _entry("b", second)]
    router = Router(entries, num_retries=0, model_group_alias={"other": "b"}, **settings)

    assert router.completion("a", HI).choices[0].message.content == TEXT


def test_an_alias_has_its_own_fallbacks_or_those_of_its_name(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, second = hosts
    first.plays_always(Reply.error(500))
    entries = [_entry("a", first), _entry("b", second)]
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
    router = Router([_entry("a", first), _entry("b", second)], num_retries=0)

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
        Router([_entry("a", mock_response="x"), _entry("b", mock_response="x")], **settings)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"fallbacks": [{"a": ["typo"]}]}, "`fallbacks` of `a` is `typo`"),
        ({"default_fallbacks": ["typo"]}, "`fallbacks` of `a` is `typo`"),
        ({"model_group_alias": {"other": "typo"}}, "`model_group_alias` of `other` is `typo`"),
    ],
)
def test_a_name_that_stands_for_no_deployment_is_told(
    caplog: pytest.LogCaptureFixture, settings: dict[str, Any], said: str
) -> None:
    caplog.set_level(logging.WARNING, logger="LiteLLM Router")
    Router([_entry("a", mock_response="x")], **settings)
    assert said in " ".join(caplog.messages)


def test_a_weight_of_nothing_is_no_share(hosts: tuple[Upstream, Upstream]) -> None:
    first, second = hosts
    router = Router([_entry("a", first, weight=0), _entry("a", second, weight="2", order="0")])
    for _ in range(20):
        router.completion("a", HI)
    assert [len(first.requests), len(second.requests)] == [0, 20]


@pytest.mark.parametrize("wrong", [{"weight": "x"}, {"weight": -1}, {"order": [1]}])
def test_a_wrong_number_of_a_deployment_is_refused(wrong: dict[str, Any]) -> None:
    field = next(iter(wrong))
    with pytest.raises(litellm.BadRequestError, match=rf"`litellm_params.{field}` must be a"):
        Router([_entry("a", mock_response="x", **wrong)])


def test_a_name_that_is_no_text_is_unknown() -> None:
    name: Any = ["a"]
    with pytest.raises(litellm.BadRequestError, match="No deployment of"):
        Router([_entry("a", mock_response="x")]).completion(name, HI)


def test_a_new_list_keeps_the_connections_and_the_end_of_the_router_closes_them(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, _ = hosts

    async def use(router: Router) -> None:
        for number in range(5):
            await router.acompletion("a", HI)
            router.set_model_list([_entry("a", first), _entry(f"c{number}", first)])

    def make_and_use() -> None:
        router = Router([_entry("a", first)])
        for number in range(5):
            router.completion("a", HI)
            router.set_model_list([_entry("a", first), _entry(f"b{number}", first)])
        assert (len(first.requests), first.connections) == (5, 1)
        asyncio.run(use(router))
        assert (len(first.requests), first.connections) == (10, 2)

    make_and_use()
    gc.collect()
    assert first.sees(lambda: first.open_connections == 0)
