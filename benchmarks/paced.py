"""A thousand paced streams on one worker, and as many as take 70 % of its core."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import median

from benchmarks.nginx import NOT_INSTALLED
from benchmarks.paced_load import MODEL, PAUSE_MS, PacedJob, PacedOutcome, run
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.target import Target
from benchmarks.targets import all_targets

_AT_ONCE = 1000
_PROBED = 100
_SHARE = 0.7
_CPU_GOAL = 2.0
_DELAY_GOAL_MS = 20.0

_Found = dict[str, list[PacedOutcome]]
"""The outcomes of each round by the target's name, for one number of streams."""


@dataclass(frozen=True, slots=True)
class _Bench:
    """What is asked, and by whom."""

    targets: Sequence[Target]
    upstream_pid: int
    job: PacedJob
    settings: Settings

    def run(self, target: Target, streams: int) -> PacedOutcome:
        """So many streams on one target."""
        self.settings.say(f"paced: {streams:,} streams, {target.name}")
        job = replace(
            self.job,
            port=target.port,
            key=target.key,
            streams=streams,
            pids=(target.pid, self.upstream_pid),
        )
        return run(job)

    def compare(self, streams: int, rounds: int) -> _Found:
        """So many streams on each target, in turns."""
        found: _Found = {}
        for _ in range(rounds):
            for target in self.targets:
                found.setdefault(target.name, []).append(self.run(target, streams))
        return found

    def streams_at(self, share: float, puna: Target) -> int:
        """About how many streams take this share of Puna's core, by two looks."""
        streams = min(_PROBED, self.settings.pick(_PROBED, 40))
        for _ in range(2):
            streams = streams_for(share, streams, self.run(puna, streams).cpu[0])
        return streams


def streams_for(share: float, streams: int, measured_share: float) -> int:
    """How many streams take a share of a core, if so many took that one: by the rule of three."""
    return max(min(round(streams * share / max(measured_share, 0.001)), _AT_ONCE), 1)


def _run(settings: Settings) -> Section:
    rounds = settings.rounds(1)
    with all_targets(MODEL) as (direct, nginx, puna):
        targets = [one for one in (direct, nginx, puna) if one is not None]
        job = PacedJob(0, direct.port, 0, window_s=settings.pick(3, 1))
        bench = _Bench(targets, direct.pid, job, settings)
        most = settings.pick(_AT_ONCE, 200)
        many = bench.compare(most, rounds)
        streams = bench.streams_at(_SHARE, puna)
        fewer = bench.compare(streams, rounds)
    control = "direct" if nginx is None else nginx.name
    return Section(
        title="Paced streams",
        control=NOT_INSTALLED if nginx is None else "nginx `proxy_pass`, as above, in the same run",
        how=f"Streams with a chunk each {PAUSE_MS} ms, begun one after the other over "
        f"{job.ramp_s:g} s, one worker. The upstream writes into each chunk when it was written; "
        f"its delay is from there to its arrival, for all that were written in a window of "
        f"{job.window_s:g} s after the last had begun. Added delay is that above the direct road. "
        f"Every stream is checked to its end. Median of {rounds} rounds.",
        rows=[
            *_rows(many, most, control, job.window_s),
            *_rows(fewer, streams, control, job.window_s, _DELAY_GOAL_MS),
        ],
        notes=[*_notes(many, most, job), *_notes(fewer, streams, job)],
        failures=[
            f"{name}, {number:,} streams: {len(one.errors)} bad ones, such as {one.errors[0]}"
            for found, number in ((many, most), (fewer, streams))
            for name, ones in found.items()
            for one in ones
            if one.errors
        ],
    )


def _rows(
    found: _Found, streams: int, control: str, window_s: float, goal_ms: float | None = None
) -> list[Row]:
    """The figures for one number of streams; the goal is for the p99 of the added delay."""
    ours, theirs = found["puna"], found[control]
    head = f"{streams:,} streams: "

    def added_ms(ones: list[PacedOutcome], name: str) -> float:
        return (_middle(ones, name) - _middle(found["direct"], name)) / 1000

    rows = [
        Row(head + "bad ones", sum(len(one.errors) for one in ours), goal=0),
        Row(head + "CPU, % of a core", 100 * _cpu(ours), 100 * _cpu(theirs)),
        Row(
            head + "CPU µs a chunk",
            _cpu_us(ours, window_s),
            _cpu_us(theirs, window_s),
            ratio_goal=_CPU_GOAL,
            decimals=1,
        ),
    ]
    for name, shown in (("p50_us", "p50"), ("p99_us", "p99")):
        whole = (_middle(ours, name) / 1000, _middle(theirs, name) / 1000)
        rows.append(Row(head + f"chunk delay {shown}, ms", *whole, decimals=2))
    for name, shown, goal in (("p50_us", "p50", None), ("p99_us", "p99", goal_ms)):
        nginx_ms = added_ms(theirs, name) if control != "direct" else None
        what = head + f"added chunk delay {shown}, ms"
        rows.append(Row(what, added_ms(ours, name), nginx_ms, goal, decimals=2))
    return rows


def _middle(ones: list[PacedOutcome], name: str) -> float:
    return median(float(getattr(one, name)) for one in ones)


def _cpu(ones: list[PacedOutcome]) -> float:
    return median(one.cpu[0] for one in ones)


def _cpu_us(ones: list[PacedOutcome], window_s: float) -> float:
    """CPU microseconds a chunk."""
    return median(one.cpu[0] * window_s * 1e6 / one.chunks for one in ones)


def _notes(found: _Found, streams: int, job: PacedJob) -> list[str]:
    offered = streams * 1000 / PAUSE_MS
    notes: list[str] = []
    for name, ones in found.items():
        chunks = median(one.chunks for one in ones) / job.window_s
        other = median(one.cpu[1] + one.load_cpu for one in ones)
        began_s = median(one.began_s for one in ones)
        most_ms = max(one.most_us for one in ones) / 1000
        notes.append(
            f"{streams:,} streams, {name}: {chunks:,.0f} of {offered:,.0f} chunks/s, the longest "
            f"delay {most_ms:.1f} ms; the last stream had begun after {began_s:.1f} s; upstream "
            f"and load took {other:.0%} of their core"
        )
    return notes


MEASUREMENT = Measurement("paced", _run)
