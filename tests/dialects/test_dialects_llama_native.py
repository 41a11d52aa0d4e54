"""The Llama API's own protocol. Plain cases are in `tests/fixtures/llama_api_native`."""

from __future__ import annotations

import json
from collections.abc import Iterable
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for

from puna.client import Client, ClientSettings
from puna.dialects.base import BuiltRequest
from puna.dialects.llama_native import LlamaNativeChat
from puna.errors import (
    APIError,
    AuthenticationError,
    BadRequestError,
    MalformedReplyError,
    NotFoundError,
    StreamInterruptedError,
)
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.transports.replay import Recorded, ReplayTransport, in_order
from puna.types.chat import ChatCompletionChunk
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts

ROW = PROVIDERS["llama_api_native"]
TARGET = resolve_target(ROW, "m", {"LLAMA_API_CLIENT_BASE_URL": "http://stack:8321/v1"})
HI = {"role": "user", "content": "Hi"}


def build(**fields: Any) -> BuiltRequest:
    request = request_for("llama_api_native/m", **fields)
    return LlamaNativeChat().build_request(request, TARGET, Timeouts())


def event(
    kind: str, delta: Any = None, *, around: dict[str, Any] | None = None, **more: Any
) -> bytes:
    made = {"event_type": kind, "delta": delta or {"type": "text", "text": ""}, **more}
    return b"data: " + json.dumps({**(around or {}), "event": made}).encode() + b"\n\n"


def text(said: str) -> dict[str, Any]:
    return {"type": "text", "text": said}


def metrics(asked: float, made: float) -> list[Any]:
    return [
        {"metric": "num_prompt_tokens", "value": asked, "unit": "tokens"},
        {"metric": "num_completion_tokens", "value": made},
        {"metric": "num_total_tokens", "value": asked + made},
        {"metric": "unheard_of", "value": 1},
        "nonsense",
    ]


def read(
    pieces: Iterable[bytes], **request: Any
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    asked = request_for(stream=True, stream_options={"include_usage": True}, **request)
    reader = LlamaNativeChat().stream_reader(context_for(request=asked))
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


def test_a_conversation_has_only_the_fields_of_this_protocol() -> None:
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    messages = [
        {"role": "developer", "content": "Be brief."},
        {
            "role": "user",
            "name": "me",
            "content": [
                {"type": "text", "text": "What?", "cache_control": {"type": "ephemeral"}},
                {
                    "type": "image_url",
                    "image_url": {"url": "https://a.test/b.png", "detail": "low"},
                },
            ],
        },
        {"role": "assistant", "content": [text("On"), text("e.")], "tool_calls": [call]},
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    built = build(messages=messages)
    assert built.http.url == "http://stack:8321/v1/chat/completions"
    assert json.loads(built.http.body)["messages"] == [
        {"role": "system", "content": "Be brief."},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What?"},
                {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}},
            ],
        },
        {
            "role": "assistant",
            "content": "One.",
            "tool_calls": [{"id": "c1", "function": {"name": "f", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "done"},
    ]
    assert built.dropped_params == (
        "messages[].name",
        "messages[].content[].cache_control",
        "messages[].content[].image_url.detail",
    )


@pytest.mark.parametrize(
    ("message", "param"),
    [
        ({"role": "function", "name": "f", "content": "x"}, "messages[0].role"),
        (
            {"role": "user", "content": [{"type": "file", "file": {}}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_what_this_protocol_cannot_say_is_refused(message: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        build(messages=[message])
    assert (raised.value.param, raised.value.provider) == (param, "llama_api_native")


def test_stream_options_of_a_whole_reply_are_left_out_and_told() -> None:
    built = build(stream_options={"include_usage": True})
    assert "stream_options" not in json.loads(built.http.body)
    assert built.dropped_params == ("stream_options",)


def test_the_hosted_preview_is_named_where_there_is_no_key_and_no_other_address() -> None:
    transport = ReplayTransport(in_order())
    client = Client(ClientSettings(environ={}), transport=transport)
    with pytest.raises(AuthenticationError, match="LLAMA_API_CLIENT_BASE_URL"):
        client.completion("llama_api_native/m", [HI])
    # The variable of the compatible endpoint names another protocol's address.
    settings = ClientSettings(environ={"LLAMA_API_BASE": "http://box/v1"})
    with pytest.raises(AuthenticationError):
        Client(settings, transport=transport).completion("llama_api_native/m", [HI])
    assert transport.requests == []


def test_another_server_needs_no_key() -> None:
    body = b'{"completion_message":{"role":"assistant","content":"Hi","stop_reason":"stop"}}'
    transport = ReplayTransport(in_order(Recorded(pieces=[body])))
    client = Client(ClientSettings(environ={}), transport=transport)
    answer = client.completion("llama_api_native/m", [HI], api_base="http://stack:8321/v1")
    assert answer.choices[0].message.content == "Hi"
    assert answer.usage is not None
    assert answer.usage.is_estimate
    assert "authorization" not in transport.requests[0].headers


def test_it_has_no_embeddings() -> None:
    client = Client(ClientSettings(environ={}), transport=ReplayTransport(in_order()))
    with pytest.raises(NotFoundError, match="knows no embeddings in the protocol of"):
        client.embedding("llama_api_native/m", "x", api_base="http://stack:8321/v1")


ARGUMENTS = '{"a":1}'
SAID = st.lists(
    st.one_of(st.text(max_size=5), st.tuples(st.sampled_from(("f", "g")), st.integers(0, 7))),
    max_size=5,
)
"""Texts, and calls by their function and the place where their arguments are cut."""


def call_pieces(call_id: str, name: str, cut: int) -> list[dict[str, Any]]:
    first, last = ARGUMENTS[:cut], ARGUMENTS[cut:]
    return [
        {"type": "tool_call", "id": call_id, "function": {"name": name}},
        {"type": "tool_call", "function": {"arguments": first}},
        {"type": "tool_call", "id": call_id, "function": {"arguments": last}},
    ]


@given(
    SAID,
    st.sampled_from(("stop", "length", "tool_calls")),
    st.lists(st.integers(0, 3_000), max_size=9),
)
def test_a_stream_folds_to_the_whole_reply_however_it_is_cut(
    all_said: list[str | tuple[str, int]], reason: str, places: list[int]
) -> None:
    deltas: list[dict[str, Any]] = []
    calls: list[dict[str, Any]] = []
    for one in all_said:
        if isinstance(one, str):
            deltas.append(text(one))
            continue
        call_id = f"c{len(calls)}"
        deltas += call_pieces(call_id, *one)
        calls.append({"id": call_id, "function": {"name": one[0], "arguments": ARGUMENTS}})
    said = "".join(one for one in all_said if isinstance(one, str))
    around = {"id": "up-1"}
    frames = [
        event("start", around=around),
        *(event("progress", delta, around=around) for delta in deltas),
        event("complete", around=around, stop_reason=reason),
        event("metrics", around=around, metrics=metrics(11.0, 3.0)),
    ]
    whole = b"".join(frames)
    cuts = [0, *sorted(place for place in places if place < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(cuts)]
    chunks, error = read(pieces)
    assert error is None
    assert (chunks, error) == read([whole])

    message = {
        "role": "assistant",
        "content": text(said),
        "tool_calls": calls,
        "stop_reason": reason,
    }
    body = {"id": "up-1", "completion_message": message, "metrics": metrics(11.0, 3.0)}
    reply = HTTPReply(200, {}, json.dumps(body).encode())
    answer = LlamaNativeChat().read_reply(reply, context_for())
    folded = fold(chunks)
    (choice,), (expected,) = folded.choices, answer.choices
    assert (choice.message.content or None) == (expected.message.content or None)
    assert choice.message.tool_calls == expected.message.tool_calls
    assert choice.finish_reason == expected.finish_reason
    assert (folded.id, folded.usage) == (answer.id, answer.usage)
    assert folded.usage is not None
    assert folded.usage.total_tokens == 14


def test_metrics_may_come_with_the_last_event_or_around_it() -> None:
    for last in (
        event("complete", stop_reason="stop", metrics=metrics(2, 1)),
        event("complete", stop_reason="stop", around={"metrics": metrics(2, 1)}),
    ):
        chunks, error = read([event("start", text("Hi")), last])
        assert error is None
        assert chunks[-1].usage is not None
        assert chunks[-1].usage.prompt_tokens == 2


def test_a_cut_stream_is_interrupted_and_a_foreign_one_malformed() -> None:
    cases: list[tuple[list[bytes], type[APIError], str]] = [
        ([event("start", text("Hi"))], StreamInterruptedError, "before the answer was finished"),
        ([event("metrics", metrics=[])], StreamInterruptedError, "without any content"),
        ([b'data: {"choices":[]}\n\n'], MalformedReplyError, "a frame without an event"),
        ([b"data: nonsense\n\n"], MalformedReplyError, "not JSON"),
    ]
    for pieces, cls, words in cases:
        _, error = read(pieces)
        assert type(error) is cls
        assert words in str(error)


def test_a_reply_without_a_message_is_malformed() -> None:
    with pytest.raises(MalformedReplyError, match="without a message"):
        LlamaNativeChat().read_reply(HTTPReply(200, {}, b'{"id":"x"}'), context_for())
