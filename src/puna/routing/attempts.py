"""The attempt machine: after each step it says what to do next.

    next(now)          -> the deployment to ask | Wait(seconds) | GiveUp(error)
    failed(error, now) -> records the failure; chooses retry, fallback or the end
    succeeded()        -> clears the deployment's failures

Rules. A call asks one model name at a time. Each name gets `1 + max_retries` requests at most,
whatever the number of its deployments: a retry goes to another deployment at once when there is
one, else to the same after a pause (`Retry-After`, capped, or an exponential backoff). The same
deployment is asked again only after an error with `is_retryable`; another one also after a
deployment's own trouble, such as a refused key. When a name is done the next fallback name
follows, unless the error is one that every host would give (a bad request, but for what only this
host does not support): then the call ends. A context overflow and a content refusal have fallbacks
of their own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from puna.errors import (
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    NotFoundError,
    PermissionDeniedError,
    UnprocessableEntityError,
    UnsupportedParamsError,
)
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.routing.policies import Dice, pick
from puna.routing.steering import Steering

_OWN_TROUBLE = (APITimeoutError, AuthenticationError, NotFoundError, PermissionDeniedError)
"""What one deployment does not grant and another may: it has its own key, models and load."""

Group = Sequence[Deployment]
"""The deployments of one public model name."""


@dataclass(frozen=True, slots=True)
class RetryPolicy:
    """How many retries a call gets, and the pauses between them.

    The pause before retry n is `first_pause_s * 2**(n-1)`, at most `longest_pause_s`, minus up to a
    quarter by chance. A host's `Retry-After` replaces it, at most `longest_retry_after_s`. No pause
    is shorter than `shortest_pause_s`.
    """

    max_retries: int = 2
    first_pause_s: float = 0.5
    longest_pause_s: float = 8.0
    longest_retry_after_s: float = 60.0
    shortest_pause_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Plan:
    """The deployments that may serve a call: those of the requested name, and the fallbacks.

    `steering` has what the call's request wants otherwise than the deployments say.
    """

    group: Group
    fallbacks: Sequence[Group] = ()
    context_window_fallbacks: Sequence[Group] = ()
    content_policy_fallbacks: Sequence[Group] = ()
    steering: Steering | None = None

    @property
    def deployments(self) -> Sequence[Deployment]:
        """All deployments of the plan, in the order of the groups.

        One may occur in several groups.
        """
        groups = (
            self.group,
            *self.fallbacks,
            *self.context_window_fallbacks,
            *self.content_policy_fallbacks,
        )
        return [one for group in groups for one in group]


@dataclass(frozen=True, slots=True)
class Wait:
    """The step "sleep for `seconds`, then call `next` again"."""

    seconds: float


@dataclass(frozen=True, slots=True)
class GiveUp:
    """The step "raise this error": the call has failed."""

    error: APIError


Step = Deployment | Wait | GiveUp


class Attempts:
    """The state of the attempts of one call; see the head of this module.

    Attributes that only a failure changes, and that nothing else reads, begin as class attributes.
    """

    tried: tuple[str, ...] = ()
    _left: tuple[Group, ...] | None = None
    _failures = 0
    _avoid: frozenset[str] = frozenset()
    _has_branched = False

    def __init__(self, plan: Plan, policy: RetryPolicy, health: Health, dice: Dice) -> None:
        self.plan = plan
        self.policy = policy
        self.health = health
        self.dice = dice
        self.retries = 0
        self.fallbacks = 0
        self._group = plan.group
        self._current: Deployment | None = None
        self._pause_s = 0.0
        self._end: APIError | None = None

    def next(self, now: float) -> Step:
        """The next step. `now` is in seconds of the clock that `Health` uses."""
        if self._end is not None:
            return GiveUp(self._end)
        if self._pause_s > 0:
            pause_s, self._pause_s = self._pause_s, 0.0
            return Wait(pause_s)
        group = self._group
        if len(group) == 1:
            self._current = group[0]
        else:
            self._current = pick(
                group, avoid=self._avoid, health=self.health, now=now, dice=self.dice
            )
        return self._current

    def succeeded(self) -> None:
        """Record that the deployment given by `next` answered."""
        if self._current is not None:
            self.health.succeeded(self._current.deployment_id)

    def failed(self, error: APIError, now: float) -> None:
        """Record that the deployment given by `next` failed, and choose what follows."""
        deployment = self._current
        assert deployment is not None, "failed() before next()"  # noqa: S101 - the contract
        self.health.failed(deployment.deployment_id, error, now)
        said = f"{deployment.public_name}: {type(error).__name__} {error.status_code}"
        self.tried = (*self.tried, said)
        self._failures += 1
        if self._failures <= self._allowed_retries() and self._may_retry(deployment, error):
            self._retry(deployment, error)
        elif not self._fall_back(error):
            self._finish(error)

    def _allowed_retries(self) -> int:
        """How many retries the request asks for, else those of the current name's deployments."""
        steering = self.plan.steering
        own = steering.max_retries if steering is not None else None
        if own is None:
            own = self._group[0].max_retries
        return own if own is not None else self.policy.max_retries

    def _may_retry(self, deployment: Deployment, error: APIError) -> bool:
        """Whether the current name may be tried again after this error."""
        is_its_own = isinstance(error, _OWN_TROUBLE)
        return error.is_retryable or (is_its_own and self._has_other(deployment))

    def _has_other(self, deployment: Deployment) -> bool:
        """Whether the current name has a deployment that has not failed in this call yet."""
        avoid = self._avoid | {deployment.deployment_id}
        return any(d.deployment_id not in avoid for d in self._group)

    def _retry(self, deployment: Deployment, error: APIError) -> None:
        """Exclude the failed deployment if there is another one; else set a pause."""
        self.retries += 1
        if self._has_other(deployment):
            self._avoid |= {deployment.deployment_id}  # another one can answer at once
            return
        self._avoid = frozenset()
        self._pause_s = self._pause_after(error)

    def _pause_after(self, error: APIError) -> float:
        """The pause in seconds before the same deployment is tried again."""
        policy = self.policy
        if error.retry_after_s is not None:
            asked = min(error.retry_after_s, policy.longest_retry_after_s)
            return max(asked, policy.shortest_pause_s)
        # 2**n is capped before it is computed: many retries must not make a huge number.
        doubled = policy.first_pause_s * 2.0 ** min(self._failures - 1, 16)
        pause_s = float(min(doubled, policy.longest_pause_s) * (1 - self.dice() / 4))
        return max(pause_s, policy.shortest_pause_s)

    def _fall_back(self, error: APIError) -> bool:
        """Move to the next fallback name; False where there is none."""
        branch = self._branch_for(error)
        left = self.plan.fallbacks if self._left is None else self._left
        if branch and not self._has_branched:
            self._has_branched = True
            left = branch
        elif _is_final(error):
            return False
        while left:
            group, *rest = left
            left = self._left = tuple(rest)
            if group:
                self._group, self._failures, self._avoid = group, 0, frozenset()
                self.fallbacks += 1
                return True
        return False

    def _branch_for(self, error: APIError) -> Sequence[Group]:
        """The special fallbacks for this kind of error."""
        if isinstance(error, ContextWindowExceededError):
            return self.plan.context_window_fallbacks
        if isinstance(error, ContentPolicyViolationError):
            return self.plan.content_policy_fallbacks
        return ()

    def _finish(self, error: APIError) -> None:
        """End the call with this error."""
        error.tries = self.tried
        self._end = error


def _is_final(error: APIError) -> bool:
    """Whether every host would refuse the request in the same way, so that no fallback can help."""
    if isinstance(error, UnsupportedParamsError):
        return False  # another model, or its host, may take it
    return isinstance(error, BadRequestError | UnprocessableEntityError)
