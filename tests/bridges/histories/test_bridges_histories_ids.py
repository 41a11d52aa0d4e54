"""Ids of calls are those that a host accepts, no two are alike, and none changes later."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.bridges.histories.ids import CallIds
from puna.bridges.histories.rules import ALNUM_9, ANY_40, ANY_64, WORD_64, IdRule

RULES = [ANY_64, ANY_40, WORD_64, ALNUM_9]
IDS = st.text(max_size=80) | st.sampled_from(["call_1", "toolu_01", "abcDEF123", "", "call:1"])


@pytest.mark.parametrize("rule", RULES)
@given(ids=st.lists(IDS, max_size=6))
def test_every_call_has_an_id_of_its_own_that_the_host_accepts(
    rule: IdRule, ids: list[str]
) -> None:
    fitter = CallIds(rule, frozenset(ids))
    made = [fitter.fit(one) for one in ids]
    assert len(set(made)) == len(made)
    assert all(rule.accepts(one) for one in made)


@given(ids=st.lists(IDS, max_size=6), more=st.lists(st.text("xyz", max_size=5), max_size=3))
def test_an_id_stays_the_same_when_the_conversation_grows(ids: list[str], more: list[str]) -> None:
    now, later = CallIds(ALNUM_9, frozenset(ids)), CallIds(ALNUM_9, frozenset((*ids, *more)))
    assert [now.fit(one) for one in ids] == [later.fit(one) for one in (*ids, *more)][: len(ids)]


def test_an_id_that_is_accepted_stays_and_a_second_one_gets_another() -> None:
    fitter = CallIds(WORD_64, frozenset(("call_1",)))
    assert fitter.fit("call_1") == "call_1"
    assert fitter.fit("call_1").startswith("call_1_")
