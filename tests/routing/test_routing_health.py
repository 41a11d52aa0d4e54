from __future__ import annotations

import pytest

from puna.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContextWindowExceededError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    UnprocessableEntityError,
)
from puna.routing.health import CooldownPolicy, Health

DOWN = InternalServerError("down")


@pytest.mark.case(163, 165)
def test_more_than_the_allowed_failures_in_a_row_make_a_deployment_rest() -> None:
    health = Health(CooldownPolicy(allowed_fails=2, cooldown_s=5.0))
    for now in (1.0, 2.0):
        health.failed("a", DOWN, now)
        assert not health.is_cooling_down("a", now)
    health.failed("a", DOWN, 3.0)
    assert health.is_cooling_down("a", 7.9)
    assert not health.is_cooling_down("a", 8.0)
    assert health.cooldown_until("a") == 8.0
    assert (health.cooldown_until("b"), health.is_cooling_down("b", 0.0)) == (0.0, False)
    # After its rest it has all its failures again.
    health.failed("a", DOWN, 9.0)
    assert not health.is_cooling_down("a", 9.0)


def test_a_success_forgets_the_failures() -> None:
    health = Health(CooldownPolicy(allowed_fails=1))
    for _ in range(5):
        health.failed("a", DOWN, 0.0)
        health.succeeded("a")
    assert not health.is_cooling_down("a", 0.0)
    health.succeeded("never seen")


@pytest.mark.parametrize(
    ("error", "counts"),
    [
        (DOWN, True),
        (RateLimitError("x"), True),
        (AuthenticationError("x"), True),
        (NotFoundError("x"), True),
        (APITimeoutError("x", status_code=408), True),
        (APITimeoutError("x"), True),
        (APIConnectionError("x"), True),
        (BadRequestError("x"), False),
        (PermissionDeniedError("x"), False),
        (UnprocessableEntityError("x"), False),
        (ContextWindowExceededError("x"), False),
        (ContextWindowExceededError("x", status_code=500), False),
    ],
)
def test_failures_that_are_the_callers_do_not_count(error: APIError, counts: bool) -> None:  # noqa: FBT001
    health = Health(CooldownPolicy(allowed_fails=0))
    health.failed("a", error, 0.0)
    assert health.is_cooling_down("a", 0.0) is counts


@pytest.mark.case(141)
@pytest.mark.parametrize(("asked_s", "until"), [(None, 5.0), (1.0, 5.0), (20.0, 20.0), (1e9, 60.0)])
def test_a_host_that_asks_for_more_rest_gets_it_up_to_a_minute(
    asked_s: float | None, until: float
) -> None:
    health = Health(CooldownPolicy(allowed_fails=0, cooldown_s=5.0))
    health.failed("a", RateLimitError("x", retry_after_s=asked_s), 0.0)
    assert health.cooldown_until("a") == until


def test_without_cooldown_nobody_rests() -> None:
    health = Health(CooldownPolicy(allowed_fails=0, is_enabled=False))
    health.failed("a", DOWN, 0.0)
    assert not health.is_cooling_down("a", 0.0)
    assert Health().policy == CooldownPolicy()
