"""Reloads a gateway by SIGHUP many times, while clients ask it without a pause.

outcome = reload_often(served, file, config, times=1000)
assert outcome.failures == []
"""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.clients_at_work import BOTH_LANES, Clients
from tests.support.server import Served, open_files, resident_mb

RELOADED = "The configuration was reloaded"
_LIMIT_S = 60.0
_WARM_UP = 0.1


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of many reloads.

    Attributes:
        answers: how many requests were answered meanwhile.
        failures: those that were not, in words.
        files: how many more files each process holds at the end than before the first reload.
        grown_mb: how much each process has grown since a tenth of the reloads.
        seconds: how long all took.
    """

    answers: int
    failures: Sequence[str]
    files: Sequence[int]
    grown_mb: Sequence[float]
    seconds: float


def reload_often(served: Served, file: Path, config: str, *, workers: int, times: int) -> Outcome:
    """Write another configuration each time, send SIGHUP, and wait until all workers serve it."""
    served.process.send_signal(signal.SIGHUP)
    seen = _wait(served, 0, workers)  # all have started
    pids = served.children if workers > 1 else [served.process.pid]
    files, sizes = [open_files(pid) for pid in pids], [0.0] * len(pids)
    clients = Clients(served.port, BOTH_LANES)
    began = time.monotonic()
    with clients.at_work():
        for number in range(times):
            file.write_text(_changed(config, number))
            served.process.send_signal(signal.SIGHUP)
            seen = _wait(served, seen, workers)
            if number == int(times * _WARM_UP):
                sizes = [resident_mb(pid) for pid in pids]
    grown = [resident_mb(pid) - size for pid, size in zip(pids, sizes, strict=True)]
    return Outcome(
        clients.answers,
        clients.failures,
        [open_files(pid) - count for pid, count in zip(pids, files, strict=True)],
        grown,
        time.monotonic() - began,
    )


def _changed(config: str, number: int) -> str:
    """The configuration with a model that no other one has."""
    extra = f"openai/x, api_key: k, api_base: 'http://127.0.0.1:9/v{number}'"
    return config.replace(
        "model_list:",
        f"model_list:\n  - model_name: extra-{number}\n    litellm_params: {{model: {extra}}}",
        1,
    )


def _wait(served: Served, seen: int, workers: int) -> int:
    """Until so many workers have told it; gives how many lines there are by then."""
    limit, told = time.monotonic() + _LIMIT_S, 0
    while told < workers:
        now = len(served.lines)
        told += sum(RELOADED in line for line in served.lines[seen:now])
        seen = now
        if time.monotonic() > limit:
            raise AssertionError(f"not reloaded: {''.join(served.lines[-20:])}")
        time.sleep(0.002)
    return seen
