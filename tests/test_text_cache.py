"""The bounded cache."""

from __future__ import annotations

import sys
import tracemalloc

import pytest

from puna.text_cache import TextCache


def test_what_was_used_least_recently_goes_first() -> None:
    cache = TextCache[str](most=2)
    cache.put("a", "1")
    cache.put("b", "2")
    assert cache.get("a") == "1"
    cache.put("c", "3")
    assert [cache.get(key) for key in "abc"] == ["1", None, "3"]
    assert cache.delete("c")
    assert not cache.delete("c")


def test_a_text_makes_room_for_itself_and_a_giant_is_not_kept() -> None:
    cache = TextCache[str](most_bytes=1_000)
    cache.put("a", "x" * 400)
    cache.put("b", "x" * 400)
    cache.put("c", "x" * 400)
    assert [cache.get(key) is not None for key in "abc"] == [False, True, True]
    cache.put("d", "x" * 1_000)
    assert cache.get("d") is None
    cache.put("b", "y")
    assert cache.get("b") == "y"
    cache.put("e", "é" * 10)
    cache.delete("b")
    cache.delete("c")
    cache.delete("e")
    assert cache.size == 0


def test_its_size_is_the_memory_that_its_texts_take() -> None:
    tracemalloc.start()
    cache = TextCache[int]()
    before, _ = tracemalloc.get_traced_memory()
    for number in range(200):
        cache.put(number, chr(0x1F600) * 5_000 + str(number))  # four bytes a character
    taken = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert cache.size == pytest.approx(taken, rel=0.05)


def test_it_keeps_two_thousand_texts_and_128_mib() -> None:
    cache = TextCache[int]()
    for number in range(2_001):
        cache.put(number, "")
    assert [cache.get(number) for number in (0, 1, 2_000)] == [None, "", ""]
    most = 128 * 1024 * 1024 - sys.getsizeof("")
    for more, is_kept in ((0, True), (1, False)):
        cache.put(0, "x" * (most + more))
        assert (cache.get(0) is not None) is is_kept
