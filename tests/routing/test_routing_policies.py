from __future__ import annotations

import itertools
import random
from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.base import Target
from puna.routing.deployment import Deployment
from puna.routing.health import CooldownPolicy, Health
from puna.routing.policies import pick

TARGET = Target(provider="meta_llama", model="m", base_url="http://up")
ALMOST_ONE = 1 - 2**-53


def make(name: str, *, weight: float = 1.0, order: int = 0) -> Deployment:
    return Deployment(name, "m", TARGET, weight=weight, order=order)


def resting(*names: str, until: float = 30.0) -> Health:
    """A health where these rest, each a second longer than the one before."""
    from puna.errors import InternalServerError

    health = Health(CooldownPolicy(allowed_fails=0, cooldown_s=until))
    for place, name in enumerate(names):
        health.failed(name, InternalServerError("x"), float(place))
    return health


def picked(
    deployments: list[Deployment],
    *,
    avoid: tuple[str, ...] = (),
    health: Health | None = None,
    now: float = 10.0,
    dice: float = 0.0,
) -> str:
    return pick(
        deployments, avoid=frozenset(avoid), health=health or Health(), now=now, dice=lambda: dice
    ).deployment_id


PAIR = [make("a"), make("b")]


def test_one_is_picked_by_chance() -> None:
    assert [picked(PAIR, dice=d) for d in (0.0, 0.49, 0.5, ALMOST_ONE)] == ["a", "a", "b", "b"]
    assert picked(PAIR[:1], dice=0.9) == "a"


@pytest.mark.case(163)
def test_shares_follow_the_weights() -> None:
    dice = random.Random(7)  # noqa: S311 - a seeded test
    deployments = [make("a", weight=1), make("b", weight=3), make("c", weight=0)]
    counts = Counter(picked(deployments, dice=dice.random()) for _ in range(4_000))
    assert set(counts) == {"a", "b"}
    assert 2.6 < counts["b"] / counts["a"] < 3.4


@given(
    st.lists(st.sampled_from([0.0, -1.0, 0.1, 1 / 3, 1e-9, 5.0, 1e12]), min_size=1, max_size=6),
    st.floats(0, ALMOST_ONE),
)
def test_one_without_weight_is_never_picked_beside_others(
    weights: list[float], dice: float
) -> None:
    deployments = [make(str(i), weight=weight) for i, weight in enumerate(weights)]
    chosen = weights[int(picked(deployments, dice=dice))]
    assert chosen > 0 or max(weights) <= 0


def test_where_all_weights_are_0_the_shares_are_equal() -> None:
    zeros = [make("a", weight=0), make("b", weight=0)]
    assert [picked(zeros, dice=d) for d in (0.0, 0.6, ALMOST_ONE)] == ["a", "b", "b"]


def test_what_rounding_leaves_over_goes_to_one_with_weight() -> None:
    tenths = [*(make(str(i), weight=0.1) for i in range(10)), make("zero", weight=0)]
    for dice in (ALMOST_ONE, 1.0):
        assert picked(tenths, dice=dice) == "9"


def test_lower_orders_come_first_and_higher_ones_while_those_rest_or_failed() -> None:
    ordered = [make("spare", order=2), make("main", order=1)]
    assert picked(ordered, dice=ALMOST_ONE) == "main"
    assert picked(ordered, health=resting("main")) == "spare"
    assert picked(ordered, avoid=("main",)) == "spare"


@pytest.mark.case(163)
def test_when_all_rest_the_one_whose_rest_ends_first_is_asked() -> None:
    for order in itertools.permutations("ab"):
        assert picked(PAIR, health=resting(*order)) == order[0]
    assert picked(PAIR, avoid=("a",), health=resting("a", "b")) == "b"


def test_when_all_failed_in_this_call_all_may_be_asked_again() -> None:
    assert picked(PAIR, avoid=("a", "b"), dice=0.9) == "b"


def test_a_rest_ends() -> None:
    health = resting("a", until=5.0)
    assert picked(PAIR, health=health, now=4.9) == "b"
    assert picked(PAIR, health=health, now=5.0) == "a"
