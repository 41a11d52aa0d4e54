"""What the SDK costs a call and a chunk: against the `openai` package, and without a network."""

from __future__ import annotations

from dataclasses import asdict, replace
from statistics import median

from benchmarks.processes import MEASURED_CORE, run_json, upstream
from benchmarks.report import Measurement, Row, Section, Settings
from benchmarks.sdk_child import Cost, Job

_CHUNKS = 256


def _run_network(settings: Settings) -> Section:
    job = Job("puna", False, 0, settings.pick(400, 50), settings.pick(30, 4), _CHUNKS)
    jobs = {
        (sdk, is_async): replace(job, sdk=sdk, is_async=is_async)
        for is_async in (False, True)
        for sdk in ("puna", "openai")
    }
    rounds = settings.rounds(5)
    with upstream() as (_, port):
        costs = _medians([replace(one, port=port) for one in jobs.values()], rounds)
    found = dict(zip(jobs, costs, strict=True))
    rows: list[Row] = []
    for is_async, name in ((False, "completion"), (True, "acompletion")):
        ours, theirs = found["puna", is_async], found["openai", is_async]
        rows += [
            Row(f"`{name}`, CPU µs a call", ours.call_us, theirs.call_us, ratio_goal=0.5),
            Row(
                f"`{name}` streamed, CPU µs a chunk",
                ours.chunk_us,
                theirs.chunk_us,
                ratio_goal=0.25,
                decimals=1,
            ),
        ]
    return Section(
        title="SDK over loopback",
        control="the `openai` package's client (`OpenAI`, `AsyncOpenAI`), same upstream, same run",
        how=f"User and system time of a process that does {job.calls} calls, then {job.streams} "
        f"streams of {_CHUNKS} chunks (the stream's call included), one after the other; median of "
        f"{rounds} processes each, taken in turns.",
        rows=rows,
    )


def _run_replay(settings: Settings) -> Section:
    job = Job("puna", False, 0, settings.pick(2000, 200), settings.pick(40, 4), _CHUNKS)
    jobs = [job, replace(job, is_async=True), replace(job, sdk="json")]
    rounds = settings.rounds(5)
    ours, ours_async, parsing = _medians(jobs, rounds)
    return Section(
        title="SDK without a network",
        control="`json.loads` of the same bytes",
        how="`Client` and `AsyncClient` over a replay transport, an event a piece: what Puna "
        f"itself does for a call and a chunk. User and system time, median of {rounds} processes.",
        rows=[
            Row(f"{name}, µs a {kind}", value, control, decimals=1)
            for name, cost in (("`completion`", ours), ("`acompletion`", ours_async))
            for kind, value, control in (
                ("call", cost.call_us, parsing.call_us),
                ("chunk", cost.chunk_us, parsing.chunk_us),
            )
        ],
    )


def _medians(jobs: list[Job], rounds: int) -> list[Cost]:
    """The median cost of each job, over rounds in which each is run once."""
    runs = [
        [Cost(**run_json("benchmarks.sdk_child", asdict(job), MEASURED_CORE)) for job in jobs]
        for _ in range(rounds)
    ]
    return [
        Cost(median(cost.call_us for cost in costs), median(cost.chunk_us for cost in costs))
        for costs in zip(*runs, strict=True)
    ]


NETWORK = Measurement("sdk_network", _run_network)
REPLAY = Measurement("sdk_replay", _run_replay)
