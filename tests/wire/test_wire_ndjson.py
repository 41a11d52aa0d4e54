from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from puna.wire.ndjson import LineDecoder

LINES = st.lists(st.binary(min_size=1).map(lambda data: b"{" + data.hex().encode() + b"}"))
ENDS = st.sampled_from((b"\n", b"\r\n", b"\n\n", b" \n\r\n"))


def decoded(pieces: list[bytes]) -> list[bytes]:
    decoder = LineDecoder()
    events = [event for piece in pieces for event in decoder.feed(piece)] + decoder.close()
    assert {event.event for event in events} <= {""}
    return [event.data for event in events]


@given(LINES, ENDS, st.lists(st.integers(0, 200)), st.booleans())
def test_lines_are_the_same_however_they_are_cut(
    lines: list[bytes],
    end: bytes,
    places: list[int],
    ends_well: bool,  # noqa: FBT001 - hypothesis gives it
) -> None:
    whole = end.join(lines) + (end if ends_well else b"")
    cuts = [0, *sorted(place for place in places if place < len(whole)), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(cuts)]
    assert decoded(pieces) == lines


def test_a_line_comes_as_soon_as_it_has_ended_and_a_last_one_at_the_close() -> None:
    decoder = LineDecoder()
    assert decoder.feed(b'{"a":') == []
    assert [event.data for event in decoder.feed(b'1}\n{"b"')] == [b'{"a":1}']
    assert decoder.feed(b":2}") == []
    assert [event.data for event in decoder.close()] == [b'{"b":2}']
    assert decoder.close() == []
