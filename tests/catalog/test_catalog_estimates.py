from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.catalog.estimates import MOST_READ, estimate_tokens
from puna.catalog.tokens import count_message_tokens, count_tokens

ENGLISH = (
    "The puna is a high plateau of the Andes. Few trees grow there, and the nights are cold even "
    "in summer, yet llamas and vicuñas graze on its dry grass all year. People have herded them "
    "for about 4,000 years, for wool, for meat, and to carry loads over the passes."
)
CODE = '''
def running_mean(values: list[float], window: int = 5) -> list[float]:
    """Mean of each stretch of `window` values."""
    if window < 1:
        raise ValueError(f"window must be at least 1, not {window}")
    totals = [0.0]
    for value in values:
        totals.append(totals[-1] + value)
    return [(totals[i] - totals[i - window]) / window for i in range(window, len(totals))]
'''
CHINESE = (
    "高原上的夜晚很冷,但是羊驼一年四季都在那里吃草。当地人饲养它们已经有四千多年的历史,"
    "用它们的毛织布,也用它们驮运货物翻过山口。今天我们坐火车去看雪山。"
)


def test_empty_text_has_no_tokens_and_any_other_has_one() -> None:
    assert estimate_tokens("") == 0
    assert estimate_tokens(" ") == 1
    assert estimate_tokens("\x00") == 1


@pytest.mark.parametrize("text", [ENGLISH, CODE, CHINESE], ids=["english", "code", "chinese"])
def test_the_estimate_is_near_the_llama_3_count(text: str) -> None:
    exact = count_tokens("llama-3.3-8b", text).count
    assert estimate_tokens(text) == pytest.approx(exact, rel=0.15)


def test_emoji_and_long_words_count_more_than_one() -> None:
    assert estimate_tokens("🦙") > 1
    assert estimate_tokens("Donaudampfschifffahrt") > 1


@given(st.text(), st.text())
def test_more_text_is_never_much_fewer_tokens(first: str, second: str) -> None:
    both = estimate_tokens(first + second)
    assert both <= estimate_tokens(first) + estimate_tokens(second) + 2
    assert both >= max(estimate_tokens(first), estimate_tokens(second)) - 1


@given(st.text())
def test_the_estimate_is_stable_and_bounded_by_bytes(text: str) -> None:
    count = estimate_tokens(text)
    assert count == estimate_tokens(text)
    assert 0 <= count <= 2 * len(text.encode("utf-8", "surrogatepass")) + 1


def seconds_for(text: str) -> float:
    def once() -> float:
        begun = time.process_time()
        estimate_tokens(text)
        return time.process_time() - begun

    return min(once() for _ in range(3))


def test_a_long_text_of_several_kinds_is_estimated_nearly_as_its_parts() -> None:
    parts = [part * 200 for part in (ENGLISH, CODE, CHINESE, ENGLISH)]
    assert max(map(len, parts)) > MOST_READ
    alone = sum(200 * estimate_tokens(part) for part in (ENGLISH, CODE, CHINESE, ENGLISH))
    assert estimate_tokens("".join(parts)) == pytest.approx(alone, rel=0.05)


@given(st.integers(0, 3_000))
def test_the_estimate_does_not_jump_where_samples_begin(more: int) -> None:
    text = (ENGLISH + CODE) * 120
    below, above = text[: MOST_READ - 1], text[: MOST_READ + more]
    expected = estimate_tokens(below) * len(above) / len(below)
    assert estimate_tokens(above) == pytest.approx(expected, rel=0.03)


def test_what_an_estimate_takes_is_bounded_however_long_the_text_is() -> None:
    text = CHINESE * 120_000
    assert len(text) > 120 * MOST_READ
    assert seconds_for(text) < 12 * seconds_for(text[:MOST_READ])


def test_a_long_chat_is_estimated_as_its_texts_together() -> None:
    few = [{"role": "user", "content": ENGLISH * 2} for _ in range(100)]
    many = few * 10
    assert sum(len(ENGLISH * 2) for _ in few) < MOST_READ < sum(len(ENGLISH * 2) for _ in many)
    short, long = (count_message_tokens("none", chat).count for chat in (few, many))
    assert long == pytest.approx(10 * short, rel=0.03)


@pytest.mark.parametrize(
    ("piece", "hundredths"),
    [
        ("ab ", 100),
        ("abcdef ", 100),
        ("abcdefgh ", 150),
        ("é ", 190),
        ("12!", 170),
        ("a1?;:", 270),
        ("a\n", 200),
        ("a\r\n\r\n", 200),
        ("a  ", 150),
        ("a 1", 310),
        ("\u03a9", 42),
        ("\u0915", 56),
        ("\u3042", 56),
        ("\u4e2d", 82),
        ("\ud55c", 82),
        ("\U0001f600", 250),
        ("\x01", 100),
        ("\x7f", 100),
    ],
)
def test_each_kind_of_character_has_its_weight(piece: str, hundredths: int) -> None:
    assert estimate_tokens(piece * 100) == hundredths
