"""A failure that a host tells as the end of an answer is an error, and no unknown end is clean."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for, target_for
from tests.support.event_stream import encode_event

from puna.bridges.messages.reply import message_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages.stream import MessageStream
from puna.bridges.responses.output import incomplete_reason
from puna.dialects.base import ReadContext
from puna.dialects.finish_reasons import FAILED_ENDS
from puna.dialects.openai_responses import OpenAIResponses
from puna.dialects.table import DIALECTS
from puna.errors import (
    APIError,
    BadRequestError,
    InternalServerError,
    MalformedReplyError,
    RateLimitError,
    ServiceUnavailableError,
)
from puna.types.chat import ChatCompletionChunk
from puna.types.response_request import make_responses_request
from puna.wire.fold import fold
from puna.wire.http import HTTPReply

CONTEXT = context_for(request=request_for(stream=True))
OVERLOADED = {"message": "The model is overloaded", "type": "overloaded_error", "code": 503}

FAILURES: list[dict[str, Any]] = [
    {"finish_reason": "error"},
    {"finish_reason": "ERROR"},
    {"finish_reason": "abort"},
    {"finish_reason": "insufficient_system_resource"},
    {"finish_reason": "stop", "native_finish_reason": "network_error"},
    {"finish_reason": "error", "error": OVERLOADED},
    {"finish_reason": "stop", "error": OVERLOADED},
    {"finish_reason": None, "error": OVERLOADED},
    {"error": "overloaded"},
    {"finish_reason": {"type": "abort", "message": "the engine went away"}},
]
"""What a choice says when its host failed."""


def frame(delta: dict[str, Any], **choice: Any) -> bytes:
    said = {"index": 0, "delta": delta, "finish_reason": None, **choice}
    data = {"id": "up", "created": 1, "model": "m", "choices": [said]}
    return b"data: %b\n\n" % json.dumps(data).encode()


def read(
    raw: bytes, context: ReadContext = CONTEXT, cuts: tuple[int, ...] = ()
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    reader = DIALECTS[context.target.dialect].stream_reader(context)
    ends = sorted({0, len(raw), *(cut % len(raw) for cut in cuts)})
    chunks = [one for a, b in itertools.pairwise(ends) for one in reader.feed(raw[a:b])]
    chunks += reader.close()
    assert reader.is_done
    return chunks, reader.error


def said_in(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(c.delta.content or "" for made in chunks for c in made.choices)


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("text", ["", "Hel"])
def test_a_choice_that_failed_is_an_error_bifrost_5425(failure: dict[str, Any], text: str) -> None:
    message = {"role": "assistant", "content": text}
    body = {"choices": [{"index": 0, "message": message, **failure}]}
    reply = HTTPReply(200, {}, json.dumps(body).encode())
    with pytest.raises(InternalServerError) as raised:
        DIALECTS["openai_chat"].read_reply(reply, CONTEXT)
    assert raised.value.is_retryable
    start = [frame({"role": "assistant", "content": "A"})] if text else []
    chunks, error = read(
        b"".join([*start, frame({"content": text}, **failure), frame({}, finish_reason="stop")])
    )
    assert isinstance(error, InternalServerError)
    assert error.is_retryable
    assert said_in(chunks) == ("AHel" if text else "")
    assert not any(c.finish_reason for made in chunks for c in made.choices)
    if failure.get("error") == OVERLOADED:
        assert isinstance(raised.value, ServiceUnavailableError)
        assert isinstance(error, ServiceUnavailableError)
        assert "The model is overloaded" in str(error)


def test_a_role_beside_a_failure_is_no_answer() -> None:
    chunks, error = read(frame({"role": "assistant", "content": ""}, finish_reason="error"))
    assert (chunks, type(error)) == ([], InternalServerError)


@pytest.mark.parametrize("failed", [0, 1])
def test_one_choice_that_failed_fails_the_answer(failed: int) -> None:
    ends = [{"finish_reason": "error" if at == failed else "stop"} for at in (0, 1)]
    message = {"role": "assistant", "content": "a"}
    body = {"choices": [{"index": at, "message": message, **end} for at, end in enumerate(ends)]}
    with pytest.raises(InternalServerError):
        DIALECTS["openai_chat"].read_reply(HTTPReply(200, {}, json.dumps(body).encode()), CONTEXT)
    raw = b"".join(frame({"content": "a"}, index=at, **end) for at, end in enumerate(ends))
    assert isinstance(read(raw)[1], InternalServerError)


@pytest.mark.parametrize(
    ("told", "kind"),
    [
        ({"error": OVERLOADED}, ServiceUnavailableError),
        (
            {"type": "error", "error": {"type": "overloaded_error", "message": "x"}},
            ServiceUnavailableError,
        ),
        (
            {"type": "error", "code": "server_is_overloaded", "message": "x"},
            ServiceUnavailableError,
        ),
        ({"error": {"code": "rate_limit_exceeded", "message": "x"}}, RateLimitError),
        ({"error": {"type": "invalid_request_error", "message": "x"}}, BadRequestError),
        (
            {"error": {"code": 503, "status": "UNAVAILABLE", "message": "x"}},
            ServiceUnavailableError,
        ),
        ({"choices": [], "message": "no room", "code": 503}, ServiceUnavailableError),
        ({"code": 429, "msg": "slow down"}, RateLimitError),
        ([{"error": OVERLOADED}], ServiceUnavailableError),
    ],
)
@pytest.mark.parametrize("form", ["frame", "line", "lines", "lines without an end"])
@pytest.mark.parametrize("text", ["", "Hel"])
def test_an_error_after_content_is_one_also_as_a_bare_line_js_genai_1973(
    told: Any, kind: type[APIError], form: str, text: str
) -> None:
    line = json.dumps(told).encode()
    lines = json.dumps(told, indent=2).encode()
    written = {
        "frame": b"data: " + line + b"\n\n",
        "line": line + b"\n\ndata: [DONE]\n\n",
        "lines": lines + b"\r\n\r\n: ping\n\n",
        "lines without an end": lines,
    }[form]
    start = frame({"role": "assistant", "content": text}) if text else b""
    for cuts in ((), tuple(range(0, 400, 7))):
        chunks, error = read(start + written, cuts=cuts)
        assert type(error) is kind
        assert said_in(chunks) == text


@pytest.mark.parametrize(
    "noise",
    [
        b"{oops\n\n",
        b"[DONE]\n\n",
        b"{\nid: 5\n: x\n}\n\n",
        b'{"ping": 1}\n\n',
        b"x{}\n\n",
        b"7\n\n",
    ],
)
def test_bare_lines_that_are_no_error_change_nothing(noise: bytes) -> None:
    end = frame({}, finish_reason="stop") + b"data: [DONE]\n\n"
    chunks, error = read(frame({"role": "assistant", "content": "a"}) + noise + end)
    assert (said_in(chunks), error) == ("a", None)


def anthropic(reason: str) -> tuple[bytes, bytes]:
    """A whole message that ends for a reason, and the same as a stream."""
    message = {"id": "m", "type": "message", "content": [{"type": "text", "text": "Hel"}]}
    events: list[dict[str, Any]] = [
        {"type": "message_start", "message": {**message, "content": [], "usage": {}}},
        {
            "type": "content_block_start",
            "index": 0,
            "content_block": {"type": "text", "text": "Hel"},
        },
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": reason}, "usage": {}},
        {"type": "message_stop"},
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return json.dumps({**message, "stop_reason": reason, "usage": {}}).encode(), stream


def converse(reason: str) -> tuple[bytes, bytes]:
    body = {"output": {"message": {"content": [{"text": "Hel"}]}}, "stopReason": reason}
    delta = {"contentBlockIndex": 0, "delta": {"text": "Hel"}}
    stream = encode_event("contentBlockDelta", delta)
    stream += encode_event("messageStop", {"stopReason": reason})
    return json.dumps(body).encode(), stream + encode_event("metadata", {"usage": {}})


def ollama(reason: str) -> tuple[bytes, bytes]:
    message = {"role": "assistant", "content": "Hel"}
    lines = [
        {"message": message, "done": False},
        {"message": {}, "done": True, "done_reason": reason},
    ]
    body = {"message": message, "done": True, "done_reason": reason}
    return json.dumps(body).encode(), b"".join(json.dumps(one).encode() + b"\n" for one in lines)


def llama(reason: str) -> tuple[bytes, bytes]:
    body = {"completion_message": {"role": "assistant", "content": "Hel", "stop_reason": reason}}
    delta = {"type": "text", "text": "Hel"}
    events: list[dict[str, Any]] = [
        {"event": {"event_type": "start", "delta": delta}},
        {"event": {"event_type": "complete", "delta": {}, "stop_reason": reason}},
    ]
    stream = b"".join(b"data: %b\n\n" % json.dumps(event).encode() for event in events)
    return json.dumps(body).encode(), stream


def openai(reason: str) -> tuple[bytes, bytes]:
    message = {"role": "assistant", "content": "Hel"}
    body = {"choices": [{"index": 0, "message": message, "finish_reason": reason}]}
    return json.dumps(body).encode(), frame({"content": "Hel"}) + frame({}, finish_reason=reason)


DIALECT_NAMES = {
    "anthropic_messages": anthropic,
    "bedrock_converse": converse,
    "ollama_native": ollama,
    "llama_native": llama,
    "openai_chat": openai,
}
CLEAN_WORDS = frozenset((
    "complete", "content_filter", "content_filtered", "end_turn", "eos", "eos_token",
    "function_call", "guardrail_intervened", "length", "load", "max_new_tokens",
    "max_output_tokens", "max_tokens", "model_context_window_exceeded", "model_length",
    "pause_turn", "refusal", "stop", "stop_sequence", "tool_call", "tool_calls", "tool_use",
    "unload",
))  # fmt: skip
REASONS = st.text(st.sampled_from("abcdefg_XYZ "), min_size=1, max_size=12).filter(
    lambda word: word.strip() and word.lower() not in CLEAN_WORDS
)


@given(
    st.sampled_from(sorted(DIALECT_NAMES)),
    st.sampled_from(sorted(FAILED_ENDS)) | REASONS,
    st.lists(st.integers(0, 2_000), max_size=5),
)
def test_every_other_end_is_an_error_or_told_and_never_clean(
    name: str, reason: str, cuts: list[int]
) -> None:
    context = context_for(target=target_for(dialect=name), request=request_for(stream=True))
    body, raw = DIALECT_NAMES[name](reason)
    chunks, error = read(raw, context, tuple(cuts))
    assert said_in(chunks) == "Hel"
    if reason.lower() in FAILED_ENDS:
        assert error is not None
        assert error.is_retryable
        with pytest.raises(APIError) as raised:
            DIALECTS[name].read_reply(HTTPReply(200, {}, body), context)
        assert type(raised.value) is type(error)
        return
    assert error is None
    answer, streamed = DIALECTS[name].read_reply(HTTPReply(200, {}, body), context), fold(chunks)
    for one in (answer, streamed):
        assert one.choices[0].finish_reason == reason
        assert message_of(MessagesRequest([]), one)["stop_reason"] == reason
        assert incomplete_reason(one.choices[0].finish_reason) == reason
    bridge = MessageStream(MessagesRequest([]))
    events = [event for one in chunks for event in bridge.add(one)] + bridge.finish()
    assert [e["delta"]["stop_reason"] for e in events if e["type"] == "message_delta"] == [reason]


@pytest.mark.parametrize(
    ("given_word", "word"),
    [
        ("eos", "stop"),
        ("eos_token", "stop"),
        ("END_TURN", "stop"),
        ("stop_sequence", "stop"),
        ("STOP", "stop"),
        ("MAX_TOKENS", "length"),
        ("max_new_tokens", "length"),
        ("max_output_tokens", "length"),
        ("model_length", "length"),
        ("tool_call", "tool_calls"),
        ("tool_use", "tool_calls"),
    ],
)
def test_ends_under_other_names_are_as_openai_says_them(given_word: str, word: str) -> None:
    body, raw = openai(given_word)
    chunks, _ = read(raw)
    assert fold(chunks).choices[0].finish_reason == word
    answer = DIALECTS["openai_chat"].read_reply(HTTPReply(200, {}, body), CONTEXT)
    assert answer.choices[0].finish_reason == word


@pytest.mark.parametrize("reason", [7, True, ["x"], {"odd": 1}, 0.5])
def test_an_end_that_is_no_word_is_unknown(reason: Any) -> None:
    message = {"role": "assistant", "content": "a"}
    body = {"choices": [{"message": message, "finish_reason": reason}]}
    reply = HTTPReply(200, {}, json.dumps(body).encode())
    answer = DIALECTS["openai_chat"].read_reply(reply, CONTEXT)
    assert answer.choices[0].finish_reason == "unknown"
    chunks, _ = read(frame({"content": "a"}, finish_reason=reason))
    assert fold(chunks).choices[0].finish_reason == "unknown"


@pytest.mark.parametrize("status", ["completed", "incomplete", "failed"])
def test_a_response_with_an_error_inside_failed_whatever_its_status(status: str) -> None:
    request = make_responses_request("gpt", {"input": "hi"})
    context = ReadContext(target_for(), "gpt", "resp_made", 1.0, request)
    told = {
        "id": "resp_1", "created_at": 1, "status": status, "output": [],
        "error": {"code": "server_error", "message": "went away"},
    }  # fmt: skip
    with pytest.raises(InternalServerError, match="went away"):
        OpenAIResponses().read_reply(HTTPReply(200, {}, json.dumps(told).encode()), context)
    reader = OpenAIResponses().stream_reader(context)
    last = {"type": f"response.{status}", "response": told}
    reader.feed(b"data: %b\n\n" % json.dumps(last).encode())
    assert isinstance(reader.error, InternalServerError)
    assert "went away" in str(reader.error)
    bare = OpenAIResponses().stream_reader(context)
    bare.feed(b'{"error": {"message": "went away"}}\n\n')
    assert isinstance(bare.error, InternalServerError)


def test_a_bare_error_of_anthropics_api_has_its_status() -> None:
    context = context_for(target=target_for(dialect="anthropic_messages"))
    _, error = read(b'{"error": {"type": "overloaded_error", "message": "busy"}}\n\n', context)
    assert isinstance(error, ServiceUnavailableError | InternalServerError)
    assert not isinstance(error, MalformedReplyError)
    assert "busy" in str(error)
