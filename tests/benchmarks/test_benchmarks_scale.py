"""The model of scale against closed formulas, and its laws."""

from __future__ import annotations

import math
from collections import Counter
from random import Random

import pytest
from benchmarks.queueing import mean_wait, mean_wait_shared, workers_for
from benchmarks.scale_model import (
    PINNED,
    SHARED,
    Costs,
    Prediction,
    most_busy_for,
    own_cores,
    predict,
    tails,
)
from benchmarks.scale_notes import notes
from benchmarks.simulation import Played, Visit, busiest, play, poisson, spread

CORE_S = 0.001


def seeded(seed: int) -> Random:
    return Random(seed)  # noqa: S311 - chance of a simulation, not of keys


def mean(values: list[float]) -> float:
    return sum(values) / len(values)


def one_server(busy: float, *, varies: bool, requests: int = 150_000) -> Played:
    dice = seeded(7)

    def path(_: int) -> list[Visit]:
        return [Visit(0, dice.expovariate(1 / CORE_S) if varies else CORE_S)]

    return play([[0]], poisson(busy / CORE_S, requests, seeded(8)), path)


@pytest.mark.parametrize("busy", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("varies", [False, True])
def test_one_server_waits_as_pollaczek_and_khinchine_say(
    busy: float,
    varies: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    played = one_server(busy, varies=varies)
    expected = CORE_S + mean_wait(busy / CORE_S, CORE_S, float(varies))
    assert mean(played.latencies_s) == pytest.approx(expected, rel=0.05)
    assert played.busy(0) == pytest.approx(busy, rel=0.02)


def test_the_tail_of_one_server_is_that_of_the_formula() -> None:
    # M/M/1: the time in the system is exponential with the rate that is left over.
    played = one_server(0.5, varies=True)
    for share in (0.5, 0.9, 0.99):
        expected = -math.log(1 - share) / (0.5 / CORE_S)
        assert played.latency_s(share) == pytest.approx(expected, rel=0.05)


def test_two_servers_in_a_row_are_each_as_if_alone() -> None:
    # Jackson: behind an M/M/1 server the stream is Poisson again.
    dice = seeded(3)

    def path(_: int) -> list[Visit]:
        first, second = dice.expovariate(1 / CORE_S), dice.expovariate(1 / CORE_S)
        return [Visit(0, first, way_s=0.01), Visit(1, second)]

    played = play([[0], [1]], poisson(0.5 / CORE_S, 150_000, seeded(4)), path)
    each_s = CORE_S + mean_wait(0.5 / CORE_S, CORE_S)
    assert mean(played.latencies_s) == pytest.approx(2 * each_s + 0.01, rel=0.05)


def test_processes_that_share_a_core_are_one_server() -> None:
    def path(number: int) -> list[Visit]:
        return [Visit(number % 2, CORE_S)]

    shared = play([[0], [0]], poisson(0.8 / CORE_S, 50_000, seeded(5)), path)
    alone = play([[0]], poisson(0.8 / CORE_S, 50_000, seeded(5)), lambda _: [Visit(0, CORE_S)])
    assert shared.latencies_s == pytest.approx(alone.latencies_s)
    assert shared.busy(0) + shared.busy(1) == pytest.approx(alone.busy(0))


def test_a_process_never_runs_on_two_cores_and_cores_are_used_when_free() -> None:
    # Four requests at once, each of one second, two to each process.
    def ends(cores_of: list[list[int]]) -> list[float]:
        return play(cores_of, [0.0] * 4, lambda number: [Visit(number % 2, 1.0)]).latencies_s

    assert ends([[0, 1], [0, 1]]) == [1.0, 1.0, 2.0, 2.0]
    assert ends([[0, 1, 2], [0, 1, 2]]) == [1.0, 1.0, 2.0, 2.0]
    assert ends([[0], [0]]) == [1.0, 2.0, 3.0, 4.0]
    assert ends([[0], [0, 1]]) == [1.0, 1.0, 2.0, 2.0]


def test_each_request_ends_once_and_is_told() -> None:
    told: Counter[int] = Counter()

    def path(number: int) -> list[Visit]:
        return [Visit(n, CORE_S / 3) for n in (0, 1 + number % 2, 0)]

    play([[0], [0, 1], [0, 1]], poisson(900, 5_000, seeded(1)), path, lambda n: told.update([n]))
    assert told == Counter(range(5_000))


def told_by_two(seed: int) -> Prediction:
    homes = spread(256, 2, seeded(seed))
    return predict(Costs(150, 30, 40, 20), 4_000, homes, SHARED, 10_000, seed)


def test_the_same_seed_gives_the_same_and_another_one_about_the_same() -> None:
    assert told_by_two(3) == told_by_two(3)
    first, other = told_by_two(3), told_by_two(4)
    assert first != other
    assert first.p50_us == pytest.approx(other.p50_us, rel=0.1)


def test_an_idle_machine_takes_the_core_time_and_the_ways() -> None:
    costs = Costs(gateway_us=150, upstream_us=30, load_us=40, way_us=20)
    for cores_of, homes in ((PINNED, [0]), (SHARED, [0, 1]), (own_cores(3), [0, 1, 2])):
        said = predict(costs, 1.0, homes, cores_of, 300, 1)
        assert said.p50_us == pytest.approx(costs.whole_us + 4 * 20)


def test_two_workers_on_cores_of_their_own_wait_less_than_on_shared_ones() -> None:
    costs, homes = Costs(150, 30, 40), spread(1_000, 2, seeded(2))
    own = predict(costs, 7_000, homes, own_cores(2), 20_000, 1)
    shared = predict(costs, 7_000, homes, SHARED, 20_000, 1)
    one = predict(costs, 3_500, [0], own_cores(1), 20_000, 1)
    assert own.p99_us < shared.p99_us
    assert own.p99_us == pytest.approx(one.p99_us, rel=0.2)
    assert sum(own.busy) / 2 == pytest.approx(7_000 * 150e-6 / 2, rel=0.02)


def test_few_connections_are_spread_unevenly_and_many_evenly() -> None:
    few = busiest(16, 4, 201, seeded(1))
    many = busiest(4_000, 4, 51, seeded(1))
    assert 1.0 < many < 1.1 < few < 2.5
    assert set(spread(64, 4, seeded(1))) == {0, 1, 2, 3}


def test_how_busy_a_worker_may_be_falls_with_the_wish() -> None:
    of = tails(4_000, 1)
    assert [tail.p99 for tail in of] == sorted(tail.p99 for tail in of)
    assert all(0.999 <= tail.p50 < tail.p99 for tail in of)
    found = [most_busy_for(p99, of) for p99 in (0.5, 3.0, 6.0, 1_000.0)]
    assert found[0] == 0.0
    assert 0.2 <= found[1] < found[2] < found[3] == 0.9


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


def test_the_notes_name_a_wish_that_no_number_of_workers_fulfils() -> None:
    said = "\n".join(notes(5_000.0, 1))
    assert "2 ms: not to be had" in said
    assert "5 ms: not to be had" in said
    assert "core time: 1.0 and" in said
