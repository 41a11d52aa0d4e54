"""The model of scale against closed formulas, and its laws."""

from __future__ import annotations

import math
from random import Random

import pytest
from benchmarks.queueing import mean_wait, mean_wait_shared, workers_for
from benchmarks.simulation import Load, busiest, simulate, spread


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - chance of a simulation, not of keys


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


@pytest.mark.parametrize("busy", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("variation", [0.0, 1.0])
def test_one_worker_waits_as_pollaczek_and_khinchine_say(busy: float, variation: float) -> None:
    dice = seeded(7)
    service_s = 0.001
    # All of the work comes before the upstream, which answers at once: one queue, one visit.
    load = Load(busy / service_s, service_s, upstream_s=0.0, first_share=1.0)
    draw = (lambda mean_s: dice.expovariate(1 / mean_s)) if variation else (lambda mean_s: mean_s)
    played = simulate(load, [0], 200_000, dice, draw)
    expected = service_s + mean_wait(load.rate, service_s, variation)
    assert mean(played.latencies_s) == pytest.approx(expected, rel=0.05)
    assert played.busy == [pytest.approx(busy, rel=0.02)]


def test_an_idle_worker_adds_its_core_time_only() -> None:
    load = Load(rate=1.0, service_s=0.001, upstream_s=0.01)
    played = simulate(load, [0], 200, seeded(1))
    assert played.latency_s(0.5) == pytest.approx(0.011)
    assert played.latency_s(0.99) < 0.013


def test_two_workers_halve_the_load_and_the_same_seed_gives_the_same() -> None:
    load = Load(rate=900.0, service_s=0.001, upstream_s=0.001)

    def play(workers: int) -> tuple[float, list[float]]:
        dice = seeded(3)
        played = simulate(load, spread(1_000, workers, dice), 50_000, dice)
        return played.latency_s(0.99), played.busy

    one_s, busy = play(1)
    two_s, shared = play(2)
    assert two_s < one_s / 2
    assert sum(shared) == pytest.approx(sum(busy), rel=0.05)
    assert play(2) == (two_s, shared)


def test_the_shared_queue_of_several_servers() -> None:
    assert mean_wait_shared(0.5, 1.0, 1) == pytest.approx(mean_wait(0.5, 1.0))
    # Erlang's C for two servers that are three quarters busy is 9/14.
    assert mean_wait_shared(1.5, 1.0, 2) == pytest.approx(9 / 14 / 0.5)
    assert mean_wait(2.0, 1.0) == mean_wait_shared(2.0, 1.0, 2) == math.inf


def test_workers_for_a_rate() -> None:
    assert workers_for(1_000, 0.0001) == 1
    assert workers_for(20_000, 0.0001) == 4
    assert workers_for(20_000, 0.0001, most_busy=0.7) == 3
    assert workers_for(0, 0.0001) == 1


def test_few_connections_are_spread_unevenly_and_many_evenly() -> None:
    few = busiest(16, 4, 201, seeded(1))
    many = busiest(4_000, 4, 51, seeded(1))
    assert 1.0 < many < 1.1 < few < 2.5
