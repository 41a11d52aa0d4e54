"""Streams of an upstream's Responses API: every fixture, however it is cut, and however it ends."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import KEY
from tests.support.provider_suite import FIXTURES, Fixture, load
from tests.support.response_fixtures import DIALECT, MADE, STREAMS, check_error, context
from tests.support.responses import filled
from tests.support.schemas import api

from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.whole_events import events_of
from puna.errors import APIError
from puna.types.responses import Response, ResponseEvent

BEGUN = {"id": MADE, "object": "response", "created_at": 5, "model": "gpt"}


def now() -> float:
    return 8.5


def read(
    pieces: list[bytes], **fields: Any
) -> tuple[list[ResponseEvent], APIError | None, list[int]]:
    reader = DIALECT.stream_reader(context(**fields))
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
    usage = reader.usage
    tokens: list[int] = []
    if usage is not None:
        assert usage.prompt_tokens_details is not None
        cached = usage.prompt_tokens_details.cached_tokens or 0
        tokens = [usage.prompt_tokens, cached, usage.completion_tokens]
    return events, reader.error, tokens


def bytes_of(fixture: Fixture) -> bytes:
    return "".join(fixture["pieces"]).encode()


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_read_as_it_came_however_it_is_cut(path: Path) -> None:
    fixture = load(path)
    expects, whole = fixture["expects"], bytes_of(fixture)
    events, error, tokens = read([whole])
    for pieces in (
        [piece.encode() for piece in fixture["pieces"]],
        whole.splitlines(keepends=True),
        [whole[i : i + 1] for i in range(len(whole))],
    ):
        again, same_error, same_tokens = read(pieces)
        assert again == events
        assert (repr(same_error), same_tokens) == (repr(error), tokens)
    check_error(error, expects)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(events) == expects.get("events", len(fixture["pieces"]))
    for event, piece in zip(events, fixture["pieces"], strict=False):
        came = json.loads(piece.partition("data: ")[2])
        if "response" in came:
            came["response"] = filled(came["response"], model="gpt", store=True)
        assert event.to_dict() == came
    if "status" in expects:
        last = events[-1].response
        assert last is not None
        assert (last.status, last.output_text) == (expects["status"], expects["text"])
        assert [item.type for item in last.output] == expects["kinds"]
    assert tokens == expects.get("tokens", [])


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 6_000), max_size=6))
def test_a_stream_cut_anywhere_gives_the_same_events(path: Path, cuts: list[int]) -> None:
    whole = bytes_of(load(path))
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(at)]
    events, error, tokens = read(pieces)
    again, same_error, same_tokens = read([whole])
    assert (events, repr(error), tokens) == (again, repr(same_error), same_tokens)


@given(st.integers(0, 4_000))
def test_a_stream_that_ends_anywhere_is_whole_or_an_error(length: int) -> None:
    whole = bytes_of(load(FIXTURES / "openai" / "responses" / "stream.json"))
    cut = whole[:length]
    events, error, _ = read([cut])
    has_ended = bool(events) and events[-1].type == "response.completed"
    assert has_ended == (error is None)


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b"data: {not json}\n\n", "MalformedReplyError"),
        (b"data: [1]\n\n", "MalformedReplyError"),
        (b"data: [DONE]\n\n", "StreamInterruptedError"),
        (b'event: error\ndata: {"error":{"code":"rate_limit_exceeded"}}\n\n', "RateLimitError"),
        (b'data: {"error":{"message":"no"}}\n\n', "InternalServerError"),
        (b'data: {"type":"response.created","response":{"output":7}}\n\n', "MalformedReplyError"),
        (b": heartbeat\n\n", "StreamInterruptedError"),
    ],
)
def test_what_is_no_event_is_an_error(frame: bytes, name: str) -> None:
    events, error, _ = read([frame])
    assert (events, type(error).__name__) == ([], name)


def test_no_key_comes_back_in_a_failure() -> None:
    error = {"code": "server_error", "message": f"bad key {KEY}"}
    failed = {"id": "resp_1", "status": "failed", "output": [], "error": error}
    frame = json.dumps({"type": "response.failed", "response": failed})
    events, raised, _ = read([f"data: {frame}\n\n".encode()])
    assert KEY not in events[0].to_json()
    assert KEY not in str(raised)


def test_ids_and_numbers_are_the_same_in_all_events_of_a_host_that_has_none() -> None:
    begun = {"type": "response.created", "response": {"id": "gen-1", "status": "in_progress"}}
    ended = {"type": "response.completed", "response": {"id": "gen-2", "status": "completed"}}
    frames = "".join(f"data: {json.dumps(one)}\n\n" for one in (begun, ended))
    events, error, _ = read([frames.encode()])
    assert error is None
    assert [event.response and event.response.id for event in events] == [MADE, MADE]
    assert [event.sequence_number for event in events] == [0, 1]


@pytest.mark.parametrize("name", ["whole", "function_call", "web_search"])
def test_a_whole_response_as_events_ends_in_itself(name: str) -> None:
    fixture = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    response = Response.model_validate(fixture["body"])
    converter = NativeResponse(BEGUN, now)
    events = [event for one in events_of(response) for event in converter.convert(one)]
    events += converter.finish()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    response.completed_at = response.completed_at or 8
    assert events[-1].response == response == converter.response
    done = [e.item for e in events if e.type == "response.output_item.done"]
    assert done == response.output
    words = "".join(e.delta for e in events if isinstance(e.delta, str))
    assert words == "".join(
        item.get("arguments", "") + "".join(part["text"] for part in item.get("content", ()))
        for item in response.to_dict()["output"]
    )
    ours = [event for event in events if not {"response", "item", "part"} & event.to_dict().keys()]
    assert len(ours) == 2, "a delta and its end"
    for event in ours:
        api("openai").check_variant("ResponseStreamEvent", event.to_dict())


def test_a_stream_that_breaks_fails_with_what_was_whole() -> None:
    fixture = load(FIXTURES / "openai" / "responses" / "function_call_stream.json")
    events, _, _ = read(["".join(fixture["pieces"][:9]).encode()])
    converter = NativeResponse(BEGUN, now)
    told = [event for one in events for event in converter.convert(one)]
    told += converter.fail("stream_interrupted", "it broke")
    assert [event.sequence_number for event in told] == list(range(10))
    last = told[-1].response
    assert last is not None
    assert last.error is not None
    assert (last.status, last.error.code, last.error.message) == (
        "failed",
        "server_error",
        "it broke",
    )
    assert [item.type for item in last.output] == ["reasoning"]
    assert last.output[0]["encrypted_content"] == "gAAAAABodEncryptedThoughts=="


def test_a_host_that_breaks_off_without_having_begun_a_response_fails_one_of_ours() -> None:
    delta = {"type": "response.output_text.delta", "delta": "Hel", "output_index": 0}
    events, error, _ = read([f"data: {json.dumps(delta)}\n\n".encode()])
    converter = NativeResponse(BEGUN, now)
    told = [event for one in events for event in converter.convert(one)]
    told += converter.fail("stream_interrupted", str(error))
    last = told[-1].response
    assert last is not None
    assert (last.id, last.created_at, last.model, last.output) == (MADE, 5, "gpt", [])
    assert [event.sequence_number for event in told] == [0, 1]
