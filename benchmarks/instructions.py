"""`python -m benchmarks.instructions [--record | --record-new]`: instructions of a request.

Fixed loops in processes (`instructions_child.py`), counted by callgrind (`callgrind.py`): the
gateway between two connections without sockets (`memory_gateway.py`), and the SDK over a replay
transport. No clock, no load of the machine and no kernel is in the figures. They are compared with
`instructions.toml` (`figures.py`): status 1 when one has grown too much. What a case should cost at
most, as a multiple of the plain one, is told beside it, and fails nothing.
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
from benchmarks.figures import Figures, compare, figures_here, read_figures, with_new
from benchmarks.instructions_child import CASES, CONTROL, PARTS

RECORD = Path(__file__).with_suffix(".toml")
_COMMAND = "make instructions-record"
_GROUPS = [
    [name for name, case in CASES.items() if case.kind in kinds]
    for kinds in (("fast", "full"), ("shape",), ("control", "sdk"))
]


def main() -> int:
    """Count, then compare or record. Status 1 when a figure has grown, or cannot be compared."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.instructions", description=__doc__)
    parser.add_argument("--record", action="store_true", help=f"write {RECORD.name}")
    parser.add_argument(
        "--record-new", action="store_true", help="the same, of cases that it lacks only"
    )
    options = parser.parse_args()
    now = _measure()
    print(_table(now))
    print("\n".join(goal_lines(now.counts)))
    if options.record or options.record_new:
        kept = with_new(read_figures(RECORD.read_text()), now) if options.record_new else now
        RECORD.write_text(kept.to_toml(_COMMAND))
        print(f"recorded in {RECORD.name}")
        return 0
    try:
        found = compare(now, read_figures(RECORD.read_text()))
    except ValueError as error:
        print(f"FAILED: {error}; to record them here: {_COMMAND}")
        return 1
    for name, growth in found.growths.items():
        print(f"{name:24} {growth:+6.1%} against the record")
    print("\n".join(found.verdict(_COMMAND)))
    return int(not found.is_good)


def _measure() -> Figures:
    """Count all cases, in as many processes at once as there are cores."""
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as threads:
        groups = list(threads.map(_counts, _GROUPS))
    found = {name: value for group in groups for name, value in group.items()}
    counts = {name: found[name] for name in CASES}
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
        f"{name:24} {count:11,.0f} {count / now.control:8.4f}  {CASES[name].what}"
        for name, count in ((CONTROL, now.control), *now.counts.items())
    ]
    return "\n".join(lines)


def goal_lines(counts: Mapping[str, float]) -> list[str]:
    """Of each case that is not plain: what multiple of the plain one it is, and may be."""
    lines = ["as multiples of the plain request or chunk:"]
    for name, case in CASES.items():
        if name not in counts or (case.kind != "shape" and case.goal is None):
            continue
        ratio = counts[name] / counts[case.goal_of]
        line = f"{name:24} {ratio:11.2f} of {case.goal_of}"
        if case.goal is not None:
            verdict = "met" if ratio <= case.goal else "NOT MET"
            line += f"; the goal is {case.goal:g} at most: {verdict}"
        lines.append(line)
    return lines


if __name__ == "__main__":
    sys.exit(main())
