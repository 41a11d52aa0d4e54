"""The usage of several answers is their sum, in the details too."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from puna.types.common import Usage
from puna.types.sums import sum_usages

COUNTS = st.integers(0, 10**9)
USAGES = st.builds(
    lambda given, made, cached: Usage.model_validate(
        {
            "prompt_tokens": given,
            "completion_tokens": made,
            "total_tokens": given + made,
            "prompt_tokens_details": None if cached is None else {"cached_tokens": cached},
        }
    ),
    COUNTS,
    COUNTS,
    COUNTS | st.none(),
)


@given(USAGES, USAGES)
def test_each_count_is_the_sum_of_both_whichever_comes_first(first: Usage, second: Usage) -> None:
    total = sum_usages(first, second)
    assert total.prompt_tokens == first.prompt_tokens + second.prompt_tokens
    assert total.completion_tokens == first.completion_tokens + second.completion_tokens
    assert total.total_tokens == first.total_tokens + second.total_tokens
    assert total.to_dict() == sum_usages(second, first).to_dict()


def test_details_that_one_answer_lacks_are_those_of_the_other() -> None:
    told = {"prompt_tokens": 5, "prompt_tokens_details": {"cached_tokens": 3}, "cost": 0.5}
    total = sum_usages(Usage.model_validate(told), Usage.model_validate({"prompt_tokens": 2}))
    assert total.prompt_tokens == 7
    assert total.prompt_tokens_details is not None
    assert total.prompt_tokens_details.cached_tokens == 3
    assert total.to_dict()["cost"] == 0.5


def test_an_estimate_among_them_marks_the_sum() -> None:
    told = Usage.model_validate({"prompt_tokens": 1})
    assert sum_usages(told, Usage.estimated(2, 3)).is_estimate
    assert sum_usages(Usage.estimated(2, 3), told).is_estimate
    assert not sum_usages(told, told).is_estimate
