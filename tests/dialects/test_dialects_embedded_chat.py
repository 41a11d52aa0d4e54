from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.base import BuiltRequest, ReadContext, Target
from puna.dialects.embedded_chat import EmbeddedChat
from puna.errors import (
    APIError,
    BadRequestError,
    ContextWindowExceededError,
    InternalServerError,
    MalformedReplyError,
    ServiceUnavailableError,
    StreamInterruptedError,
    UnsupportedParamsError,
)
from puna.providers.embedded import PROVIDER
from puna.types.chat import ChatCompletionChunk
from puna.types.requests import PARAMS, ChatRequest, make_chat_request
from puna.wire.http import HTTPReply, Timeouts

DIALECT = EmbeddedChat()
TARGET = Target(
    provider="embedded",
    model="/models/x y.gguf",
    base_url="embedded://local",
    quirks=PROVIDER.quirks,
)
WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    },
}
CALL = '{"name":"get_weather","arguments":{"city":"Köln"}}'
USAGE = {"prompt_tokens": 4, "completion_tokens": 2, "total_tokens": 6}


def asked(
    *, stream: bool = False, drop: bool = False, allowed: tuple[str, ...] = (), **fields: Any
) -> ChatRequest:
    messages = [{"role": "user", "content": "Weather in Köln?"}]
    return make_chat_request(
        "local", messages, fields, stream=stream, drop_params=drop, allowed_params=allowed
    )


def built(**fields: Any) -> BuiltRequest:
    return DIALECT.build_request(asked(**fields), TARGET, Timeouts())


def body_of(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(built(**fields).http.body)
    return body


def context(**fields: Any) -> ReadContext:
    request = asked(**fields)
    made = DIALECT.build_request(request, TARGET, Timeouts())
    return ReadContext(TARGET, "local", "chatcmpl-9", 7.0, request, made.reading)


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
    made = built(tools=[WEATHER], user="u")
    assert made.http.url == "embedded://%2Fmodels%2Fx%20y.gguf/v1/chat/completions"
    body = json.loads(made.http.body)
    assert body.keys().isdisjoint({"tools", "user"})
    assert "grammar" in body
    assert made.dropped_params == ("user",)
    assert not made.http.is_stream
    assert "authorization" not in made.http.headers


def test_what_the_server_cannot_do_names_who_was_asked() -> None:
    with pytest.raises(BadRequestError) as caught:
        built(temperature=3)
    assert (caught.value.provider, caught.value.model) == ("embedded", "local")


_IMPOSSIBLE: dict[str, Any] = {
    "audio": {"voice": "a"},
    "function_call": "auto",
    "functions": [],
    "modalities": ["text", "audio"],
    "prediction": {},
    "reasoning_effort": "low",
    "response_format": {"type": "xml"},
    "thinking": {},
    "verbosity": "low",
    "web_search_options": {},
    # Fields of llama.cpp's server and of nobody.
    "chat_template": "x",
    "grammar": "root ::= x",
    "id_slot": 1,
    "made_up": 1,
}


@pytest.mark.case(26, 76)
@pytest.mark.parametrize("name", _IMPOSSIBLE)
def test_what_is_impossible_is_refused_or_dropped_by_wish_and_never_sent(name: str) -> None:
    given = {name: _IMPOSSIBLE[name]}
    for allowed in ((), (name,)):
        with pytest.raises(UnsupportedParamsError, match="drop_params") as caught:
            built(allowed=allowed, **given)
        assert caught.value.param == name
        assert "allowed_openai_params" not in str(caught.value)
    made = built(drop=True, **given)
    assert made.dropped_params == (name,)
    assert json.loads(made.http.body) == body_of()


@pytest.mark.case(76)
@pytest.mark.parametrize(
    ("name", "now"), [("functions", "tools"), ("function_call", "tool_choice")]
)
def test_the_legacy_fields_are_refused_with_their_successors(name: str, now: str) -> None:
    with pytest.raises(UnsupportedParamsError, match=f"use `{now}`"):
        built(**{name: _IMPOSSIBLE[name]})


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("max_token", "max_tokens"),
        ("temprature", "temperature"),
        ("Stop", "stop"),
        ("num_retris", "num_retries"),
        ("drop_parms", "drop_params"),
        ("made_up", None),
    ],
)
def test_a_slip_of_the_pen_gets_the_parameter_that_was_meant(name: str, meant: str | None) -> None:
    with pytest.raises(UnsupportedParamsError) as caught:
        built(**{name: 1000})
    assert (f"did you mean `{meant}`?" in str(caught.value)) == (meant is not None)


_WITHOUT_EFFECT: dict[str, Any] = {
    "metadata": {"a": "b"},
    "modalities": ["text"],
    "parallel_tool_calls": False,
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "safety_identifier": "s",
    "service_tier": "auto",
    "store": True,
    "user": "u",
}


@pytest.mark.case(79)
@pytest.mark.parametrize("name", _WITHOUT_EFFECT)
def test_what_changes_no_answer_is_left_out_and_reported(name: str) -> None:
    made = built(**{name: _WITHOUT_EFFECT[name]})
    assert made.dropped_params == (name,)
    assert json.loads(made.http.body) == body_of()


_SENT: dict[str, Any] = {
    "frequency_penalty": 0.1,
    "logit_bias": {"1": 2},
    "logprobs": True,
    "max_tokens": 7,
    "min_p": 0.1,
    "n": 1,
    "presence_penalty": 0.1,
    "repeat_penalty": 1.1,
    "seed": 0,
    "stop": ["a"],
    "temperature": 0,
    "top_k": 3,
    "top_logprobs": 2,
    "top_p": 0.5,
    "typical_p": 0.5,
}
_TRANSLATED = {
    "max_completion_tokens",
    "repetition_penalty",
    "response_format",
    "stream_options",
    "tool_choice",
    "tools",
}


@pytest.mark.parametrize("name", _SENT)
def test_what_the_server_knows_is_sent_as_it_is(name: str) -> None:
    assert body_of(**{name: _SENT[name]}) == {**body_of(), name: _SENT[name]}


def test_every_parameter_is_sent_translated_ignored_or_refused() -> None:
    known = _SENT.keys() | _TRANSLATED | _WITHOUT_EFFECT.keys() | _IMPOSSIBLE.keys()
    assert PARAMS.keys() | (PROVIDER.quirks.extra_params or frozenset()) <= known


@pytest.mark.parametrize("parameters", [{"x": {1, 2}}, {"x": float("nan")}, {"x": "\ud800"}])
def test_a_schema_of_odd_values_is_read_as_json_or_refused(parameters: dict[str, Any]) -> None:
    tool = {"type": "function", "function": {"name": "f", "parameters": parameters}}
    if isinstance(parameters["x"], float):
        with pytest.raises(BadRequestError):
            built(tools=[tool], tool_choice="required")
        return
    body = body_of(tools=[tool], tool_choice="required")
    assert "grammar" in body
    if parameters["x"] == "\ud800":  # half of a surrogate pair is no text
        assert '{"x": "\ufffd"}' in body["grammar"]
        assert "\ud800" not in json.dumps(body, ensure_ascii=False)


def test_a_whole_call_is_read() -> None:
    completion = DIALECT.read_reply(reply(whole(CALL)), context(tools=[WEATHER]))
    (choice,) = completion.choices
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].id == "call_9_0_0"
    assert completion.model == "local"
    assert completion.system_fingerprint is None


def test_a_reply_without_what_was_built_is_read_by_the_request() -> None:
    whole_context = replace(context(tools=[WEATHER]), reading=None)
    completion = DIALECT.read_reply(reply(whole(CALL)), whole_context)
    assert completion.choices[0].message.tool_calls


@pytest.mark.parametrize("finish", ["stop", None])
def test_several_answers_of_which_one_breaks_are_an_error(finish: str | None) -> None:
    body = frames("{}", finish=finish, done=False) + frames('{"city":', index=1, finish=None)
    wanted = {"type": "json_object"}
    with pytest.raises(StreamInterruptedError) as caught:
        DIALECT.read_reply(reply(body[: body.rindex(b"data: [DONE]")]), context(n=2))
    assert caught.value.model == "local"
    with pytest.raises(APIError):
        DIALECT.read_reply(reply(frames("Sure")), context(n=2, response_format=wanted))


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


@pytest.mark.parametrize(
    ("frame", "cls"),
    [
        ({"error": {"code": 503, "message": "boom"}}, ServiceUnavailableError),
        ({"error": "boom"}, InternalServerError),
        ({"error": {"code": 400, "message": "no grammar: boom"}}, BadRequestError),
    ],
)
def test_an_error_inside_a_stream_ends_it(frame: dict[str, Any], cls: type[APIError]) -> None:
    body = b"data: " + json.dumps(frame).encode() + b"\n\n"
    chunks, reader = read(frames("He", finish=None, done=False) + body, [])
    assert "".join(c.delta.content or "" for x in chunks for c in x.choices) == "He"
    assert type(reader.error) is cls
    assert "boom" in str(reader.error)
    assert (reader.error.provider, reader.error.model) == ("embedded", "local")


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
    assert calls[0].id == "call_9_0_0"
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
