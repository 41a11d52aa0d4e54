"""Which deployments of a name take a request whole: those are asked first."""

from __future__ import annotations

from dataclasses import replace

from puna.dialects.request_rules import takes_request
from puna.routing.attempts import Group, Plan
from puna.types.model_request import ModelRequest


def suitable(plan: Plan, request: ModelRequest) -> Plan:
    """The plan without those deployments that would refuse or lose a part of the request.

    A name of which none takes it whole keeps all: then the error, or what was left out, is told.
    """
    if len(plan.group) == 1 and not plan.fallbacks:
        return plan
    groups = (plan.group, *plan.fallbacks)
    kept = [_suitable(group, request) for group in groups]
    if all(after is before for after, before in zip(kept, groups, strict=True)):
        return plan
    return replace(plan, group=kept[0], fallbacks=tuple(kept[1:]))


def _suitable(group: Group, request: ModelRequest) -> Group:
    first = group[0].target if group else None
    if first is None or all(
        one.target.quirks is first.quirks and one.target.input_modalities == first.input_modalities
        for one in group
    ):
        return group  # all take the same, as most groups do
    takers = [one for one in group if takes_request(request, one.target)]
    return takers if takers and len(takers) < len(group) else group
