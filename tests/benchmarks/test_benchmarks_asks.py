"""What the benchmarks ask beside plain chat, and what their host answers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from benchmarks.asks import ASKS, CHAT, Ask
from benchmarks.instructions_child import CASES, CHUNKS

from benchmarks import agent, vllm

OTHER = vllm.Answer("No.", text_events=1)


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


@pytest.mark.parametrize("ask", ASKS.values(), ids=ASKS)
def test_the_streamed_answer_is_the_whole_one(ask: Ask) -> None:
    *chunks, usage = chunks_of(ask.answer.events())
    whole = json.loads(ask.answer.whole())
    message = whole["choices"][0]["message"]
    (function,) = [call["function"] for call in message["tool_calls"]] or [{}]
    assert len(chunks) == ask.answer.chunks
    assert told(chunks) == (
        message["content"] or "",
        function.get("name", ""),
        function.get("arguments", ""),
    )
    assert chunks[-1]["choices"][0]["finish_reason"] == whole["choices"][0]["finish_reason"]
    assert usage["usage"].items() <= whole["usage"].items()


def test_all_streams_but_the_agents_have_as_many_chunks_as_are_counted() -> None:
    lengths = {name: ask.answer.chunks for name, ask in ASKS.items() if "agent" not in name}
    assert set(lengths.values()) == {CHUNKS}
    assert all(case.ask in ASKS for case in CASES.values() if case.kind == "shape")


@pytest.mark.parametrize("ask", [one for one in ASKS.values() if one.path == CHAT])
def test_an_answer_is_recognised_whole_and_streamed_and_another_is_not(ask: Ask) -> None:
    stream = b"".join(ask.answer.events())
    assert ask.is_told(ask.answer.whole())
    assert ask.is_told(stream, is_stream=True)
    assert not ask.is_told(OTHER.whole())
    assert not ask.is_told(stream.partition(b"[DONE]")[0], is_stream=True)
    assert not ask.is_told(stream[len(stream) // 3 :], is_stream=True)


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
    *chunks, usage = chunks_of(agent.ANSWER.events())
    deltas = [one["choices"][0]["delta"] for one in chunks]
    calls = [call for one in deltas for call in one.get("tool_calls", ())]
    assert sum(bool(one.get("content")) for one in deltas) == 40
    assert sum("arguments" in call["function"] for call in calls) == 20
    assert usage["usage"] == agent.ANSWER.usage
    assert json.loads(told(chunks)[2])["path"]


def test_pieces_of_a_text_are_the_text_and_none_is_empty() -> None:
    pieces = vllm.cut("abcdefg", 3)
    assert (len(pieces), "".join(pieces)) == (3, "abcdefg")
    assert all(pieces)
