"""Bodies of small values: what is sent, and that the gateway takes it."""

from __future__ import annotations

import json

import pytest
from benchmarks.body_memory import AGENT, KINDS, body_of, times_of

from puna.config.schema import DEFAULT_MAX_REQUEST_VALUES
from puna.gateway.requests.body import excess_in


@pytest.mark.parametrize("kind", [*KINDS, AGENT])
def test_the_longest_body_of_each_kind_is_let_in_and_a_share_of_it_is_shorter(kind: str) -> None:
    long, short = (len(json.dumps(body_of(kind, share, "m"))) for share in (1, 0.1))
    assert short < 0.2 * long
    body = json.dumps(body_of(kind, 1, "m"), separators=(",", ":")).encode()
    assert excess_in(body, DEFAULT_MAX_REQUEST_VALUES) is None


@pytest.mark.end_to_end
@pytest.mark.xdist_group("benchmarks")
@pytest.mark.parametrize("kind", KINDS)
def test_a_body_of_small_values_takes_at_most_six_times_its_size(kind: str) -> None:
    """The same in every run: what Python held is counted, no clock and no allocator's reserve."""
    assert 1 < times_of(kind) <= 6
