"""How long a text is held back that may become a call."""

from __future__ import annotations

import pytest
from tests.support.rescued import TOOLS

from puna.rescue.stream import RescueStream, find_calls


def test_a_call_without_end_is_held_back_only_so_long() -> None:
    stream = RescueStream(TOOLS)
    start = '{"name": "f", "arguments": {"x": "'
    assert stream.feed(start) == []
    assert stream.feed("a" * 200_000) == []
    (piece,) = stream.feed("a" * 100_000)
    assert piece.text == start + "a" * 300_000
    assert [one.text for one in stream.feed("[f()]")] == ["[f()]"]
    assert find_calls(start + "a" * 300_000 + '"}}', TOOLS).calls == ()


@pytest.mark.parametrize(
    ("start", "is_held"),
    [
        ('{"name": "f', True),
        ('{"name": "other', False),
        ('{"name": 7', False),
        ('{"type": "fun', True),
        ('{"type": "function", ', True),
        ('{"type": "string", ', False),
        ('{"type": 7', False),
        ('{"id": "a', True),
        ('{"city": "a', False),
        ('{"name" 7', False),
    ],
)
def test_an_object_is_held_back_only_while_it_may_become_a_call(
    start: str, *, is_held: bool
) -> None:
    released = "".join(one.text for one in RescueStream(TOOLS).feed(start))
    assert released == ("" if is_held else start)
