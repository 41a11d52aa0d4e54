"""A request's own retries and timeouts: the deployments of its plan stay as they are."""

from __future__ import annotations

import pytest

from puna.dialects.base import Target
from puna.errors import InternalServerError
from puna.routing.attempts import Attempts, GiveUp, Plan, RetryPolicy, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy, Health
from puna.routing.steering import Steering

ONE = Deployment(
    "one", "m", Target("openai", "m", "http://up"), timeout_s=60.0, stream_timeout_s=9.0
)
BARE = Deployment("bare", "m", Target("openai", "m", "http://up"))


@pytest.mark.parametrize(
    ("steering", "of_one", "of_bare"),
    [
        (Steering(is_stream=False), (60.0, 9.0), (None, None)),
        (Steering(is_stream=False, timeout_s=5.0), (5.0, 5.0), (5.0, 5.0)),
        (Steering(is_stream=False, stream_timeout_s=5.0), (60.0, 9.0), (None, None)),
        (Steering(is_stream=True), (9.0, 9.0), (None, None)),
        (Steering(is_stream=True, timeout_s=5.0), (5.0, 5.0), (5.0, 5.0)),
        (Steering(is_stream=True, timeout_s=5.0, stream_timeout_s=2.0), (2.0, 2.0), (2.0, 2.0)),
    ],
)
def test_a_requests_time_wins_and_a_stream_has_its_own(
    steering: Steering,
    of_one: tuple[float | None, float | None],
    of_bare: tuple[float | None, float | None],
) -> None:
    assert steering.time_limits(ONE) == of_one
    assert steering.time_limits(BARE) == of_bare


@pytest.mark.parametrize(
    ("asked", "of_deployment", "tries"), [(3, 0, 4), (0, 5, 1), (None, 1, 2), (None, None, 3)]
)
def test_the_attempt_machine_reads_the_retries_that_the_request_asks_for(
    asked: int | None, of_deployment: int | None, tries: int
) -> None:
    one = Deployment("one", "m", ONE.target, max_retries=of_deployment)
    plan = Plan([one], steering=Steering(is_stream=False, max_retries=asked))
    attempts = Attempts(plan, RetryPolicy(2), Health(CooldownPolicy(is_enabled=False)), lambda: 0.5)
    asks = 0
    while not isinstance(step := attempts.next(0.0), GiveUp):
        if not isinstance(step, Wait):
            assert step is one
            asks += 1
            attempts.failed(InternalServerError("busy", is_retryable=True), 0.0)
    assert asks == tries
