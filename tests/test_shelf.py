"""The bounded shelf."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from puna.shelf import Shelf


def test_what_was_used_least_recently_goes_first() -> None:
    shelf = Shelf[str](most=2)
    shelf.put("a", "1")
    shelf.put("b", "2")
    assert shelf.get("a") == "1"
    shelf.put("c", "3")
    assert [shelf.get(key) for key in "abc"] == ["1", None, "3"]
    assert shelf.delete("c")
    assert not shelf.delete("c")


def test_a_text_makes_room_for_itself_and_a_giant_is_not_kept() -> None:
    shelf = Shelf[str](most_bytes=1_000)
    shelf.put("a", "x" * 400)
    shelf.put("b", "x" * 400)
    shelf.put("c", "x" * 400)
    assert [shelf.get(key) is not None for key in "abc"] == [False, True, True]
    shelf.put("d", "x" * 1_000)
    assert shelf.get("d") is None
    shelf.put("b", "y")
    assert shelf.get("b") == "y"
    shelf.put("e", "é" * 10)
    shelf.delete("b")
    shelf.delete("c")
    shelf.delete("e")
    assert shelf.size == 0


def test_its_size_is_the_memory_that_its_texts_take() -> None:
    tracemalloc.start()
    shelf = Shelf[int]()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(200):
        shelf.put(number, chr(0x1F600) * 5_000 + str(number))  # four bytes a character
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert shelf.size == pytest.approx(taken, rel=0.05)


def test_it_keeps_two_thousand_texts_and_128_mib() -> None:
    shelf = Shelf[int]()
    for number in range(2_001):
        shelf.put(number, "")
    assert [shelf.get(number) for number in (0, 1, 2_000)] == [None, "", ""]
    most = 128 * 1024 * 1024 - sys.getsizeof("")
    for more, is_kept in ((0, True), (1, False)):
        shelf.put(0, "x" * (most + more))
        assert (shelf.get(0) is not None) is is_kept
