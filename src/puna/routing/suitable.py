"""Prefers the deployments of a name that accept a request without loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from puna.routing.attempts import Group, Plan
from puna.routing.deployment import Deployment

Accepts = Callable[[Deployment], bool]
"""Whether a deployment accepts a request whole."""


def suitable(plan: Plan, accepts: Accepts) -> Plan:
    """Leave out of a plan the deployments that would refuse or lose a part of the request.

    Called once for each call. A name of which no deployment accepts the request keeps all; then the
    error, or the report, says what was lost.
    """
    if len(plan.group) == 1 and not plan.fallbacks:
        return plan
    groups = (plan.group, *plan.fallbacks)
    kept = [_suitable_group(group, accepts) for group in groups]
    if all(after is before for after, before in zip(kept, groups, strict=True)):
        return plan
    return replace(plan, group=kept[0], fallbacks=tuple(kept[1:]))


def _suitable_group(group: Group, accepts: Accepts) -> Group:
    """The deployments that accept the request; all where none does."""
    first = group[0].target if group else None
    if first is None or all(
        one.target.quirks is first.quirks
        and one.target.input_modalities == first.input_modalities
        and one.target.has_responses == first.has_responses
        for one in group
    ):
        return group  # all take the same, as most groups do
    takers = [one for one in group if accepts(one)]
    return takers if takers and len(takers) < len(group) else group
