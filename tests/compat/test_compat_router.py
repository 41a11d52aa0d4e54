"""LiteLLM's `Router` over Puna's routing."""

from __future__ import annotations

import asyncio
import gc
import logging
from typing import Any

import pytest
from tests.support.router_entries import HI, KEYLESS, entry
from tests.support.upstream import TEXT, Upstream

import litellm
from litellm import Router


def texts_of(stream: Any) -> str:
    return "".join(chunk.choices[0].delta.content or "" for chunk in stream)


def test_a_name_is_asked_at_its_deployment_with_its_defaults(
    hosts: tuple[Upstream, Upstream],
) -> None:
    router = Router(
        [entry("a", hosts[0], temperature=0.5, rpm=None), entry("b", hosts[1])],
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
    router = Router(model_list=[entry("a", hosts[0])])

    async def run() -> tuple[Any, str]:
        whole = await router.acompletion(model="a", messages=HI)
        stream = await router.acompletion("a", HI, stream=True)
        return whole, "".join([c.choices[0].delta.content or "" async for c in stream])

    whole, streamed = asyncio.run(run())
    assert whole.choices[0].message.content == TEXT
    assert streamed == TEXT
    assert texts_of(router.completion("a", HI, stream=True)) == TEXT
    assert router.text_completion("a", "Once").choices[0].text == TEXT


def test_names_aliases_and_unknown_ones() -> None:
    router = Router(
        [entry("a", mock_response="from a")],
        model_group_alias={"other": "a"},
        default_fallbacks=["a"],
    )

    assert router.completion("other", HI).choices[0].message.content == "from a"
    assert router.get_model_names() == ["a", "other"]
    assert router.model_names == ["a", "other"]
    assert [entry["model_name"] for entry in router.get_model_list("a")] == ["a"]
    with pytest.raises(litellm.BadRequestError, match=r"`b` in the router: its names are `a`"):
        router.completion("b", HI)
    router.add_deployment(entry("b", mock_response="from b"))
    assert router.completion("b", HI).choices[0].message.content == "from b"


def test_calls_go_through_the_modules_functions_so_that_replaced_ones_are_called() -> None:
    router = Router([entry("a", mock_response="x")])
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
        [entry("a", mock_response="x", rpm=5)],
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
    router = Router([entry("a", mock_response="x")])

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


def test_a_key_may_come_after_the_router_was_made(
    environ: dict[str, str], hosts: tuple[Upstream, Upstream], caplog: pytest.LogCaptureFixture
) -> None:
    """As in LiteLLM, where a host refuses the call; smolagents makes routers without any key."""
    caplog.set_level(logging.WARNING, logger="LiteLLM Router")
    router = Router(
        [KEYLESS, {**KEYLESS, "model_name": "b"}, entry("b", mock_response="from b")],
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
    router = Router([KEYLESS, entry("b", hosts[0])])
    for _ in range(3):
        with pytest.raises(litellm.AuthenticationError, match="GROQ_API_KEY"):
            router.completion("a", HI)
        assert router.completion("b", HI).choices[0].message.content == TEXT
    assert hosts[0].connections == 1


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
    Router([entry("a", mock_response="x")], **settings)
    assert said in " ".join(caplog.messages)


def test_a_weight_of_nothing_is_no_share(hosts: tuple[Upstream, Upstream]) -> None:
    first, second = hosts
    router = Router([entry("a", first, weight=0), entry("a", second, weight="2", order="0")])
    for _ in range(20):
        router.completion("a", HI)
    assert [len(first.requests), len(second.requests)] == [0, 20]


@pytest.mark.parametrize("wrong", [{"weight": "x"}, {"weight": -1}, {"order": [1]}])
def test_a_wrong_number_of_a_deployment_is_refused(wrong: dict[str, Any]) -> None:
    field = next(iter(wrong))
    with pytest.raises(litellm.BadRequestError, match=rf"`litellm_params.{field}` must be a"):
        Router([entry("a", mock_response="x", **wrong)])


def test_a_name_that_is_no_text_is_unknown() -> None:
    name: Any = ["a"]
    with pytest.raises(litellm.BadRequestError, match="No deployment of"):
        Router([entry("a", mock_response="x")]).completion(name, HI)


def test_a_new_list_keeps_the_connections_and_the_end_of_the_router_closes_them(
    hosts: tuple[Upstream, Upstream],
) -> None:
    first, _ = hosts

    async def use(router: Router) -> None:
        for number in range(5):
            await router.acompletion("a", HI)
            router.set_model_list([entry("a", first), entry(f"c{number}", first)])

    def make_and_use() -> None:
        router = Router([entry("a", first)])
        for number in range(5):
            router.completion("a", HI)
            router.set_model_list([entry("a", first), entry(f"b{number}", first)])
        assert (len(first.requests), first.connections) == (5, 1)
        asyncio.run(use(router))
        assert (len(first.requests), first.connections) == (10, 2)

    make_and_use()
    gc.collect()
    assert first.sees(lambda: first.open_connections == 0)
