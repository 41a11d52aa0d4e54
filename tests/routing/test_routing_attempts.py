from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock

from puna.dialects.base import Target
from puna.errors import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    StreamInterruptedError,
    UnprocessableEntityError,
    UnsupportedParamsError,
)
from puna.routing.attempts import Attempts, GiveUp, Group, Plan, RetryPolicy, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy, Health

TARGET = Target(provider="meta_llama", model="m", base_url="http://up")


def deployment(name: str, **fields: object) -> Deployment:
    made = {"deployment_id": name, "public_name": name.partition("#")[0], "target": TARGET}
    return Deployment(**{**made, **fields})  # type: ignore[arg-type]  # fields of tests


def group(*names: str) -> Group:
    return [deployment(name) for name in names]


@dataclass
class Played:
    """How a call went: who was asked, the pauses, and the error at the end, if any."""

    asked: list[str] = field(default_factory=list[str])
    waits: list[float] = field(default_factory=list[float])
    error: APIError | None = None


def play(
    plan: Plan,
    errors: Sequence[APIError | None],
    *,
    policy: RetryPolicy | None = None,
    health: Health | None = None,
    attempts: list[Attempts] | None = None,
) -> Played:
    """Run a call: the first tries meet `errors` in order (None is a success), others the last."""
    clock, played = FakeClock(), Played()
    machine = Attempts(plan, policy or RetryPolicy(), health or Health(), lambda: 0.0)
    if attempts is not None:
        attempts.append(machine)
    for _ in range(1_000):
        step = machine.next(clock.monotonic())
        match step:
            case Wait(seconds):
                played.waits.append(seconds)
                clock.sleep(seconds)
            case GiveUp(error):
                played.error = error
                assert machine.next(clock.monotonic()) == step
                return played
            case Deployment() as tried:
                played.asked.append(tried.deployment_id)
                error_now = errors[min(len(played.asked), len(errors)) - 1]
                if error_now is None:
                    machine.succeeded()
                    return played
                machine.failed(error_now, clock.monotonic())
    raise AssertionError("the call does not end")


def slow(seconds: float | None = None) -> RateLimitError:
    return RateLimitError("slow", retry_after_s=seconds)


def test_a_success_ends_the_call() -> None:
    assert play(Plan(group("a")), [None]) == Played(["a"])


@pytest.mark.case(142)
@pytest.mark.parametrize("retries", [0, 1, 2, 5])
def test_a_call_is_sent_once_and_max_retries_times_more(retries: int) -> None:
    error = InternalServerError("down")
    played = play(Plan(group("a")), [error], policy=RetryPolicy(max_retries=retries))
    assert played.asked == ["a"] * (retries + 1)
    assert played.error is error
    assert error.attempts == retries + 1
    assert len(played.waits) == retries


@pytest.mark.case(142)
def test_a_deployment_may_have_a_count_of_its_own_and_they_do_not_multiply() -> None:
    plan = Plan([deployment("a", max_retries=0)])
    assert play(plan, [slow()]).asked == ["a"]
    assert play(Plan([deployment("a", max_retries=3)]), [slow()]).asked == ["a"] * 4


@pytest.mark.case(141)
def test_the_pauses_double_up_to_the_longest_less_a_quarter_by_chance() -> None:
    policy = RetryPolicy(max_retries=6)
    played = play(Plan(group("a")), [InternalServerError("down")], policy=policy)
    assert played.waits == [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    machine = Attempts(Plan(group("a")), policy, Health(), lambda: 0.999_999)
    machine.next(0.0)
    machine.failed(InternalServerError("down"), 0.0)
    step = machine.next(0.0)
    assert isinstance(step, Wait)
    assert step.seconds == pytest.approx(0.375)


def test_no_pause_is_shorter_than_the_shortest() -> None:
    policy = RetryPolicy(shortest_pause_s=3.0)
    assert play(Plan(group("a")), [slow(1.0), slow(), slow(9.0)], policy=policy).waits == [3.0, 3.0]
    assert play(Plan(group("a")), [slow(9.0), None], policy=policy).waits == [9.0]


def test_very_many_retries_make_no_huge_number() -> None:
    played = play(
        Plan(group("a")), [InternalServerError("down")], policy=RetryPolicy(max_retries=300)
    )
    assert len(played.asked) == 301
    assert max(played.waits) == 8.0


@pytest.mark.case(141)
@pytest.mark.parametrize(
    ("asked_s", "waits"), [(2.0, [2.0]), (0.0, []), (1e9, [60.0]), (float("inf"), [60.0])]
)
def test_retry_after_is_honoured_and_capped(asked_s: float, waits: list[float]) -> None:
    assert play(Plan(group("a")), [slow(asked_s), None]) == Played(["a", "a"], waits)


@pytest.mark.case(141)
@pytest.mark.parametrize(
    "error",
    [
        BadRequestError("x"),
        AuthenticationError("x"),
        PermissionDeniedError("x"),
        NotFoundError("x"),
        UnprocessableEntityError("x"),
        StreamInterruptedError("x"),
        ContextWindowExceededError("x"),
    ],
)
def test_what_another_try_cannot_help_is_not_tried_again(error: APIError) -> None:
    assert play(Plan(group("a")), [error], policy=RetryPolicy(max_retries=5)).error is error
    assert error.attempts == 1
    assert error.tries == (f"{error.tries[0]}",)


@pytest.mark.case(163)
@pytest.mark.parametrize(
    "error", [AuthenticationError("x"), PermissionDeniedError("x"), NotFoundError("x")]
)
def test_a_deployment_with_a_bad_key_is_passed_over_for_another(error: APIError) -> None:
    played = play(Plan(group("a", "a#2")), [error, None], policy=RetryPolicy(max_retries=5))

    assert played.error is None
    assert len(set(played.asked)) == 2
    assert played.waits == []


@pytest.mark.parametrize("error", [BadRequestError("x"), UnprocessableEntityError("x")])
def test_what_every_deployment_would_refuse_is_asked_once(error: APIError) -> None:
    played = play(Plan(group("a", "a#2")), [error], policy=RetryPolicy(max_retries=5))

    assert played.error is error
    assert error.attempts == 1


@pytest.mark.case(141)
@pytest.mark.parametrize(
    "error", [slow(), InternalServerError("x"), APITimeoutError("x"), APIConnectionError("x")]
)
def test_what_another_try_may_help_is_tried_again(error: APIError) -> None:
    assert play(Plan(group("a")), [error, error, None]).asked == ["a"] * 3


@pytest.mark.case(163)
def test_a_retry_goes_to_another_deployment_at_once_and_waits_when_all_were_asked() -> None:
    health = Health(CooldownPolicy(is_enabled=False))
    played = play(
        Plan(group("a#1", "a#2")),
        [InternalServerError("x")],
        health=health,
        policy=RetryPolicy(max_retries=3),
    )
    assert played.asked == ["a#1", "a#2", "a#1", "a#2"]
    assert played.waits == [1.0]


@pytest.mark.case(144)
@pytest.mark.parametrize(
    "error", [InternalServerError("x"), APITimeoutError("x"), AuthenticationError("x")]
)
def test_the_next_name_is_asked_when_one_is_done(error: APIError) -> None:
    attempts: list[Attempts] = []
    plan = Plan(group("a"), fallbacks=[[], group("b"), group("c")])
    played = play(plan, [error], policy=RetryPolicy(max_retries=0), attempts=attempts)
    assert played.asked == ["a", "b", "c"]
    assert played.waits == []
    assert (attempts[0].fallbacks, attempts[0].retries) == (2, 0)


@pytest.mark.case(144)
def test_each_name_has_its_own_retries() -> None:
    plan = Plan(group("a"), fallbacks=[group("b")])
    played = play(plan, [slow()], policy=RetryPolicy(max_retries=1))
    assert played.asked == ["a", "a", "b", "b"]
    assert played.waits == [0.5, 0.5]
    assert play(plan, [slow(), slow(), slow(), None]).asked == ["a", "a", "a", "b"]


@pytest.mark.case(144)
@pytest.mark.parametrize(
    "error", [BadRequestError("x"), UnprocessableEntityError("x"), ContextWindowExceededError("x")]
)
def test_what_every_host_would_refuse_asks_no_other_name(error: APIError) -> None:
    assert play(Plan(group("a"), fallbacks=[group("b")]), [error]).asked == ["a"]


@pytest.mark.case(144)
def test_the_error_lists_all_tries() -> None:
    error = InternalServerError("last words")
    plan = Plan(group("a"), fallbacks=[group("b")])
    played = play(plan, [slow(), error], policy=RetryPolicy(max_retries=0))
    assert played.error is error
    assert error.tries == ("a: RateLimitError 429", "b: InternalServerError 500")
    assert error.message == "last words"
    assert str(error) == (
        "last words (after 2 tries: a: RateLimitError 429; b: InternalServerError 500)"
    )
    alone = InternalServerError("last words")
    play(Plan(group("a")), [alone], policy=RetryPolicy(max_retries=0))
    assert str(alone) == "last words"


@pytest.mark.case(147)
def test_a_context_overflow_and_a_refused_content_have_fallbacks_of_their_own() -> None:
    plan = Plan(
        group("a"),
        fallbacks=[group("b")],
        context_window_fallbacks=[group("long"), group("longer")],
        content_policy_fallbacks=[group("other")],
    )
    overflow, refusal = ContextWindowExceededError("x"), ContentPolicyViolationError("x")
    assert play(plan, [overflow, None]).asked == ["a", "long"]
    assert play(plan, [refusal, None]).asked == ["a", "other"]
    # Once on that branch, a second overflow ends the call; a failure goes on along the branch.
    assert play(plan, [overflow, overflow]).asked == ["a", "long"]
    zero = RetryPolicy(max_retries=0)
    assert play(plan, [overflow, slow()], policy=zero).asked == ["a", "long", "longer"]
    assert play(plan, [slow(), overflow, None], policy=zero).asked == ["a", "b", "long"]


@pytest.mark.case(163)
def test_a_resting_deployment_is_passed_over_until_all_rest() -> None:
    health = Health(CooldownPolicy(allowed_fails=0, cooldown_s=30.0))
    pair = Plan(group("a#1", "a#2"))
    zero = RetryPolicy(max_retries=0)
    assert play(pair, [slow()], health=health, policy=zero).asked == ["a#1"]
    assert play(pair, [None], health=health).asked == ["a#2"]
    assert play(pair, [slow()], health=health, policy=zero).asked == ["a#2"]
    # Both rest: the call is sent all the same, to the one that rests the shortest.
    assert play(pair, [None], health=health).asked == ["a#1"]


def test_failing_without_a_try_is_a_mistake_of_the_engine() -> None:
    machine = Attempts(Plan(group("a")), RetryPolicy(), Health(), lambda: 0.0)
    machine.succeeded()
    with pytest.raises(AssertionError, match="before next"):
        machine.failed(slow(), 0.0)


MAKERS: list[Callable[[], APIError | None]] = [
    slow,
    lambda: slow(0.0),
    lambda: slow(1e12),
    lambda: InternalServerError("x"),
    lambda: APITimeoutError("x"),
    lambda: AuthenticationError("x"),
    lambda: BadRequestError("x"),
    lambda: ContextWindowExceededError("x"),
    lambda: ContextWindowExceededError("x", is_retryable=True),
    lambda: ContentPolicyViolationError("x"),
    lambda: None,
]
GROUPS = st.lists(st.integers(0, 3), max_size=3)


@given(
    st.integers(1, 3),
    st.tuples(GROUPS, GROUPS, GROUPS),
    st.integers(0, 4),
    st.lists(st.sampled_from(MAKERS), min_size=1, max_size=30),
    st.integers(0, 4),
)
@pytest.mark.case(142, 144, 147)
def test_every_call_ends_and_no_name_gets_more_than_its_share(
    first: int,
    others: tuple[list[int], list[int], list[int]],
    retries: int,
    makers: list[Callable[[], APIError | None]],
    allowed_fails: int,
) -> None:
    def groups(kind: str, sizes: list[int]) -> list[Group]:
        return [
            group(*(f"{kind}{place}#{i}" for i in range(size))) for place, size in enumerate(sizes)
        ]

    plain, context, content = (
        groups(kind, sizes) for kind, sizes in zip("pcr", others, strict=True)
    )
    plan = Plan(groups("first", [first])[0], plain, context, content)
    errors = [make() for make in makers]
    attempts: list[Attempts] = []
    played = play(
        plan,
        errors,
        policy=RetryPolicy(max_retries=retries),
        health=Health(CooldownPolicy(allowed_fails=allowed_fails)),
        attempts=attempts,
    )
    names = [asked.partition("#")[0] for asked in played.asked]
    assert all(names.count(name) <= 1 + retries for name in names)
    assert all(0 < wait <= 60 for wait in played.waits)
    # Nobody comes back to a name that was left.
    assert names == [name for name in dict.fromkeys(names) for _ in range(names.count(name))]
    machine = attempts[0]
    assert machine.fallbacks == len(set(names)) - 1
    assert machine.retries == len(names) - len(set(names))
    if played.error is not None:
        assert played.error.attempts == len(names)


def test_what_only_this_host_does_not_support_is_asked_of_the_next_name() -> None:
    plan = Plan(group("a"), fallbacks=(group("b"),))
    played = play(plan, [UnsupportedParamsError("no tools", param="tools"), None])
    assert played.asked == ["a", "b"]
    assert played.error is None
