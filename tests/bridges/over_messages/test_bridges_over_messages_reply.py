"""Answers of the Messages API as answers of chat."""

from __future__ import annotations

import pytest

from puna.bridges.over_messages.reply import usage_fields


@pytest.mark.parametrize("count", [-1, 10**30])
def test_usage_of_a_message_that_is_beyond_belief_counts_as_missing(count: int) -> None:
    told = {"input_tokens": 3, "output_tokens": 4}
    assert usage_fields(told) is not None
    assert usage_fields({**told, "output_tokens": count}) is None
    assert usage_fields({**told, "cache_read_input_tokens": count}) is None
