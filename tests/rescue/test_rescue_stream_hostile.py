"""Texts that open calls, and none is one: their cost has a limit. Counted in steps, not in time."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import LINEAR, WORDS, growth

from puna.bridges.structured import find_json
from puna.rescue.partial_text import LONGEST
from puna.rescue.stream import RescueStream, find_calls
from puna.rescue.tools import MOST_CALLS, KnownTools

TOOLS = KnownTools(
    [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
)


def streamed(text: str, size: int) -> str:
    stream = RescueStream(TOOLS)
    pieces = [
        piece for at in range(0, len(text), size) for piece in stream.feed(text[at : at + size])
    ]
    return "".join(piece.source for piece in [*pieces, *stream.close()])


@pytest.mark.parametrize("kind", WORDS)
def test_the_steps_of_a_text_grow_as_its_length(kind: str) -> None:
    make = WORDS[kind]
    assert growth(lambda size: find_calls(f"f{make(size)}", TOOLS), 8_000) < LINEAR
    assert growth(lambda size: streamed(make(size), 7), 8_000) < LINEAR
    assert growth(lambda size: find_json(make(size)), 8_000) < LINEAR


@pytest.mark.parametrize("kind", WORDS)
def test_a_long_text_of_each_kind_is_read_at_all(kind: str) -> None:
    # A law of n² within one regular expression is no step: it would need hours here.
    text = WORDS[kind](400_000)
    assert len(find_calls(text, TOOLS).text) <= len(text)
    assert streamed(text, 20_000) == text
    find_json(text)


@pytest.mark.parametrize("kind", WORDS)
def test_what_is_held_back_is_not_copied_with_each_piece(kind: str) -> None:
    """8 MB of line ends took 32 s in pieces of 1,000 characters, and of spaces behind `{` 17 s."""
    piece = 500
    text = WORDS[kind](2_000_000)
    stream = RescueStream(TOOLS)
    stream.feed(text[:1_500_000])
    copies = 0
    tracemalloc.start()
    try:
        for at in range(1_500_000, len(text), piece):
            tracemalloc.reset_peak()
            before, _ = tracemalloc.get_traced_memory()
            stream.feed(text[at : at + piece])
            _, peak = tracemalloc.get_traced_memory()
            copies += peak - before > 700_000
    finally:
        tracemalloc.stop()
    assert copies <= 3  # a buffer that grows is moved a few times


def test_a_call_behind_very_many_blanks_is_text_however_it_is_cut() -> None:
    call = '<tool_call>{"name": "f", "arguments": {}}</tool_call>'
    for blank in (LONGEST - 1, LONGEST + 1):
        text = f"<tool_call>{' ' * blank}{call[len('<tool_call>') :]}"
        assert (
            find_calls(text, TOOLS).text == streamed(text, 999)[: len(find_calls(text, TOOLS).text)]
        )
        assert bool(find_calls(text, TOOLS).calls) == (blank < LONGEST)
        assert streamed(text, 999) == text


def test_a_call_behind_thousands_of_openings_is_text_and_behind_some_it_is_a_call() -> None:
    call = '{"name": "f", "arguments": {}}'
    assert find_calls('[\n"f"\n' * 1_000 + call, TOOLS).calls
    assert not find_calls('[\n"f"\n' * 5_000 + call, TOOLS).calls


@given(
    st.lists(st.sampled_from(sorted(WORDS)), max_size=4),
    st.integers(1, 300),
    st.integers(1, 50),
)
@settings(deadline=None)
def test_a_mix_of_hostile_kinds_is_the_same_in_pieces(
    kinds: list[str], size: int, piece: int
) -> None:
    text = " f\n".join(WORDS[kind](size) for kind in kinds)
    assert streamed(text, piece) == text


CALL = '{"name": "f", "arguments": {}}'
ROWS = {
    "tags": f"<tool_call>{CALL}</tool_call>\n",
    "function tags": "<function=f>{}</function>",
    "calls in a row": f"{CALL};",
    "lists in a row": f"[{CALL}]\n",
    "Python lists in a row": "[f()];",
    "calls of one list": "f(), ",
}


def row_of(kind: str, count: int) -> str:
    text = ROWS[kind] * count
    return f"[{text.removesuffix(', ')}]" if kind == "calls of one list" else text


@pytest.mark.parametrize("kind", ROWS)
@pytest.mark.parametrize("size", [0, 40])
def test_a_message_has_as_many_calls_as_a_host_may_send_and_what_is_more_is_text(
    kind: str, size: int
) -> None:
    def rescued(count: int) -> tuple[str, int]:
        text = row_of(kind, count)
        if not size:
            found = find_calls(text, TOOLS)
            return found.text, len(found.calls)
        stream = RescueStream(TOOLS)
        pieces = [p for at in range(0, len(text), size) for p in stream.feed(text[at : at + size])]
        pieces += stream.close()
        assert "".join(piece.source for piece in pieces) == text
        return "".join(p.text for p in pieces), sum(len(p.calls) for p in pieces)

    assert rescued(MOST_CALLS) == ("", MOST_CALLS)
    text, calls = rescued(MOST_CALLS + 1)
    assert calls <= MOST_CALLS
    assert text.count("f") >= 1


@pytest.mark.parametrize("sign", [";", "; ", "<|eot_id|>"])
def test_a_long_row_of_ends_behind_a_call_is_not_held_and_read_for_ever(sign: str) -> None:
    assert find_calls(CALL + sign * 1_000, TOOLS).calls
    text = CALL + sign * 100_000
    assert find_calls(text, TOOLS).text == text
    assert streamed(text, 20_000) == text


def test_calls_behind_python_tag_that_are_longer_than_any_call_are_text() -> None:
    # 1 MB of them took 20 s, and was held whole.
    text = "<|python_tag|>" + f'f(a="{"x" * 1_000}");' * 300
    assert find_calls(text, TOOLS).text == text
