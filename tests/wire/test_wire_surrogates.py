"""Half of a character in JSON costs that character: in texts, in events, and at their cuts."""

from __future__ import annotations

import itertools
import json
import re
import tracemalloc
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for, target_for
from tests.support.event_stream import encode_event, encode_message

from puna.dialects.base import ReadContext
from puna.dialects.openai_responses import OpenAIResponses
from puna.dialects.table import DIALECTS
from puna.types.response_request import make_responses_request
from puna.wire.fold import fold
from puna.wire.http import HTTPReply
from puna.wire.sse import SSEDecoder
from puna.wire.surrogates import (
    WellFormedDecoder,
    count_replacements,
    is_well_formed,
    parse_json,
    repair_json,
    repair_text,
)

LETTERS = st.sampled_from(["a", "é", "世", "🦙", "\ud83e", "\udd99", "\\", '"', "\n", "\udca9"])
TEXTS = st.lists(LETTERS, max_size=8).map("".join)
SIGN = "\ufffd"


@given(TEXTS)
def test_a_text_costs_its_halves_only(text: str) -> None:
    mended = repair_text(text)
    assert mended.encode().decode() == mended
    joined = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "ignore")
    assert mended.replace(SIGN, "") == joined
    assert mended.count(SIGN) <= len(text)


@given(st.recursive(TEXTS, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner)))
def test_json_with_halves_is_read_as_the_same_with_signs(value: Any) -> None:
    escaped = json.dumps([value]).encode()
    raw = json.dumps([value], ensure_ascii=False).encode("utf-8", "surrogatepass")
    # Keys that were different may be one now: the last counts, as everywhere.
    wanted = json.loads(repair_text(json.dumps([value], ensure_ascii=False)))
    assert parse_json(escaped) == parse_json(raw) == wanted
    signs = json.dumps([value], ensure_ascii=False)
    assert count_replacements(raw) == repair_text(signs).count(SIGN)
    for data in (escaped, raw):
        assert is_well_formed(repair_json(data))
        assert is_well_formed(data) == (repair_json(data) == data)


@pytest.mark.parametrize(
    ("data", "value"),
    [
        (rb'"\\ud83d"', "\\ud83d"),
        (rb'"\\\ud83d"', "\\" + SIGN),
        (rb'"\uD83E\uDD99\uD83E"', "🦙" + SIGN),
        (b'"a\xffb"', f"a{SIGN}b"),
        (b'"\xf0\x9f"', SIGN),
        (b'"\xed\xa0\xbe\xed\xb6\x99"', "🦙"),
    ],
)
def test_only_halves_are_mended(data: bytes, value: str) -> None:
    assert count_replacements(data) == value.count(SIGN) - data.count(rb"\ufffd")
    assert parse_json(data) == value


ESCAPES = st.sampled_from(
    [b"\\", b"\\\\", rb"\ud83d", rb"\uD83D", rb"\ude00", b"u", b"d83d", b'"', b"a", rb"\u0041"]
)
_EACH_ESCAPE = re.compile(
    rb"(?P<pair>\\u[dD][89abAB]..\\u[dD][c-fC-F]..)|(?P<half>\\u[dD][89a-fA-F]..)|\\.", re.DOTALL
)


@given(st.lists(ESCAPES, max_size=12).map(b"".join))
def test_halves_are_found_among_escapes_of_all_kinds(data: bytes) -> None:
    """As one finds them who reads each escape from the first on."""
    wanted = _EACH_ESCAPE.sub(lambda one: rb"\ufffd" if one["half"] else one[0], data)
    assert repair_json(data) == wanted
    assert is_well_formed(data) == (wanted == data)


@pytest.mark.parametrize("sign", [b"\\", rb"\u0061", rb"\ud83d\ude00", b"%25", rb"\"", rb"\ud83d"])
def test_json_of_many_escapes_takes_a_few_times_its_size(sign: bytes) -> None:
    data = b"[" + sign * (1_000_000 // len(sign))
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match=r"."):
            parse_json(data)
        assert tracemalloc.get_traced_memory()[1] < 5 * len(data)
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("data", [b"", b"{", rb'{"a": "\ud83', b'"\xff', b"NaN!", rb'"\ud83d'])
def test_what_is_no_json_stays_none(data: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_json(data)


# --- streams of every dialect

WORD = "a🦙é世🦙"
MARK = "SLOT"


def openai_frames(texts: Sequence[str]) -> list[dict[str, Any]]:
    deltas: list[tuple[dict[str, Any], str | None]] = [({"content": one}, None) for one in texts]
    ends = [*deltas, ({}, "stop")]
    return [
        {"id": "up", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
        for delta, finish in ends
    ]


def openai_calls(texts: Sequence[str]) -> list[dict[str, Any]]:
    head = {"index": 0, "id": "a", "function": {"name": "f", "arguments": '{"x": "'}}
    other = {"index": 1, "id": "b", "function": {"name": "g", "arguments": "{}"}}
    pieces = [head, *({"index": 0, "function": {"arguments": one}} for one in texts)]
    pieces += [{"index": 0, "function": {"arguments": '"}'}}]
    pieces.insert(1 + len(texts) // 2, other)  # another call in between
    made = [{"choices": [{"index": 0, "delta": {"tool_calls": [one]}}]} for one in pieces]
    return [*made, {"choices": [{"index": 0, "delta": {}, "finish_reason": "tool_calls"}]}]


def anthropic_frames(texts: Sequence[str]) -> list[dict[str, Any]]:
    deltas = [{"type": "text_delta", "text": one} for one in texts]
    return [
        {"type": "message_start", "message": {"id": "m", "usage": {}}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        *({"type": "content_block_delta", "index": 0, "delta": one} for one in deltas),
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {}},
        {"type": "message_stop"},
    ]


def ollama_frames(texts: Sequence[str]) -> list[dict[str, Any]]:
    said = [{"created_at": f"t{at}", "message": {"content": one}} for at, one in enumerate(texts)]
    return [*said, {"message": {"content": ""}, "done": True, "done_reason": "stop"}]


def llama_frames(texts: Sequence[str]) -> list[dict[str, Any]]:
    deltas = [{"type": "text", "text": one} for one in texts]
    events: list[dict[str, Any]] = [{"event_type": "progress", "delta": one} for one in deltas]
    return [{"event": one} for one in [*events, {"event_type": "complete", "stop_reason": "stop"}]]


def as_bytes(frame: dict[str, Any], *, is_escaped: bool) -> bytes:
    text = json.dumps(frame, ensure_ascii=is_escaped)
    return text.encode("utf-8", "surrogatepass")


def sse(frames: Sequence[dict[str, Any]], *, is_escaped: bool) -> bytes:
    made = [b"data: %b\n\n" % as_bytes(one, is_escaped=is_escaped) for one in frames]
    return b"".join(made)


def lines(frames: Sequence[dict[str, Any]], *, is_escaped: bool) -> bytes:
    return b"".join(as_bytes(one, is_escaped=is_escaped) + b"\n" for one in frames)


def converse(texts: Sequence[str], *, is_escaped: bool) -> bytes:
    around = {":event-type": "contentBlockDelta", ":message-type": "event"}
    said = [{"contentBlockIndex": 0, "delta": {"text": one}} for one in texts]
    events = [encode_message(around, as_bytes(one, is_escaped=is_escaped)) for one in said]
    return b"".join([*events, encode_event("messageStop", {"stopReason": "end_turn"})])


Stream = Callable[..., bytes]
STREAMS: dict[str, tuple[str, Stream]] = {
    "chat": ("openai_chat", lambda t, **how: sse(openai_frames(t), **how)),
    "calls": ("openai_chat", lambda t, **how: sse(openai_calls(t), **how)),
    "anthropic": ("anthropic_messages", lambda t, **how: sse(anthropic_frames(t), **how)),
    "ollama": ("ollama_native", lambda t, **how: lines(ollama_frames(t), **how)),
    "llama": ("llama_native", lambda t, **how: sse(llama_frames(t), **how)),
    "bedrock": ("bedrock_converse", converse),
}


def units(text: str) -> str:
    """A text whose characters outside the first plane are two."""
    pairs = text.encode("utf-16-le", "surrogatepass")
    return "".join(
        pairs[at : at + 2].decode("utf-16-le", "surrogatepass") for at in range(0, len(pairs), 2)
    )


def read(name: str, texts: Sequence[str], cuts: Sequence[int] = (), **how: Any) -> str:
    """What a stream of these texts says; each sign in it that was cut is counted."""
    dialect, make = STREAMS[name]
    context = context_for(target=target_for(dialect=dialect), request=request_for(stream=True))
    reader = DIALECTS[dialect].stream_reader(context)
    raw = make(texts, **{"is_escaped": True, **how})
    ends = sorted({0, len(raw), *(cut % len(raw) for cut in cuts)})
    chunks = [one for a, b in itertools.pairwise(ends) for one in reader.feed(raw[a:b])]
    chunks += reader.close()
    assert reader.error is None
    message = fold(chunks).choices[0].message
    assert all(one.to_json().encode() for one in chunks)
    if name == "calls":
        said: str = json.loads((message.tool_calls or [])[0].function.arguments)["x"]
    else:
        said = message.content or ""
    assert reader.replaced_signs == said.count(SIGN)
    return said


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("is_escaped", [True, False])
@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_a_pair_that_two_events_share_is_joined_eliza_30904(
    name: str,
    is_escaped: bool,  # noqa: FBT001 - a parametrised case
    size: int,
) -> None:
    whole = units(WORD)
    texts = [whole[at : at + size] for at in range(0, len(whole), size)]
    assert read(name, texts, is_escaped=is_escaped) == WORD
    # The other half never comes: it costs one sign.
    assert read(name, [*texts, "b\ud83e"], is_escaped=is_escaped) == f"{WORD}b{SIGN}"
    assert read(name, [*texts, "\udd99"], is_escaped=is_escaped) == WORD + SIGN


PIECES = st.lists(
    st.lists(st.sampled_from(["a", "é", "🦙", "\ud83e", "\udd99"]), min_size=1, max_size=4).map(
        "".join
    ),
    min_size=1,
    max_size=6,
)


@given(st.sampled_from(sorted(STREAMS)), PIECES, st.lists(st.integers(0, 3_000), max_size=6))
def test_whatever_halves_stand_in_a_stream_it_costs_them_alone(
    name: str, texts: list[str], cuts: list[int]
) -> None:
    if name == "calls":
        texts = texts[:1]  # what comes between may end the wait
    assert read(name, texts, cuts) == repair_text("".join(texts))


@pytest.mark.parametrize("name", ["chat", "anthropic", "llama"])
@pytest.mark.parametrize("size", [1, 2, 3])
def test_bytes_of_a_character_that_two_events_share_are_joined(name: str, size: int) -> None:
    whole = "a🦙é世".encode()
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    frames = STREAMS[name][1]([f"{MARK}{at}_" for at in range(len(parts))], is_escaped=False)
    for at, part in enumerate(parts):
        frames = frames.replace(f"{MARK}{at}_".encode(), part)
    dialect = STREAMS[name][0]
    context = context_for(target=target_for(dialect=dialect), request=request_for(stream=True))
    reader = DIALECTS[dialect].stream_reader(context)
    chunks = reader.feed(frames) + reader.close()
    assert reader.error is None
    assert fold(chunks).choices[0].message.content == "a🦙é世"


def test_names_and_fields_that_nobody_reads_cost_their_halves_alone() -> None:
    delta = {"content": "a", "x\ud83e": "\ud83e", "tool_calls": [{"id": "\udd99", "index": 0}]}
    call = {"index": 0, "function": {"name": "f\ud83e", "arguments": "{}"}}
    frames: list[dict[str, Any]] = [
        {"choices": [{"index": 0, "delta": delta, "finish_reason": None}], "y": ["\ud83e"]},
        {"choices": [{"index": 0, "delta": {"tool_calls": [call]}, "finish_reason": "stop"}]},
    ]
    reader = DIALECTS["openai_chat"].stream_reader(context_for(request=request_for(stream=True)))
    chunks = reader.feed(sse(frames, is_escaped=True)) + reader.close()
    assert reader.error is None
    message = fold(chunks).choices[0].message
    assert (message.content, (message.model_extra or {})[f"x{SIGN}"]) == ("a", SIGN)
    assert [(one.id, one.function.name) for one in message.tool_calls or []] == [(SIGN, f"f{SIGN}")]


def test_an_event_that_is_held_back_comes_before_anything_that_ends_the_wait() -> None:
    held = b'data: {"t": "a\\ud83e"}\n\n'
    for after in (
        b"data: [DONE]\n\n",
        b'data: {"other": "word"}\n\n',
        b'data: {"t": "b"}\n\n',
        b'data: {"t": "", "finish_reason": "stop"}\n\n',
        b"data: {broken\n\n",
    ):
        decoder = WellFormedDecoder(SSEDecoder())
        assert decoder.feed(held) == []
        events = decoder.feed(after)
        assert [event.data for event in events][:1] == ['{"t":"a\ufffd"}'.encode()]
        assert len(events) == 2
    decoder = WellFormedDecoder(SSEDecoder())
    assert decoder.feed(held) == []
    assert [event.data for event in decoder.close()] == ['{"t":"a\ufffd"}'.encode()]


def test_not_many_events_wait_for_half_a_character() -> None:
    decoder = WellFormedDecoder(SSEDecoder())
    assert decoder.feed(b'data: {"t": "\\ud83e"}\n\n') == []
    blank = b'data: {"t": ""}\n\n'
    counts = [len(decoder.feed(blank)) for _ in range(20)]
    assert max(counts) <= 8
    assert sum(counts) == 21


# --- whole answers


@pytest.mark.parametrize("text", ["a\ud83eb", "\udd99", "🦙\ud83e"])
def test_half_a_character_in_a_whole_answer_costs_that_sign(text: str) -> None:
    message = {"content": text, "reasoning": text}
    call = {"id": text, "function": {"name": text, "arguments": {"x": text}}}
    choice = {"message": {**message, "tool_calls": [call]}, "finish_reason": "stop", "z": text}
    body = json.dumps({"id": text, "choices": [choice]}).encode()
    answer = DIALECTS["openai_chat"].read_reply(HTTPReply(200, {}, body), context_for())
    mended = repair_text(text)
    (made,) = answer.choices[0].message.tool_calls or []
    assert answer.choices[0].message.content == made.id == made.function.name == mended
    assert json.loads(made.function.arguments) == {"x": mended}
    assert answer.to_json().encode()


def test_halves_in_a_native_response_cost_their_signs() -> None:
    request = make_responses_request("gpt", {"input": "hi"})
    context = ReadContext(target_for(), "gpt", "resp_made", 1.0, request)
    part = {"type": "output_text", "text": "a\ud83e"}
    item = {"type": "message", "id": "m", "content": [part]}
    told = {"id": "resp_1", "created_at": 1, "status": "completed", "output": [item]}
    reply = HTTPReply(200, {}, json.dumps(told).encode())
    assert OpenAIResponses().read_reply(reply, context).output_text == "a" + SIGN
    place = {"type": "response.output_text.delta", "item_id": "m", "output_index": 0}
    frames = [{**place, "content_index": 0, "delta": one} for one in ("a\ud83e", "\udd99b")]
    reader = OpenAIResponses().stream_reader(context)
    last = {"type": "response.completed", "response": told}
    events = reader.feed(sse([*frames, last], is_escaped=True))
    assert reader.error is None
    assert [one.delta for one in events] == ["a🦙", "b", None]
    assert all(one.to_json().encode() for one in events)
