"""What a request may say of how it is served: retries, time, names. None of it goes upstream."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment
from puna.types.option_kinds import Scope
from puna.types.option_scopes import read_first, read_option, with_aliases

_RETRIES = with_aliases("max_retries")


@dataclass(frozen=True, slots=True)
class Steering:
    """The retries and timeouts that one request asks for; they replace a deployment's own."""

    is_stream: bool
    max_retries: int | None
    timeout_s: float | None
    stream_timeout_s: float | None

    def apply(self, plan: Plan) -> Plan:
        """A copy of a plan with these values in every deployment."""
        if not self.is_stream and self.max_retries is None and self.timeout_s is None:
            return plan
        return Plan(
            group=self._steer_group(plan.group),
            fallbacks=[self._steer_group(group) for group in plan.fallbacks],
            context_window_fallbacks=[self._steer_group(g) for g in plan.context_window_fallbacks],
            content_policy_fallbacks=[self._steer_group(g) for g in plan.content_policy_fallbacks],
        )

    def _steer_group(self, group: Group) -> Group:
        """The deployments of a group with these values."""
        return [self._steer(one) for one in group]

    def _steer(self, one: Deployment) -> Deployment:
        """A deployment with these values; a stream has timeouts of its own."""
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
    """Read the retries and timeouts in a request's fields. Raises BadRequestError."""
    return Steering(
        is_stream,
        read_first(body, _RETRIES, Scope.REQUEST),
        read_option(body, "timeout", Scope.REQUEST),
        read_option(body, "stream_timeout", Scope.REQUEST),
    )
