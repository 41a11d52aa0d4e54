"""Messages and Responses requests with odd values: both lanes give the same."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.gateway.passing.test_gateway_passing_messages import told as message_told
from tests.support.agent_lanes import CONFIG
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, ask_both
from tests.support.lanes import Edge, request_bytes
from tests.support.response_views import told as response_told

from puna.transports.replay import Recorded

_CHUNK = {"id": "cmpl-7", "object": "chat.completion.chunk", "created": 1_750_000_001, "model": "m"}


def events(*deltas: dict[str, Any], reason: str = "stop", **beside: Any) -> Recorded:
    """A stream of one chunk for each delta; `beside` goes to the second chunk."""
    chunks: list[dict[str, Any]] = [
        {**_CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        for delta in deltas
    ]
    chunks[1] |= beside
    chunks.append({**_CHUNK, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    texts = [*map(json.dumps, chunks), "[DONE]"]
    pieces = tuple(f"data: {text}\n\n".encode() for text in texts)
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


def compare(body: Any, recorded: Recorded, path: str) -> tuple[Edge, Answer]:
    """Send a request through both lanes, which must agree; the fast lane must have taken it."""
    data = request_bytes(body, AUTH, path=path)
    view = message_told if path == "/v1/messages" else response_told
    fast, _, answer = asyncio.run(ask_both(lambda _: recorded, data, CONFIG, view=view))
    assert answer.headers["x-puna-lane"] == "fast"
    return fast, answer


def test_a_call_of_a_tool_with_a_long_name_gets_the_alias_in_a_history() -> None:
    name = "write" * 20
    call = {"type": "tool_use", "id": "c1", "name": name, "input": {}}
    result = {"type": "tool_result", "tool_use_id": "c1", "content": "done"}
    body = {
        "model": "public",
        "max_tokens": 10,
        "messages": [
            {"role": "user", "content": "Write."},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
        "stream": True,
    }
    fast, _ = compare(body, events({"content": "a"}, {"content": "b"}), "/v1/messages")
    sent = json.loads(fast.hot.requests[0].body)
    called = sent["messages"][1]["tool_calls"][0]["function"]["name"]
    assert len(called) == 64
    assert called.startswith("writewrite")


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_what_a_response_repeats_of_an_indented_request_stays_on_one_line(end: str) -> None:
    body = {
        "model": "public",
        "input": "hi",
        "store": False,
        "stream": True,
        "metadata": {"a": "b\nc"},
        "tools": [{"type": "function", "name": "get", "parameters": {"type": "object"}}],
    }
    indented = json.dumps(body, indent=2).replace("\n", end).encode()
    _, answer = compare(indented, events({"content": "a"}, {"content": "b"}), "/v1/responses")
    lines = answer.text.splitlines()
    assert all(line == "" or line.startswith(("event: ", "data: ")) for line in lines)
    last = json.loads(lines[-2].removeprefix("data: "))["response"]
    assert last["metadata"] == {"a": "b\nc"}
    assert last["tools"][0]["parameters"] == {"type": "object"}


_BEGIN = {"index": 0, "id": "c1", "type": "function", "function": {"name": "get", "arguments": ""}}
_MORE = [{"index": 0, "function": {"arguments": piece}} for piece in ("{", "}")]


@pytest.mark.parametrize(
    ("deltas", "reason"),
    [
        ([{"content": "a"}, {"content": "b"}], "stop"),
        ([{"tool_calls": [piece]} for piece in (_BEGIN, *_MORE)], "tool_calls"),
    ],
    ids=["text", "call"],
)
def test_the_tier_that_any_chunk_names_is_the_responses(
    deltas: list[dict[str, Any]], reason: str
) -> None:
    body = {"model": "public", "input": "hi", "store": False, "stream": True}
    recorded = events(*deltas, reason=reason, service_tier="flex")
    _, answer = compare(body, recorded, "/v1/responses")
    last = answer.text.splitlines()[-2].removeprefix("data: ")
    assert json.loads(last)["response"]["service_tier"] == "flex"


@pytest.mark.parametrize("mark", ["\\u0078-anthropic", "x\\u002danthropic", "x-anthropic"])
def test_the_billing_line_goes_however_it_is_escaped(mark: str) -> None:
    body = (
        '{"model":"public","max_tokens":5,"messages":[{"role":"user","content":"hi"}],'
        f'"system":"{mark}-billing-header: cch=1;\\nBe brief.","stream":true}}'
    ).encode()
    fast, _ = compare(body, events({"content": "a"}, {"content": "b"}), "/v1/messages")
    sent = json.loads(fast.hot.requests[0].body)
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/responses"])
def test_a_second_choice_of_a_chunk_does_not_break_a_stream(path: str) -> None:
    asked = {"messages": [{"role": "user", "content": "hi"}], "max_tokens": 5}
    body = {"model": "public", "stream": True, **asked}
    if path == "/v1/responses":
        body = {"model": "public", "stream": True, "input": "hi", "store": False}
    recorded = events({"content": "a"}, {"content": "b"})
    both = [{"index": i, "delta": {"content": "c"}, "finish_reason": None} for i in (0, 1)]
    extra = f"data: {json.dumps({**_CHUNK, 'choices': both})}\n\n".encode()
    pieces = (extra, *recorded.pieces)
    _, answer = compare(body, Recorded(200, recorded.headers, pieces), path)
    assert '"b"' in answer.text
    assert "error" not in answer.text.replace('"error":null', "")


@pytest.mark.parametrize("count", [10**30, -4, "x", None, 0])
def test_a_count_that_is_none_is_left_out_of_a_whole_answer(count: object) -> None:
    usage: dict[str, Any] = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    usage |= {"prompt_tokens_details": {"cache_creation_tokens": count}}
    message = {"role": "assistant", "content": "a"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    reply = {**_CHUNK, "object": "chat.completion", "choices": [choice], "usage": usage}
    recorded = Recorded(200, {"content-type": "application/json"}, (json.dumps(reply).encode(),))
    body = {
        "model": "public",
        "max_tokens": 5,
        "messages": [{"role": "user", "content": "hi"}],
    }
    _, answer = compare(body, recorded, "/v1/messages")
    assert answer.json["usage"]["input_tokens"] == 7


def test_tokens_that_were_written_to_a_cache_are_settled() -> None:
    usage: dict[str, Any] = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    usage |= {"prompt_tokens_details": {"cache_creation_tokens": 2}}
    message = {"role": "assistant", "content": "a"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    reply = {**_CHUNK, "object": "chat.completion", "choices": [choice], "usage": usage}
    recorded = Recorded(200, {"content-type": "application/json"}, (json.dumps(reply).encode(),))
    body = {"model": "public", "max_tokens": 5, "messages": [{"role": "user", "content": "hi"}]}
    fast, answer = compare(body, recorded, "/v1/messages")
    assert fast.events[0].report.cache_creation_tokens == 2
    assert answer.json["usage"]["cache_creation_input_tokens"] == 2


@pytest.mark.parametrize("is_stream", [False, True])
def test_a_call_in_a_text_of_a_deferred_tool_is_found(*, is_stream: bool) -> None:
    body = {
        "model": "public",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Look."}],
        "tools": [
            {"name": "write", "input_schema": {"type": "object"}},
            {"name": "get", "input_schema": {"type": "object"}, "defer_loading": True},
        ],
        "stream": is_stream,
    }
    said = '{"name": "get", "parameters": {}}'
    whole = {"content": said, "role": "assistant"}
    if is_stream:
        reply = events({"content": ""}, whole)
    else:
        choice = {"index": 0, "message": whole, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        answer = {**_CHUNK, "object": "chat.completion", "choices": [choice], "usage": usage}
        reply = Recorded(200, {}, (json.dumps(answer).encode(),))

    fast, told = compare(body, reply, "/v1/messages")

    (sent,) = fast.hot.requests
    assert [one["function"]["name"] for one in json.loads(sent.body)["tools"]] == ["write"]
    assert '"name":"get"' in told.text.replace(": ", ":")


def test_a_deferred_tool_that_no_host_could_have_is_refused_before_admission() -> None:
    tool = {"name": "a b", "input_schema": {"type": "object"}, "defer_loading": True}
    offered = {"name": "write", "input_schema": {"type": "object"}}
    body = {
        "model": "public",
        "max_tokens": 10,
        "messages": [{"role": "user", "content": "Look."}],
        "tools": [offered, tool],
    }
    data = request_bytes(body, AUTH, path="/v1/messages")
    reply = events({"content": "a"}, {"content": "b"})

    fast, _, answer = asyncio.run(ask_both(lambda _: reply, data, CONFIG, view=message_told))

    assert (answer.status, fast.hot.requests) == (400, [])
