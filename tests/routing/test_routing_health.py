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


def test_what_is_known_of_a_deployment_carries_over_to_another_policy_and_is_shared() -> None:
    """A call that began before a reload ends after it: what it learns counts for both."""
    before = Health(CooldownPolicy(allowed_fails=1, cooldown_s=5.0))
    for deployment in ("kept", "changed"):
        before.failed(deployment, DOWN, 1.0)
        before.failed(deployment, DOWN, 1.0)
    after = before.with_policy(CooldownPolicy(allowed_fails=0, cooldown_s=60.0), ["kept", "quiet"])
    assert after.is_cooling_down("kept", 2.0)
    assert not after.is_cooling_down("changed", 2.0)
    assert after.cooldown_until("kept") == 6.0, "by the policy under which it failed"
    before.failed("quiet", DOWN, 2.0)
    before.failed("quiet", DOWN, 2.0)
    assert after.is_cooling_down("quiet", 3.0)
    after.succeeded("quiet")
    assert not before.is_cooling_down("quiet", 3.0)
    after.failed("kept", DOWN, 10.0)
    assert after.cooldown_until("kept") == before.cooldown_until("kept") == 70.0
    before.failed("changed", DOWN, 20.0)
    before.failed("changed", DOWN, 20.0)
    assert not after.is_cooling_down("changed", 21.0)


def test_each_kind_of_call_has_a_health_of_its_own_which_carries_over_too() -> None:
    before = Health(CooldownPolicy(allowed_fails=0))
    before.of("embeddings").failed("a", DOWN, 1.0)
    assert before.of("embeddings").is_cooling_down("a", 2.0)
    assert not before.is_cooling_down("a", 2.0)
    assert not before.of("moderations").is_cooling_down("a", 2.0)
    after = before.with_policy(CooldownPolicy(allowed_fails=0), ["a"])
    assert after.of("embeddings").is_cooling_down("a", 2.0)
    assert not after.is_cooling_down("a", 2.0)


def test_where_cooldowns_are_off_none_carries_over() -> None:
    before = Health(CooldownPolicy(allowed_fails=0))
    before.failed("a", DOWN, 1.0)
    assert not before.with_policy(CooldownPolicy(is_enabled=False), ["a"]).is_cooling_down("a", 2.0)
