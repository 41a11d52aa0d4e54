from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.base import ReadContext, Target
from puna.dialects.embedded_chat import EmbeddedChat
from puna.errors import (
    BadRequestError,
    ContextWindowExceededError,
    InternalServerError,
    MalformedReplyError,
    StreamInterruptedError,
)
from puna.types.chat import ChatCompletionChunk
from puna.types.requests import ChatRequest, make_chat_request
from puna.wire.http import HTTPReply, Timeouts

DIALECT = EmbeddedChat()
TARGET = Target(provider="embedded", model="/models/x y.gguf", base_url="embedded://local")
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = '{"name":"get_weather","arguments":{"city":"Köln"}}'
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


def asked(**fields: Any) -> ChatRequest:
    stream = fields.pop("stream", False)
    messages = [{"role": "user", "content": "Weather in Köln?"}]
    return make_chat_request("local", messages, fields, stream=stream)


def context(**fields: Any) -> ReadContext:
    return ReadContext(
        target=TARGET, model="local", made_id="chatcmpl-9", now=7.0, request=asked(**fields)
    )


def reply(data: Any, status: int = 200) -> HTTPReply:
    body = data if isinstance(data, bytes) else json.dumps(data).encode()
    return HTTPReply(status, {"content-type": "application/json"}, body)


def whole(text: str, finish: str = "stop") -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    return {
        "id": "chatcmpl-e",
        "created": 3,
        "model": "embedded",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        "usage": USAGE,
        "timings": {},
    }


def frames(*pieces: str, finish: str | None = "stop", done: bool = True, index: int = 0) -> bytes:
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}]
    deltas += [{"content": piece} for piece in pieces]
    choices: list[dict[str, Any]] = [
        {"index": index, "delta": delta, "finish_reason": None} for delta in deltas
    ]
    if finish is not None:
        choices.append({"index": index, "delta": {}, "finish_reason": finish})
    head = {"id": "chatcmpl-e", "created": 3, "object": "chat.completion.chunk"}
    sent: list[dict[str, Any]] = [{**head, "choices": [choice]} for choice in choices]
    sent.append({**head, "choices": [], "usage": USAGE})
    body = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in sent)
    return body + (b"data: [DONE]\n\n" if done else b"")


def read(body: bytes, cuts: list[int], **fields: Any) -> tuple[list[ChatCompletionChunk], Any]:
    reader = DIALECT.stream_reader(context(stream=True, **fields))
    places = sorted({cut % (len(body) + 1) for cut in cuts} | {0, len(body)})
    chunks = [chunk for a, b in pairwise(places) for chunk in reader.feed(body[a:b])]
    return chunks + reader.close(), reader


def test_a_request_goes_to_the_models_own_address() -> None:
    built = DIALECT.build_request(asked(tools=[WEATHER], user="u"), TARGET, Timeouts())
    assert built.http.url == "embedded://%2Fmodels%2Fx%20y.gguf/v1/chat/completions"
    body = json.loads(built.http.body)
    assert body.keys().isdisjoint({"tools", "user"})
    assert "grammar" in body
    assert built.dropped_params == ("user",)
    assert not built.http.is_stream
    assert "authorization" not in built.http.headers


def test_what_the_engine_cannot_do_names_the_callers_model() -> None:
    with pytest.raises(BadRequestError) as caught:
        DIALECT.build_request(asked(temperature=3), TARGET, Timeouts())
    assert caught.value.model == "local"


def test_a_whole_call_is_read() -> None:
    completion = DIALECT.read_reply(reply(whole(CALL)), context(tools=[WEATHER]))
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].id == "call_9_0"
    assert completion.model == "local"
    assert completion.system_fingerprint is None


def test_several_answers_come_as_a_stream_and_are_folded() -> None:
    body = frames("a", done=False) + frames("b", index=1)
    completion = DIALECT.read_reply(reply(body), context(n=2))
    assert [choice.message.content for choice in completion.choices] == ["a", "b"]
    assert completion.usage is not None
    assert completion.usage.completion_tokens == 4


@pytest.mark.parametrize("body", [b"", b"[1]", b"<html>"])
def test_a_reply_that_is_no_json_object_is_malformed(body: bytes) -> None:
    with pytest.raises(MalformedReplyError) as caught:
        DIALECT.read_reply(reply(body), context())
    assert caught.value.model == "local"


def test_an_error_inside_a_success_is_raised() -> None:
    with pytest.raises(InternalServerError, match="boom"):
        DIALECT.read_reply(reply({"error": {"message": "boom"}}, 500), context())


def test_errors_are_typed() -> None:
    details = {"type": "exceed_context_size_error", "n_prompt_tokens": 9, "n_ctx": 4}
    error = DIALECT.read_error(reply({"error": details}, 400), context())
    assert isinstance(error, ContextWindowExceededError)
    assert error.model == "local"
    assert isinstance(DIALECT.read_error(reply(b"x", 500), context()), InternalServerError)


_CUTS = st.lists(st.integers(0, 3000), max_size=10)


@given(_CUTS)
def test_a_streamed_call_is_the_whole_one_however_it_is_cut(cuts: list[int]) -> None:
    body = frames(CALL[:12], CALL[12:30], CALL[30:])
    options = {"stream_options": {"include_usage": True}}
    chunks, reader = read(body, cuts, tools=[WEATHER], **options)
    assert reader.error is None
    assert reader.is_done
    assert reader.finish_reason == "tool_calls"
    assert reader.usage.completion_tokens == 2
    calls = [call for chunk in chunks for c in chunk.choices for call in c.delta.tool_calls or ()]
    assert calls[0].id == "call_9_0"
    assert calls[0].function is not None
    assert calls[0].function.name == "get_weather"
    arguments = "".join(call.function.arguments or "" for call in calls if call.function)
    assert json.loads(arguments) == {"city": "Köln"}
    assert chunks[-1].usage is not None
    assert not chunks[-1].choices


def test_streamed_text_comes_as_it_is_written() -> None:
    chunks, reader = read(frames("He", "llo"), [])
    assert "".join(c.delta.content or "" for x in chunks for c in x.choices) == "Hello"
    assert reader.error is None


def test_a_stream_that_breaks_its_schema_keeps_the_chunks_before() -> None:
    schema = {"type": "object", "properties": {"a": {"type": "string"}}}
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    chunks, reader = read(frames('{"a":', "3}"), [], response_format=wanted)
    assert "".join(c.delta.content or "" for x in chunks for c in x.choices) == '{"a":3}'
    assert isinstance(reader.error, MalformedReplyError)
    assert reader.error.model == "local"
    assert reader.is_done
    assert not any(c.finish_reason for chunk in chunks for c in chunk.choices)


@pytest.mark.case(51)
def test_a_process_that_dies_in_a_stream_is_an_interruption() -> None:
    chunks, reader = read(frames("He", finish=None, done=False), [])
    assert chunks
    assert isinstance(reader.error, StreamInterruptedError)


@pytest.mark.case(53)
def test_a_broken_frame_is_malformed() -> None:
    _, reader = read(b"data: {oops\n\n", [])
    assert isinstance(reader.error, MalformedReplyError)
