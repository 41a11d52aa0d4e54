"""What a measurement hands back, and how it is printed: medians, each beside its control."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes:
        what: the thing measured, with its unit.
        value: the median for Puna.
        control: the control's median, of the same run; None where there is none.
        goal: the most that `value` (or `ratio_goal`: the ratio) may be; for the reader's eye only.
        ratio_floor: the least that the ratio may be.
        decimals: places after the point of `value` and `control`.
    """

    what: str
    value: float
    control: float | None = None
    goal: float | None = None
    ratio_goal: float | None = None
    ratio_floor: float | None = None
    decimals: int = 0

    @property
    def ratio(self) -> float | None:
        """Puna's figure over the control's; none where that is not above 0."""
        return self.value / self.control if self.control and self.control > 0 else None


@dataclass(frozen=True, slots=True)
class Section:
    """A measurement's result. `failures` are broken promises: they end the run with status 1."""

    title: str
    control: str
    how: str
    rows: Sequence[Row]
    notes: Sequence[str] = ()
    failures: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Settings:
    """How thorough a run is, and where it tells what it is doing.

    Attributes:
        repeats: rounds of each measurement in the place of its usual ones.
        peers: the folder in which other gateways are installed.
    """

    is_quick: bool
    say: Callable[[str], None]
    repeats: int | None = None
    peers: Path | None = None

    def pick(self, usual: int, quick: int) -> int:
        """A count or duration: the usual one, or the one of a quick run."""
        return quick if self.is_quick else usual

    def rounds(self, usual: int) -> int:
        """How often to measure each thing, in turns."""
        return self.repeats or self.pick(usual, 1)


@dataclass(frozen=True, slots=True)
class Measurement:
    """One entry of the registry.

    One that needs peers is left out where there is no folder, a long one unless it is asked for.
    """

    name: str
    run: Callable[[Settings], Section]
    needs_peers: bool = False
    is_long: bool = False


def as_markdown(section: Section) -> str:
    """A section: heading, how it was measured, the table, notes and failures."""
    lines = [f"## {section.title}", "", section.how, "", f"Control: {section.control}.", ""]
    cells = [["what", "Puna", "control", "ratio to control", "goal", ""]]
    cells += [_cells(row) for row in section.rows]
    widths = [max(3, *(len(line[i]) for line in cells)) for i in range(len(cells[0]))]
    lines.append(_line(cells[0], widths))
    rules = ["-" * widths[0], *("-" * (width - 1) + ":" for width in widths[1:])]
    lines.append(_line(rules, widths))
    lines += [_line(row, widths) for row in cells[1:]]
    lines += ["", *(f"- {note}" for note in section.notes)]
    lines += [f"- **FAILED**: {failure}" for failure in section.failures]
    return "\n".join(lines).rstrip() + "\n"


def machine() -> str:
    """The class of machine and the versions of what was measured, as Markdown list lines."""
    names = ("puna", "litellm", "openai", "httpx2", "pydantic", "uvicorn", "uvloop", "httptools")
    packages = ", ".join(f"{name} {_version(name)}" for name in names)
    cores, load = len(os.sched_getaffinity(0)), os.getloadavg()[0]
    return (
        f"- machine: {cores} cores, {platform.machine()}, {platform.system()}, "
        f"load average at the start {load:.1f}\n"
        f"- Python {platform.python_version()}; {packages} "
        "(litellm is the drop-in of this repository)\n"
        f"- nginx: {_nginx_version()}"
    )


def _version(name: str) -> str:
    try:
        return version(name)
    except PackageNotFoundError:
        return "missing"


def _nginx_version() -> str:
    nginx = shutil.which("nginx")
    if nginx is None:
        return "not installed, so the gateway's control is the upstream itself"
    said = subprocess.run([nginx, "-v"], capture_output=True, text=True, check=False).stderr
    return said.strip().rpartition("/")[2]


def _cells(row: Row) -> list[str]:
    ratio = row.ratio
    goals: list[str] = []
    is_met = True
    if row.goal is not None:
        goals.append(f"≤ {row.goal:,.{row.decimals}f}")
        is_met = row.value <= row.goal
    if row.ratio_goal is not None and ratio is not None:
        goals.append(f"ratio ≤ {row.ratio_goal:g}")
        is_met = is_met and ratio <= row.ratio_goal
    if row.ratio_floor is not None and ratio is not None:
        goals.append(f"ratio ≥ {row.ratio_floor:g}")
        is_met = is_met and ratio >= row.ratio_floor
    verdict = ("met" if is_met else "MISSED") if goals else ""
    control = "" if row.control is None else f"{row.control:,.{row.decimals}f}"
    return [
        row.what,
        f"{row.value:,.{row.decimals}f}",
        control,
        "" if ratio is None else _shown(ratio),
        ", ".join(goals),
        verdict,
    ]


def _shown(ratio: float) -> str:
    """A ratio with as many places as say something."""
    decimals = next(
        (places for least, places in ((100, 0), (10, 1), (0.1, 2)) if ratio >= least), 4
    )
    return f"{ratio:,.{decimals}f}"


def _line(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [
        cell.rjust(width) if i else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(cells, widths, strict=True))
    ]
    return "| " + " | ".join(padded) + " |"
