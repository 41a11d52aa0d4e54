"""Picks one of several deployments."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from puna.routing.deployment import Deployment
from puna.routing.health import Health

Dice = Callable[[], float]
"""A number from 0 up to, not including, 1."""


def pick(
    deployments: Sequence[Deployment],
    *,
    avoid: frozenset[str],
    health: Health,
    now: float,
    dice: Dice,
) -> Deployment:
    """Pick a deployment of a name: lowest order first, then at random by weight.

    Those in `avoid` (failed in this call) and those in cooldown are skipped while others are left.
    When all are in cooldown, the one whose cooldown ends first is picked all the same: a call must
    never fail only because of our own bookkeeping.
    """
    if len(deployments) == 1:
        return deployments[0]
    fresh = [d for d in deployments if d.deployment_id not in avoid] or list(deployments)
    awake = [d for d in fresh if not health.is_cooling_down(d.deployment_id, now)]
    if not awake:
        return min(fresh, key=lambda d: health.cooldown_until(d.deployment_id))
    first = min(d.order for d in awake)
    return _by_weight([d for d in awake if d.order == first], dice)


def _by_weight(deployments: Sequence[Deployment], dice: Dice) -> Deployment:
    """Pick at random by weight. A weight of 0 is never picked, unless all are 0."""
    if len(deployments) == 1:
        return deployments[0]
    weighted = [d for d in deployments if d.weight > 0]
    if not weighted:
        return deployments[int(dice() * len(deployments))]
    mark = dice() * sum(d.weight for d in weighted)
    for deployment in weighted:
        mark -= deployment.weight
        if mark < 0:
            return deployment
    return weighted[-1]  # what rounding left over
