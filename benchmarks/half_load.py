"""Latency under half of the load that a gateway can carry, asked at random moments."""

from __future__ import annotations

from dataclasses import replace
from statistics import median

from benchmarks.job import quantile
from benchmarks.nginx import NOT_INSTALLED
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sample import MANY, Sample, measure, middle, p50_us, p99_us, rate, share_of_core
from benchmarks.target import Target
from benchmarks.targets import all_targets
from benchmarks.undisturbed import HOW, NOT_ALLOWED, undisturbed

_SHARE = 0.5
_CONNECTIONS = 256
_TAIL_GOAL = 5.0
_SPARE_S = 20.0


def _run(settings: Settings) -> Section:
    rounds = settings.rounds(3)
    seconds = settings.pick(2, 1)
    full: dict[str, list[Sample]] = {}
    half: dict[str, list[Sample]] = {}
    floor: list[Sample] = []
    was_quiet = True
    with all_targets() as (direct, nginx, puna):
        control = direct if nginx is None else nginx
        for number in range(rounds):
            for target in (control, puna):
                settings.say(f"half load: {target.name}, round {number + 1} of {rounds}")
                before, after, is_quiet = _round(target, direct.pid, seconds)
                was_quiet = was_quiet and is_quiet
                full.setdefault(target.name, []).append(before)
                half.setdefault(target.name, []).append(after)
            job = direct.job(_CONNECTIONS, seconds)
            with undisturbed([direct.pid], seconds + _SPARE_S):
                floor.append(measure(direct, replace(job, rate=half[puna.name][-1].outcome.rate)))
    ours, theirs = half[puna.name], half[control.name]
    return Section(
        title="Half load",
        control=NOT_INSTALLED
        if nginx is None
        else "nginx `proxy_pass`, as above, at half of its own capacity",
        how=f"First the capacity (closed loop, {MANY} connections, 1 s), then half of it at random "
        f"moments drawn before (Poisson, open loop, {seconds} s, up to {_CONNECTIONS} "
        "connections). Latency counts from the moment that a request was due, so what waits behind "
        f"a stall is counted. {HOW if was_quiet else NOT_ALLOWED}. Median of {rounds} rounds "
        "taken in turns.",
        rows=[
            Row(
                f"requests/s, {MANY} connections",
                middle(full[puna.name], rate),
                middle(full[control.name], rate),
            ),
            Row("requests/s at half load", middle(ours, rate), middle(theirs, rate)),
            Row("latency p50 µs at half load", middle(ours, p50_us), middle(theirs, p50_us)),
            Row("latency p99 µs at half load", middle(ours, p99_us), middle(theirs, p99_us)),
            Row("p99 over p50", _tail(ours), _tail(theirs), _TAIL_GOAL, decimals=1),
        ],
        notes=[*(_note(name, samples) for name, samples in half.items()), _floor_note(floor)],
    )


def _round(target: Target, upstream_pid: int, seconds: int) -> tuple[Sample, Sample, bool]:
    """The capacity, what comes at half of it, and whether other work was kept away from that."""
    full = measure(target, target.job(MANY, 1))
    job = replace(target.job(_CONNECTIONS, seconds), rate=_SHARE * full.outcome.rate)
    with undisturbed([target.pid, upstream_pid], seconds + _SPARE_S) as was_quiet:
        return full, measure(target, job), was_quiet


def _tail(samples: list[Sample]) -> float:
    return middle(samples, lambda one: p99_us(one) / p50_us(one))


def _note(name: str, samples: list[Sample]) -> str:
    late_us = median(quantile(one.outcome.lates_us, 0.99) for one in samples)
    busy = middle(samples, share_of_core)
    return (
        f"{name} ran {busy:.0%} of the time; 99 of 100 requests to it were sent within "
        f"{late_us:,.0f} µs of their moment"
    )


def _floor_note(samples: list[Sample]) -> str:
    """What of the latencies is the load's own and the machine's."""
    return (
        f"the upstream itself, asked as often as Puna: p50 {middle(samples, p50_us):,.0f} µs, "
        f"p99 {middle(samples, p99_us):,.0f} µs"
    )


MEASUREMENT = Measurement("half_load", _run)
