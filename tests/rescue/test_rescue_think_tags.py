"""Thoughts between `<think>` and `</think>` at the beginning of a text."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.rescue.think_tags import ThinkTags, split_thoughts

TEXTS = st.lists(
    st.sampled_from(["<think>", "</think>", "<", "</th", "think>", "\n", " ", "hm", "é", "a"])
).map("".join)


@pytest.mark.parametrize(
    ("text", "thought", "rest"),
    [
        ("<think>2 and 2</think>4", "2 and 2", "4"),
        ("\n <think>\nhm\n</think>\n\n4", "hm", "4"),
        ("<think></think>\n\n4", "", "4"),
        ("<think>never closed", "never closed", ""),
        ("<think>a</think>b<think>c</think>d", "a", "b<think>c</think>d"),
        ("Say <think> aloud", "", "Say <think> aloud"),
        ("  4", "", "  4"),
        ("<thin", "", "<thin"),
        ("<think>a</thi", "a</thi", ""),
        ("", "", ""),
    ],
)
def test_what_leads_a_text_is_thought(text: str, thought: str, rest: str) -> None:
    assert split_thoughts(text) == (thought, rest)


@given(text=TEXTS, cuts=st.lists(st.integers(0, 60)))
def test_pieces_give_what_the_whole_gives(text: str, cuts: list[int]) -> None:
    tags = ThinkTags()
    places = sorted({min(cut, len(text)) for cut in cuts} | {0, len(text)})
    given_pieces = [text[a:b] for a, b in itertools.pairwise(places)]
    pieces = [one for piece in given_pieces for one in tags.feed(piece)] + tags.close()
    joined = {kind: "".join(t for k, t in pieces if k == kind) for kind in ("thought", "text")}
    assert (joined["thought"], joined["text"]) == split_thoughts(text)


@given(text=TEXTS)
def test_only_tags_and_blanks_are_lost(text: str) -> None:
    thought, rest = split_thoughts(text)
    for tag in ("<think>", "</think>"):
        text = text.replace(tag, "")
        thought, rest = thought.replace(tag, ""), rest.replace(tag, "")
    assert (thought + rest).split() == text.split() or (thought + rest).replace("\n", "").replace(
        " ", ""
    ) == text.replace("\n", "").replace(" ", "")
