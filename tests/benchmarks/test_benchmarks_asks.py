"""What the benchmarks ask beside plain chat, and what their host answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks.asks import ASKS, Ask

from benchmarks import agent, vllm

CHUNKS = 64


def chunks_of(events: tuple[bytes, ...]) -> list[Any]:
    """The values of a stream's chunks."""
    *said, done = b"".join(events).split(b"\n\n")[:-1]
    assert done + b"\n\n" == vllm.DONE
    return [json.loads(one.removeprefix(b"data: ")) for one in said]


def told(chunks: list[Any]) -> tuple[str, str, str]:
    """The text, the name of the call and its arguments that a stream's chunks tell."""
    deltas = [one["choices"][0]["delta"] for one in chunks if one["choices"]]
    calls = [call["function"] for one in deltas for call in one.get("tool_calls", ())]
    return (
        "".join(one.get("content", "") for one in deltas),
        "".join(one.get("name", "") for one in calls),
        "".join(one.get("arguments", "") for one in calls),
    )


@pytest.mark.parametrize("name", [name for name in ASKS if name != "agent"])
def test_the_streamed_answer_is_the_whole_one(name: str) -> None:
    ask = ASKS[name]
    *chunks, usage = chunks_of(tuple(ask.events(CHUNKS)))
    whole = json.loads(ask.whole())
    message = whole["choices"][0]["message"]
    (function,) = [call["function"] for call in message["tool_calls"]] or [{}]
    assert len(chunks) == CHUNKS
    assert told(chunks) == (
        message["content"] or "",
        function.get("name", ""),
        function.get("arguments", ""),
    )
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert usage["usage"].items() <= whole["usage"].items()


def test_an_answer_is_recognised_whole_and_streamed_and_another_is_not() -> None:
    ask = ASKS["tool"]
    stream = b"".join(ask.events(CHUNKS))
    assert ask.is_told(ask.whole())
    assert not ask.is_told(ASKS["tool_answer"].whole())
    assert ask.is_told(stream, CHUNKS)
    assert not ask.is_told(stream, 2 * CHUNKS)


def test_a_request_names_the_model_where_the_sdk_does() -> None:
    body = ASKS["tool"].request_body("m", is_stream=True)
    assert list(body)[:2] == ["messages", "model"]
    assert (body["model"], body["stream"]) == ("m", True)
    assert "stream" not in ASKS["tool"].request_body("m")


@pytest.mark.parametrize(
    ("body", "messages"),
    [
        (agent.chat_body(), "messages"),
        (agent.messages_body(), "messages"),
        (agent.responses_body(), "input"),
    ],
)
def test_the_turn_of_an_agent_is_40_kb_with_15_tools_in_each_shape(
    body: Mapping[str, Any], messages: str
) -> None:
    text = Ask(body).request_body("a-model")
    assert len(json.dumps(text, ensure_ascii=False).encode()) == pytest.approx(40_000, rel=0.05)
    assert len(body["tools"]) == 15
    assert len(body[messages]) in (18, 19, 20)


def test_the_turn_of_an_agent_in_chat_has_eight_calls_and_their_results() -> None:
    messages = agent.chat_body()["messages"]
    asked = [call["id"] for one in messages for call in one.get("tool_calls", ())]
    answered = [one["tool_call_id"] for one in messages if one["role"] == "tool"]
    assert len(messages) == 20
    assert len(set(asked)) == 8
    assert asked == answered


def test_an_agent_is_answered_a_text_in_40_events_and_a_call_in_20() -> None:
    *chunks, usage = chunks_of(agent.events())
    message = json.loads(agent.answer())["choices"][0]["message"]
    (call,) = message["tool_calls"]
    assert len(chunks) == agent.EVENTS
    assert told(chunks) == (
        message["content"],
        call["function"]["name"],
        call["function"]["arguments"],
    )
    deltas = [one["choices"][0]["delta"] for one in chunks]
    assert sum(bool(one.get("content")) for one in deltas) == 40
    assert (
        sum("arguments" in call["function"] for d in deltas for call in d.get("tool_calls", ()))
        == 20
    )
    assert usage["usage"] == agent.USAGE
    assert json.loads(call["function"]["arguments"])["path"]


def test_pieces_of_a_text_are_the_text_and_none_is_empty() -> None:
    pieces = agent.cut("abcdefg", 3)
    assert (len(pieces), "".join(pieces)) == (3, "abcdefg")
    assert all(pieces)
