"""What a request may say of how it is served: retries, time, names. None of it goes upstream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from puna.errors import BadRequestError
from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.types.display import display

_MOST_NAMES = 32
_MOST_RETRIES = 10
_LONGEST_S = 86_400


@dataclass(frozen=True, slots=True)
class Steering:
    """What a request says of retries and time; a deployment's own values yield to it."""

    is_stream: bool
    max_retries: int | None
    timeout_s: float | None
    stream_timeout_s: float | None

    def apply(self, plan: Plan) -> Plan:
        """The plan for this one request."""
        if not self.is_stream and self.max_retries is None and self.timeout_s is None:
            return plan
        return Plan(
            group=self._each(plan.group),
            fallbacks=[self._each(group) for group in plan.fallbacks],
            context_window_fallbacks=[self._each(g) for g in plan.context_window_fallbacks],
            content_policy_fallbacks=[self._each(g) for g in plan.content_policy_fallbacks],
        )

    def _each(self, group: Group) -> Group:
        return [self._steer(one) for one in group]

    def _steer(self, one: Deployment) -> Deployment:
        total_s = self.timeout_s
        if self.is_stream:
            total_s = self.stream_timeout_s or self.timeout_s or one.stream_timeout_s
        return replace(
            one,
            max_retries=one.max_retries if self.max_retries is None else self.max_retries,
            timeout_s=total_s or one.timeout_s,
            stream_timeout_s=total_s or one.stream_timeout_s,
        )


def read_steering(body: Mapping[str, Any], *, is_stream: bool) -> Steering:
    """`max_retries` or `num_retries`, `timeout`, `stream_timeout`; raises BadRequestError."""
    return Steering(
        is_stream,
        _count(body),
        _seconds(body, "timeout"),
        _seconds(body, "stream_timeout"),
    )


def read_names(body: Mapping[str, Any], field: str) -> Sequence[str]:
    """A short list of texts, empty when the field is absent; raises BadRequestError."""
    value = body.get(field)
    if value is None:
        return ()
    if (
        not isinstance(value, list)
        or len(value) > _MOST_NAMES
        or not all(isinstance(item, str) for item in value)
    ):
        raise BadRequestError(
            f"`{field}` must be a list of at most {_MOST_NAMES} names.", param=field
        )
    return value


def read_mapping(body: Mapping[str, Any], field: str) -> Mapping[str, Any]:
    """An object, empty when the field is absent; raises BadRequestError."""
    value = body.get(field)
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise BadRequestError(f"`{field}` must be an object.", param=field)
    return value


def _count(body: Mapping[str, Any]) -> int | None:
    """`max_retries`, or its alias `num_retries`, within reason."""
    counts = [_read_count(body, field) for field in ("max_retries", "num_retries")]
    return next((count for count in counts if count is not None), None)


def _read_count(body: Mapping[str, Any], field: str) -> int | None:
    value = body.get(field)
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_RETRIES:
        raise BadRequestError(
            f"`{field}` must be a whole number from 0 to {_MOST_RETRIES}, not `{display(value)}`.",
            param=field,
        )
    return value


def _seconds(body: Mapping[str, Any], field: str) -> float | None:
    value = body.get(field)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= _LONGEST_S:
        raise BadRequestError(
            f"`{field}` must be seconds above 0, at most {_LONGEST_S}.", param=field
        )
    return float(value)
