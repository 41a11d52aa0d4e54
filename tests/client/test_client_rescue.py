"""Calls that a model wrote as text reach the caller as tool calls, whole and streamed."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, OFFLINE, Face, Streamed
from tests.support.rescue import tools_named

from puna import ClientSettings
from puna.errors import APIConnectionError, BadRequestError, StreamInterruptedError
from puna.transports.replay import Player, Recorded
from puna.types.chat import ChatCompletion
from puna.wire.fold import fold
from puna.wire.http import HTTPRequest

TOOLS = tools_named("get_weather", "get_time")
CALL = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
OF_GROQ = ClientSettings(environ={"GROQ_API_KEY": "gsk-test"})
TEXTS = [
    CALL,
    f"Let me look.\n\n{CALL}",
    f"{CALL}\nI wait for the answer.",
    "[get_weather(city='Paris'), get_time()]",
    "<|python_start|>[get_time()]<|python_end|>",
    'Well.<function=get_weather>{"city": "Paris"}</function>\nThat was it.',
    f"A call is\n{CALL}\nand so on.",
    "Paris is sunny.",
    "{} is an empty object",
    "",
]


def whole(text: str, **message: Any) -> Player:
    """A host that answers this text, unless a stream is asked of it."""
    body = {
        "id": "chatcmpl-up-7",
        "choices": [{"index": 0, "message": {"content": text, **message}, "finish_reason": "stop"}],
    }

    def play(_: HTTPRequest) -> Recorded:
        headers = {"content-type": "application/json"}
        return Recorded(headers=headers, pieces=[json.dumps(body).encode()])

    return play


def streamed(*deltas: dict[str, Any], finish: str | None = "stop", ends: bool = True) -> Player:
    """A host that streams these deltas."""
    choices: list[dict[str, Any]] = [{"index": 0, "delta": delta} for delta in deltas]
    if finish is not None:
        choices.append({"index": 0, "delta": {}, "finish_reason": finish})
    frames = [
        b"data: " + json.dumps({"id": "chatcmpl-up-7", "choices": [choice]}).encode() + b"\n\n"
        for choice in choices
    ]

    def play(_: HTTPRequest) -> Recorded:
        headers = {"content-type": "text/event-stream"}
        return Recorded(headers=headers, pieces=[*frames, *([b"data: [DONE]\n\n"] if ends else [])])

    return play


def letters(text: str) -> list[dict[str, Any]]:
    """The deltas of a host that sends a character at a time."""
    return [{"role": "assistant"}, *({"content": letter} for letter in text)]


def called(answer: ChatCompletion) -> list[tuple[str | None, Any]]:
    """Names and arguments of the tool calls."""
    calls = answer.choices[0].message.tool_calls or ()
    return [(call.function.name, json.loads(call.function.arguments)) for call in calls]


def joined(stream: Streamed) -> ChatCompletion:
    """A stream that ended well, as the whole answer."""
    assert stream.error is None
    return fold(stream.chunks)


@BOTH
def test_a_call_in_the_text_becomes_a_tool_call(face: Face) -> None:
    answer = face.ask(OFFLINE, play=whole(CALL), tools=TOOLS, clock=FakeClock())
    choice = answer.choices[0]
    assert called(answer) == [("get_weather", {"city": "Paris"})]
    assert (choice.message.content, choice.finish_reason) == (None, "tool_calls")
    assert choice.message.tool_calls is not None
    assert choice.message.tool_calls[0].id == f"call_{2:032x}_0_0"
    assert choice.message.tool_calls[0].type == "function"
    assert answer.report is not None
    assert (answer.report.rescued_calls, answer.report.finish_reason) == (1, "tool_calls")


@BOTH
def test_calls_have_ids_of_their_own_where_a_host_repeats_its_id(face: Face) -> None:
    clock, ids = FakeClock(), set[str]()
    for _ in range(2):
        answer = face.ask(OFFLINE, play=whole(CALL), tools=TOOLS, clock=clock)
        stream = joined(
            face.stream(OFFLINE, play=streamed(*letters(CALL)), tools=TOOLS, clock=clock)
        )
        assert answer.id == stream.id == "chatcmpl-up-7"
        for one in (answer, stream):
            ids.update(call.id or "" for call in one.choices[0].message.tool_calls or ())
    assert len(ids) == 4


@BOTH
def test_text_around_a_call_stays_content(face: Face) -> None:
    answer = face.ask(OFFLINE, play=whole(f"Let me look.\n\n{CALL}"), tools=TOOLS)
    assert answer.choices[0].message.content == "Let me look.\n\n"
    assert len(called(answer)) == 1


@BOTH
@pytest.mark.parametrize("text", TEXTS)
def test_a_stream_means_what_the_whole_answer_means(face: Face, text: str) -> None:
    stream = face.stream(OFFLINE, play=streamed(*letters(text)), tools=TOOLS, clock=FakeClock())
    answer = face.ask(OFFLINE, play=whole(text), tools=TOOLS, clock=FakeClock())
    folded = joined(stream)
    assert (folded.choices[0].message.content or "") == (answer.choices[0].message.content or "")
    assert folded.choices[0].message.tool_calls == answer.choices[0].message.tool_calls
    assert stream.finish_reasons == [answer.choices[0].finish_reason]
    assert stream.report is not None
    assert answer.report is not None
    assert stream.report.rescued_calls == answer.report.rescued_calls
    assert stream.report.finish_reason == answer.report.finish_reason
    assert stream.report.completion_tokens == answer.report.completion_tokens


@BOTH
def test_prose_flows_through_a_stream_chunk_by_chunk(face: Face) -> None:
    words = ["Paris", " is", " sunny", ".\n", "So", " is Rome."]
    deltas = [{"content": word} for word in words]
    stream = face.stream(OFFLINE, play=streamed(*deltas), tools=TOOLS)
    assert [c.choices[0].delta.content for c in stream.chunks[:-1]] == words


@BOTH
def test_the_usage_comes_after_rescued_calls(face: Face) -> None:
    play = streamed(*letters(CALL))
    options = {"include_usage": True}
    stream = face.stream(OFFLINE, play=play, tools=TOOLS, stream_options=options)
    assert [bool(chunk.choices) for chunk in stream.chunks][-2:] == [True, False]
    assert stream.chunks[-1].usage is not None
    assert stream.chunks[-1].usage.completion_tokens > 0
    assert called(joined(stream)) == [("get_weather", {"city": "Paris"})]


@BOTH
@pytest.mark.parametrize(
    "keywords",
    [
        {},
        {"tools": tools_named("another")},
        {"tools": TOOLS, "tool_choice": "none"},
        {"tools": TOOLS, "rescue_tool_calls": False},
    ],
)
def test_nothing_is_done_where_no_call_is_wanted(face: Face, keywords: dict[str, Any]) -> None:
    answer = face.ask(OFFLINE, play=whole(CALL), **keywords)
    assert answer.choices[0].message.content == CALL
    assert answer.choices[0].message.tool_calls is None
    assert answer.choices[0].finish_reason == "stop"
    stream = face.stream(OFFLINE, play=streamed(*letters(CALL)), **keywords)
    assert stream.text == CALL
    assert stream.finish_reasons == ["stop"]


@BOTH
def test_calls_of_the_hosts_own_are_left_as_they_are(face: Face) -> None:
    own = {
        "id": "call_own",
        "type": "function",
        "function": {"name": "get_time", "arguments": "{}"},
    }
    answer = face.ask(OFFLINE, play=whole(CALL, tool_calls=[own]), tools=TOOLS)
    assert called(answer) == [("get_time", {})]
    assert answer.choices[0].message.content == CALL
    deltas = [*letters(f"{CALL}\nNow."), {"tool_calls": [{"index": 0, **own}]}, {"content": CALL}]
    stream = face.stream(OFFLINE, play=streamed(*deltas), tools=TOOLS)
    assert called(joined(stream)) == [("get_time", {})]
    assert stream.text == f"{CALL}\nNow.{CALL}"
    assert stream.report is not None
    assert stream.report.rescued_calls == 0


@BOTH
def test_a_broken_stream_gives_its_text_and_no_calls(face: Face) -> None:
    play = streamed(*letters(f"Hm.\n{CALL}"), finish=None, ends=False)
    stream = face.stream(OFFLINE, play=play, tools=TOOLS)
    assert isinstance(stream.error, StreamInterruptedError)
    assert stream.text == f"Hm.\n{CALL}"


@BOTH
def test_a_cut_connection_gives_the_text_that_was_held_back(face: Face) -> None:
    whole = streamed(*letters(f"Hm.\n{CALL}"), finish=None, ends=False)

    def play(request: HTTPRequest) -> Recorded:
        return replace(whole(request), error=APIConnectionError("cut"))

    stream = face.stream(OFFLINE, play=play, tools=TOOLS)
    assert isinstance(stream.error, StreamInterruptedError)
    assert stream.text == f"Hm.\n{CALL}"


@BOTH
def test_an_answer_cut_by_its_length_keeps_its_finish_reason(face: Face) -> None:
    stream = face.stream(OFFLINE, play=streamed(*letters(CALL), finish="length"), tools=TOOLS)
    assert stream.finish_reasons == ["length"]
    assert len(called(joined(stream))) == 1


@BOTH
def test_every_choice_is_looked_at(face: Face) -> None:
    def play(request: HTTPRequest) -> Recorded:
        frames = [
            {"id": "x", "choices": [{"index": i, "delta": {"content": part}} for i in (0, 1)]}
            for part in (CALL[:9], CALL[9:])
        ]
        ends: list[dict[str, Any]] = [
            {"index": i, "delta": {}, "finish_reason": "stop"} for i in (0, 1)
        ]
        frames.append({"id": "x", "choices": ends})
        pieces = [b"data: " + json.dumps(frame).encode() + b"\n\n" for frame in frames]
        assert request.is_stream
        return Recorded(
            headers={"content-type": "text/event-stream"}, pieces=[*pieces, b"data: [DONE]\n\n"]
        )

    stream = face.stream(OFFLINE, play=play, tools=TOOLS, n=2, clock=FakeClock())
    answer = joined(stream)
    ids = [
        choice.message.tool_calls and choice.message.tool_calls[0].id for choice in answer.choices
    ]
    assert ids == [f"call_{2:032x}_0_0", f"call_{2:032x}_1_0"]
    assert stream.finish_reasons == ["tool_calls", "tool_calls"]


@BOTH
@pytest.mark.parametrize("is_streamed", [False, True])
def test_a_refusal_becomes_the_call_that_the_host_could_not_read(
    face: Face, *, is_streamed: bool
) -> None:
    error = {
        "message": "Failed to call a function. See 'failed_generation'.",
        "type": "invalid_request_error",
        "code": "tool_use_failed",
        "failed_generation": '<function=get_weather{"city": "Paris"}</function>',
    }

    def play(_: HTTPRequest) -> Recorded:
        headers = {"content-type": "application/json"}
        return Recorded(400, headers, [json.dumps({"error": error}).encode()])

    if is_streamed:
        answer = joined(face.stream(OF_GROQ, "groq/m", play=play, tools=TOOLS))
    else:
        answer = face.ask(OF_GROQ, "groq/m", play=play, tools=TOOLS)
        assert answer.report is not None
        assert answer.report.rescued_calls == 1
        assert answer.report.is_usage_estimated
    assert called(answer) == [("get_weather", {"city": "Paris"})]
    assert answer.choices[0].finish_reason == "tool_calls"
    with pytest.raises(BadRequestError, match="Failed to call a function"):
        face.ask(OF_GROQ, "groq/m", play=play, tools=TOOLS, rescue_tool_calls=False)
    with pytest.raises(BadRequestError):
        face.ask(OF_GROQ, "groq/m", play=play, tools=tools_named("another"))
    with pytest.raises(BadRequestError):
        face.ask(OFFLINE, play=play, tools=TOOLS)  # another host does not do so


@BOTH
def test_arguments_are_repaired_where_that_is_wished(face: Face) -> None:
    days = {"days": {"type": "integer"}, "city": {"type": "string"}}
    schema = {"type": "object", "properties": days}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    play = whole('{"name": "f", "parameters": {"days": "3", "city": "Rome"}}')
    as_written = face.ask(OFFLINE, play=play, tools=tools)
    assert called(as_written) == [("f", {"days": "3", "city": "Rome"})]
    repaired = face.ask(OFFLINE, play=play, tools=tools, repair_tool_arguments=True)
    assert called(repaired) == [("f", {"days": 3, "city": "Rome"})]
    assert repaired.report is not None
    assert repaired.report.repaired_arguments == 1


@BOTH
@pytest.mark.parametrize("name", ["rescue_tool_calls", "repair_tool_arguments"])
def test_a_switch_is_true_or_false(face: Face, name: str) -> None:
    keywords: dict[str, Any] = {name: "yes"}
    with pytest.raises(BadRequestError, match=f"`{name}` must be true or false"):
        face.ask(OFFLINE, play=whole(CALL), tools=TOOLS, **keywords)
