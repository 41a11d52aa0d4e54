"""The `anthropic` package through the gateway, over what three hosts really say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from pydantic import BaseModel
from tests.support.provider_suite import FIXTURES, load
from tests.support.replayed import KEY, LISTED, ROWS
from tests.support.server import Served
from tests.support.upstream import Reply, Upstream, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

HI: Any = [{"role": "user", "content": "hi"}]
TEXT = "Hello there"
ONCE = {"num_retries": 0}
TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "Weather of a place",
        "input_schema": {
            "type": "object",
            "properties": {"location": {"type": "string"}},
            "required": ["location"],
        },
    }
]

ASK: Any = {"model": f"{ROWS[0]}/{LISTED}", "max_tokens": 64}


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture
def ask(row: str) -> dict[str, Any]:
    return {"model": f"{row}/{LISTED}", "max_tokens": 64}


@pytest.fixture
def client(served: Served) -> Iterator[anthropic.Anthropic]:
    with anthropic.Anthropic(api_key=KEY, base_url=served.url, max_retries=0) as made:
        yield made


def text_of(message: Any) -> str:
    (block,) = message.content
    assert block.type == "text"
    said: str = block.text
    return said


@pytest.mark.case(125)
def test_a_message_is_created(client: anthropic.Anthropic, row: str, ask: dict[str, Any]) -> None:
    message = client.messages.create(**ask, messages=HI, system="Be brief.")
    assert text_of(message) == TEXT
    assert (message.model, message.stop_reason) == (ask["model"], "end_turn")
    tokens = load(FIXTURES / row / "chat.json")["expects"]["tokens"]
    assert [message.usage.input_tokens, message.usage.output_tokens] == tokens[:2]
    assert message._request_id


@pytest.mark.case(125)
def test_a_message_is_streamed_by_the_helper(
    client: anthropic.Anthropic, ask: dict[str, Any]
) -> None:
    with client.messages.stream(**ask, messages=HI) as stream:
        kinds = [event.type for event in stream]
        message = stream.get_final_message()
    assert text_of(message) == TEXT
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")
    assert message.usage.output_tokens > 0


@pytest.mark.case(125)
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_round_trip_of_tools(
    client: anthropic.Anthropic,
    hosts: Upstream,
    ask: dict[str, Any],
    is_streamed: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if is_streamed:
        with client.messages.stream(**ask, messages=HI, tools=TOOLS) as stream:
            first: Any = stream.get_final_message()
    else:
        first = client.messages.create(**ask, messages=HI, tools=TOOLS)
    (call,) = first.content
    assert (first.stop_reason, call.type, call.name) == ("tool_use", "tool_use", "get_weather")
    assert call.input == {"location": "Paris"}
    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny"}
    turns: Any = [
        *HI,
        {"role": "assistant", "content": first.content},
        {"role": "user", "content": [result]},
    ]
    assert text_of(client.messages.create(**ask, messages=turns, tools=TOOLS)) == TEXT
    sent = hosts.requests[-1].json["messages"]
    assert sent[-2]["tool_calls"][0]["id"] == sent[-1]["tool_call_id"] == call.id


@pytest.mark.case(125)
def test_the_tool_runner_loops_until_there_is_text(
    client: anthropic.Anthropic, hosts: Upstream, ask: dict[str, Any]
) -> None:
    @anthropic.beta_tool
    def get_weather(location: str) -> str:
        """Weather of a place."""
        return f"sunny in {location}"

    runner = client.beta.messages.tool_runner(**ask, messages=HI, tools=[get_weather])
    assert text_of(runner.until_done()) == TEXT
    sent = hosts.requests[-1].json["messages"]  # all of it: the SDK's threads are refused
    assert [message["role"] for message in sent] == ["user", "assistant", "tool"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"]
    assert sent[2]["content"] == "sunny in Paris"


@pytest.mark.case(125)
def test_a_message_is_parsed_into_a_pydantic_class(client: anthropic.Anthropic, row: str) -> None:
    message = client.messages.parse(
        model=f"{row}/person", max_tokens=64, messages=HI, output_format=Person
    )
    assert message.parsed_output == Person(name="Alice", age=31)


@pytest.mark.case(125)
def test_tokens_are_counted(client: anthropic.Anthropic, ask: dict[str, Any]) -> None:
    few = client.messages.count_tokens(model=ask["model"], messages=HI)
    more = client.messages.count_tokens(model=ask["model"], messages=HI, tools=TOOLS, system="Hm.")
    assert 0 < few.input_tokens < more.input_tokens


@pytest.mark.case(125)
@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("error_401", anthropic.AuthenticationError),
        ("error_403", anthropic.PermissionDeniedError),
        ("error_404_html", anthropic.NotFoundError),
        ("error_429", anthropic.RateLimitError),
    ],
)
def test_a_hosts_error_is_the_matching_class(
    client: anthropic.Anthropic, row: str, fixture: str, kind: type[anthropic.APIStatusError]
) -> None:
    with pytest.raises(kind) as caught:
        client.messages.create(
            model=f"{row}/{fixture}",
            max_tokens=64,
            messages=HI,
            extra_body=ONCE,
        )
    for words in load(FIXTURES / row / f"{fixture}.json")["expects"]["says"]:
        assert words in caught.value.message


@pytest.mark.case(125)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, anthropic.BadRequestError),
        (401, anthropic.AuthenticationError),
        (403, anthropic.PermissionDeniedError),
        (404, anthropic.NotFoundError),
        (413, anthropic.RequestTooLargeError),
        (422, anthropic.UnprocessableEntityError),
        (429, anthropic.RateLimitError),
        (500, anthropic.InternalServerError),
        (503, anthropic.OverloadedError),
    ],
)
def test_a_status_is_the_matching_class(
    client: anthropic.Anthropic, hosts: Upstream, status: int, kind: type[anthropic.APIStatusError]
) -> None:
    hosts.plays(Reply.error(status, "the detail"))
    with pytest.raises(kind) as caught:
        client.messages.create(**ASK, messages=HI, extra_body=ONCE)
    assert "the detail" in caught.value.message


@pytest.mark.case(125)
def test_a_wrong_key_is_an_authentication_error(served: Served) -> None:
    with (
        anthropic.Anthropic(api_key="wrong", base_url=served.url, max_retries=0) as stranger,
        pytest.raises(anthropic.AuthenticationError),
    ):
        stranger.models.list()


@pytest.mark.case(125)
def test_a_stream_that_breaks_raises_after_what_came(
    client: anthropic.Anthropic, hosts: Upstream
) -> None:
    hosts.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    texts: list[str] = []
    with (
        client.messages.stream(**ASK, messages=HI) as stream,
        pytest.raises(anthropic.APIStatusError) as caught,
    ):
        texts.extend(stream.text_stream)
    assert "".join(texts) == "Hello"
    assert "'overloaded_error'" in str(caught.value.body)


@pytest.mark.case(125)
@pytest.mark.parametrize("path", ["", "/anthropic"])
@pytest.mark.parametrize("key", ["api_key", "auth_token"])
def test_each_address_takes_both_kinds_of_key(served: Served, path: str, key: str) -> None:
    keys: Any = {key: KEY}
    with anthropic.Anthropic(**keys, base_url=served.url + path, max_retries=0) as client:
        assert text_of(client.messages.create(**ASK, messages=HI)) == TEXT
        stream = client.messages.create(**ASK, messages=HI, stream=True)
        assert [event.type for event in stream][-1] == "message_stop"


@pytest.mark.case(125)
def test_models_are_listed_and_retrieved(client: anthropic.Anthropic, ask: dict[str, Any]) -> None:
    assert ask["model"] in [one.id for one in client.models.list()]
    assert client.models.retrieve(ask["model"]).display_name == ask["model"]


@pytest.mark.case(125)
@pytest.mark.anyio
async def test_the_asynchronous_client_streams(served: Served, ask: dict[str, Any]) -> None:
    async with (
        anthropic.AsyncAnthropic(api_key=KEY, base_url=served.url, max_retries=0) as client,
        client.messages.stream(**ask, messages=HI) as stream,
    ):
        assert text_of(await stream.get_final_message()) == TEXT


ALL: Any = {
    "messages": [{"role": "user", "content": "Hello, world"}],
    "cache_control": {"type": "ephemeral", "ttl": "5m"},
    "container": {"id": "id", "skills": [{"skill_id": "pdf", "type": "anthropic"}]},
    "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
    "diagnostics": {"previous_message_id": "previous_message_id"},
    "fallback_credit_token": "x",
    "inference_geo": "inference_geo",
    "mcp_servers": [{"name": "name", "type": "url", "url": "url"}],
    "metadata": {"user_id": "13803d75-b4b5-4c3e-b2a2-6f21399b021b"},
    "output_config": {
        "effort": "low",
        "format": {"schema": {"foo": "bar"}, "type": "json_schema"},
        "task_budget": {"total": 1024, "type": "tokens", "remaining": 0},
    },
    "service_tier": "auto",
    "speed": "standard",
    "stop_sequences": ["string"],
    "system": [{"text": "Today's date is 2024-06-01.", "type": "text"}],
    "thinking": {"type": "adaptive", "display": "summarized"},
    "tool_choice": {"type": "auto", "disable_parallel_tool_use": True},
    "tools": [
        {
            "input_schema": {"type": "object", "properties": {"location": "bar", "unit": "bar"}},
            "name": "name",
            "allowed_callers": ["direct"],
            "defer_loading": True,
            "eager_input_streaming": True,
            "input_examples": [{"foo": "bar"}],
            "strict": True,
            "type": "custom",
        }
    ],
    "betas": ["server-side-fallback-2026-07-01"],
    "user_profile_id": "anthropic-user-profile-id",
    "extra_body": {"temperature": 1, "top_k": 5, "top_p": 0.7},
}
"""The request with all parameters of the SDK's own tests, in which `fallbacks` stands."""


@pytest.mark.parametrize("is_strict", [False, True])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fallbacks", ["default", [{"model": "claude-haiku-4-5", "max_tokens": 5, "thinking": None}]]
)
def test_anthropics_own_case_with_all_parameters_passes(
    served: Served,
    ask: dict[str, Any],
    fallbacks: Any,
    stream: bool,  # noqa: FBT001 - a parametrised case
    is_strict: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    """Ten of its cases: they have `fallbacks="default"`, and a client strict about types."""
    with anthropic.Anthropic(
        api_key=KEY,
        base_url=served.url,
        max_retries=0,
        _strict_response_validation=is_strict,
    ) as client:
        made: Any = client.beta.messages.create(**ask, **ALL, fallbacks=fallbacks, stream=stream)
        if not stream:
            assert text_of(made) == TEXT
            return
        events = list(made)
        assert [events[0].type, events[-1].type] == ["message_start", "message_stop"]
