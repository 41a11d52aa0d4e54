"""`python -m benchmarks.instructions [--record]`: instructions a request, a call and a chunk.

Fixed loops in processes (`instructions_child.py`), counted by callgrind (`callgrind.py`): the
gateway between two connections without sockets (`memory_gateway.py`), and the SDK over a replay
transport. No clock, no load of the machine and no kernel is in the figures. They are compared with
`instructions.toml` (`figures.py`): status 1 when one has grown too much.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median

from benchmarks.callgrind import count
from benchmarks.figures import Figures, compare, figures_here, read_figures
from benchmarks.instructions_child import CASES, CONTROL, PARTS

RECORD = Path(__file__).with_suffix(".toml")
_COMMAND = "make instructions-record"
_OF_GATEWAY = [name for name, case in CASES.items() if case.kind in ("fast", "full")]
_OTHERS = [name for name in CASES if name not in _OF_GATEWAY]


def main() -> int:
    """Count, then compare or record. Status 1 when a figure has grown, or cannot be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    is_recording = parser.parse_args().record
    now = _measure()
    print(_table(now))
    if is_recording:
        RECORD.write_text(now.to_toml(_COMMAND))
        print(f"recorded in {RECORD.name}")
        return 0
    try:
        found = compare(now, read_figures(RECORD.read_text()))
    except ValueError as error:
        print(f"FAILED: {error}; to record them here: {_COMMAND}")
        return 1
    for name, growth in found.growths.items():
        print(f"{name:20} {growth:+6.1%} against the record")
    print("\n".join(found.verdict(_COMMAND)))
    return int(not found.is_good)


def _measure() -> Figures:
    """Count all cases, in two processes at once."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        groups = list(threads.map(_counts, (_OF_GATEWAY, _OTHERS)))
    counts = {name: value for group in groups for name, value in group.items()}
    control = counts.pop(CONTROL)
    return figures_here(control, counts)


def _counts(names: Sequence[str]) -> Mapping[str, float]:
    """Of each case the instructions of one of what it does."""
    parts = count("benchmarks.instructions_child", names)
    return {
        name: median(parts[at * PARTS : (at + 1) * PARTS]) / CASES[name].units
        for at, name in enumerate(names)
    }


def _table(now: Figures) -> str:
    """Each case: instructions of one, and how many rounds of the control that is."""
    lines = [f"instructions, {now.build} on {now.machine}"]
    lines += [
        f"{name:20} {count:11,.0f} {count / now.control:8.4f}  {CASES[name].what}"
        for name, count in ((CONTROL, now.control), *now.counts.items())
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
