"""Texts that open calls, and none is one: their cost has a limit. Counted in steps, not in time."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.hostile import LINEAR, WORDS, growth

from puna.bridges.structured import find_json
from puna.rescue.stream import RescueStream, whole
from puna.rescue.tools import KnownTools

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
    assert growth(lambda size: whole(f"f{make(size)}", TOOLS), 8_000) < LINEAR
    assert growth(lambda size: streamed(make(size), 7), 8_000) < LINEAR
    assert growth(lambda size: find_json(make(size)), 8_000) < LINEAR


@pytest.mark.parametrize("kind", WORDS)
def test_a_long_text_of_each_kind_is_read_at_all(kind: str) -> None:
    # A law of n² within one regular expression is no step: it would need hours here.
    text = WORDS[kind](400_000)
    assert len(whole(text, TOOLS).text) <= len(text)
    assert streamed(text, 20_000) == text
    find_json(text)


def test_a_call_behind_thousands_of_openings_is_text_and_behind_some_it_is_a_call() -> None:
    call = '{"name": "f", "arguments": {}}'
    assert whole('[\n"f"\n' * 1_000 + call, TOOLS).calls
    assert not whole('[\n"f"\n' * 5_000 + call, TOOLS).calls


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
