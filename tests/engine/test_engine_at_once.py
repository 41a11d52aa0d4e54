"""Several calls for one answer: in order, a few at a time, and ended together by a failure."""

from __future__ import annotations

import asyncio

import pytest

from puna.engine.at_once import ask_all


def test_answers_come_in_the_order_of_the_calls_and_few_are_under_way() -> None:
    under_way, most = 0, 0

    async def ask(number: int) -> int:
        nonlocal under_way, most
        under_way += 1
        most = max(most, under_way)
        for _ in range(30 - number):  # the later ones answer first
            await asyncio.sleep(0)
        under_way -= 1
        return number * 10

    assert asyncio.run(ask_all(ask, range(20))) == [number * 10 for number in range(20)]
    assert 1 < most <= 8


def test_one_call_and_none_need_nothing_more() -> None:
    async def ask(number: int) -> int:
        await asyncio.sleep(0)
        return number

    assert asyncio.run(ask_all(ask, [5])) == [5]
    assert asyncio.run(ask_all(ask, [])) == []


def test_the_first_failure_is_raised_after_all_others_have_ended() -> None:
    ended: list[int] = []

    async def ask(number: int) -> int:
        try:
            if number == 3:
                await asyncio.sleep(0)
                raise ValueError("no")
            await asyncio.Event().wait()
        finally:
            ended.append(number)
        return number

    with pytest.raises(ValueError, match="no"):
        asyncio.run(ask_all(ask, range(5)))
    assert sorted(ended) == [0, 1, 2, 3, 4]
