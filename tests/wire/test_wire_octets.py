"""How many lists and objects a JSON text may open."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from puna.wire.octets import count_brackets, first_octet


@given(st.binary(max_size=40) | st.text('[{"]}a', max_size=40).map(str.encode))
def test_every_opening_bracket_counts(data: bytes) -> None:
    assert count_brackets(data) == data.count(b"[") + data.count(b"{")


@given(st.binary(min_size=1, max_size=5))
def test_the_first_octet_is_read_of_any_buffer(data: bytes) -> None:
    assert first_octet(data) == first_octet(memoryview(data)) == (data[0],)
