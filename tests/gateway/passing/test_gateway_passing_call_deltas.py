"""Streamed tool calls that are passed on: long ones are whole, and little of them is kept."""

from __future__ import annotations

import json

import pytest
from tests.support.agent_streams import BEGIN, DONE, TOLD, ask_stream, chunk, piece

from puna.gateway.passing.plain_stream import PlainStream, StreamTools
from puna.wire.splicing import Renaming


@pytest.mark.parametrize("finish", ["tool_calls", "stop"])
def test_a_long_call_is_whole_whoever_ends_it(finish: str) -> None:
    words = [" a", " b\\n", '\\"', "é", " {", "x"] * 200
    pieces = [piece('{"text": "'), *map(piece, words), piece('"}')]
    events = (chunk({"role": "assistant", "tool_calls": [BEGIN]}), *pieces)
    answer = ask_stream(*events, chunk({}, finish), TOLD, DONE)
    chunks = [json.loads(event) for event in answer.events[:-1]]
    deltas = [choice["delta"] for one in chunks for choice in one["choices"]]
    calls = [call for delta in deltas for call in delta.get("tool_calls", ())]
    arguments = "".join(call["function"]["arguments"] for call in calls)
    assert arguments == '{"text": "' + "".join(words) + '"}'


def test_what_is_kept_of_a_long_call_is_read_at_once() -> None:
    """A reader that takes over reads it while nothing else runs: 250 ms for 1,500 events."""
    stream = PlainStream(Renaming("public"), StreamTools(frozenset(("get",))))
    assert stream.feed(chunk({"role": "assistant", "tool_calls": [BEGIN]}))[1] is None
    for word in ['{"t":"', *["x", " y", "é"] * 2_000]:
        assert stream.feed(piece(word))[1] is None
    _, kept = stream.passed_events()
    assert kept.count(b"data: ") == 1
    arguments = json.loads(kept[6:])["choices"][0]["delta"]["tool_calls"][0]["function"]
    assert arguments["arguments"] == '{"t":"' + "x yé" * 2_000


def test_texts_behind_calls_are_not_kept_without_end() -> None:
    stream = PlainStream(Renaming("public"), StreamTools(frozenset(("get",))))
    assert stream.feed(chunk({"role": "assistant", "tool_calls": [BEGIN]}))[1] is None
    taken = 0
    while stream.feed(chunk({"content": "x" * 100}))[1] is None:
        taken += 1
        assert taken < 1_000
    assert taken > 100
