"""How one of several deployments is picked."""

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
    """One of the deployments of a name: lowest order first, then by weight.

    Those in `avoid` (failed in this call) and those in cooldown are passed over while others are
    left. When all rest, the one whose cooldown ends first is asked all the same: a call never
    fails only because of our own bookkeeping.
    """
    if len(deployments) == 1:
        return deployments[0]
    fresh = [d for d in deployments if d.deployment_id not in avoid] or list(deployments)
    awake = [d for d in fresh if not health.is_resting(d.deployment_id, now)]
    if not awake:
        return min(fresh, key=lambda d: health.rests_until(d.deployment_id))
    first = min(d.order for d in awake)
    return _by_weight([d for d in awake if d.order == first], dice)


def _by_weight(deployments: Sequence[Deployment], dice: Dice) -> Deployment:
    """One by its share; a weight of 0 is no share, and where all are 0 the shares are equal."""
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
