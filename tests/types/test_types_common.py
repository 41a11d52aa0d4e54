"""Usage says whether it was counted here."""

from __future__ import annotations

from tests.support.answers import DATA

from puna.types.chat import ChatCompletion


def test_usage_says_whether_it_was_counted_here() -> None:
    answer = ChatCompletion.model_validate(DATA)
    assert answer.usage is not None
    assert answer.usage.is_estimate
    assert not answer.usage.model_copy(update={"estimated": False}).is_estimate
