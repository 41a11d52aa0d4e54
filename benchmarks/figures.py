"""Recorded counts of instructions, and how today's compare with them.

Counts are compared as multiples of the control's, a loop of plain Python counted in the same run.
That takes out most of what belongs to the interpreter, not all: CPython 3.11.2 as Debian builds it
needs 7 to 14 % fewer instructions than 3.11.7 as `pyenv` builds it, and the multiples differ by up
to 6 %. Another minor version has another interpreter loop, and its multiples differ by 15 %. So:

- where the control counts what it counted when the figures were recorded, it is the same build, and
  `MOST_GROWTH` is the limit;
- another build of the same minor version is held to `MOST_GROWTH_ELSEWHERE`: compilers make some
  loops quicker than others, and the same code counted 4 % less to 20 % more, case by case, with
  Debian's Python 3.11 than with the one that the figures were recorded with;
- another minor version or machine cannot be compared.

What moves the counts besides: the instructions that the C library may choose from (with AVX2 or
without), 0.3 %; the next run, 0.5 %; a change elsewhere that moves names in memory, so that others
collide in the interpreter's cache of methods, 2 %.
"""

from __future__ import annotations

import platform
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace

MOST_GROWTH = 0.05
MOST_GROWTH_ELSEWHERE = 0.25

_SAME_BUILD = 0.01
_HEAD = """# Instructions that callgrind counted, of one request, call or chunk of each case in
# benchmarks/instructions_child.py. Written by `{command}`; benchmarks/figures.py says how
# they are compared.
"""


@dataclass(frozen=True, slots=True)
class Figures:
    """Counts of one run.

    Attributes:
        python: the minor version, such as `3.11`.
        machine: the architecture.
        build: the interpreter, for the reader.
        control: instructions of one round of the control.
        counts: instructions of one of each case.
    """

    python: str
    machine: str
    build: str
    control: float
    counts: Mapping[str, float]

    def multiple(self, name: str) -> float:
        """A case's count over the control's."""
        return self.counts[name] / self.control

    def to_toml(self, command: str) -> str:
        """The file that `read_figures` reads; `command` writes it."""
        lines = [
            _HEAD.format(command=command),
            f'python = "{self.python}"',
            f'machine = "{self.machine}"',
            f'build = "{self.build}"',
            f"control = {self.control:.0f}",
            "",
            "[counts]",
            *(f"{name} = {count:.0f}" for name, count in self.counts.items()),
        ]
        return "\n".join(lines) + "\n"


def figures_here(control: float, counts: Mapping[str, float]) -> Figures:
    """Counts of this interpreter."""
    return Figures(
        python=".".join(platform.python_version_tuple()[:2]),
        machine=platform.machine(),
        build=f"{platform.python_implementation()} {platform.python_version()}, "
        f"{platform.python_compiler()}",
        control=control,
        counts=counts,
    )


def read_figures(text: str) -> Figures:
    """What `to_toml` wrote."""
    return Figures(**tomllib.loads(text))


def with_new(recorded: Figures, now: Figures) -> Figures:
    """The recorded figures as they are, and those cases of `now` that they lack.

    Builds differ: the new counts are what makes the multiples of the recorded control right.
    """
    scale = recorded.control / now.control
    new = {name: count * scale for name, count in now.counts.items() if name not in recorded.counts}
    return replace(recorded, counts={**recorded.counts, **new})


@dataclass(frozen=True, slots=True)
class Comparison:
    """Today's figures beside the recorded ones.

    Attributes:
        growths: by case, how much its multiple grew; 0.1 is 10 % more than recorded.
        limit: the growth that is let pass.
        is_same_build: whether the control counted as when the figures were recorded.
        unpaired: cases that only one of the two has.
    """

    growths: Mapping[str, float]
    limit: float
    is_same_build: bool
    unpaired: frozenset[str]

    @property
    def grown(self) -> list[str]:
        """Cases that grew by more than is let pass."""
        return [name for name, growth in self.growths.items() if growth > self.limit]

    @property
    def fallen(self) -> list[str]:
        """Cases that fell by as much: their record is out of date."""
        return [name for name, growth in self.growths.items() if growth < -self.limit]

    @property
    def is_good(self) -> bool:
        """Whether each case has a record, and none grew by more than is let pass."""
        return not (self.grown or self.unpaired)

    def verdict(self, command: str) -> list[str]:
        """What to tell, a line each; `command` records anew."""
        lines: list[str] = []
        if not self.is_same_build:
            lines.append(
                "the control counts otherwise than when the figures were recorded, so this is "
                f"another build of Python: {self.limit:.0%} are let pass, not {MOST_GROWTH:.0%}"
            )
        lines += [
            f"FAILED: `{name}` needs {self.growths[name]:.1%} more instructions than recorded; "
            f"{self.limit:.0%} are let pass"
            for name in self.grown
        ]
        lines += [f"FAILED: `{name}` is not in both" for name in sorted(self.unpaired)]
        lines += [
            f"`{name}` needs {-self.growths[name]:.1%} fewer than recorded: hold it there"
            for name in self.fallen
        ]
        if self.grown or self.unpaired or self.fallen:
            lines.append(f"to record today's figures: {command}")
        else:
            lines.append(f"no figure grew by more than {self.limit:.0%}")
        return lines


def compare(now: Figures, recorded: Figures) -> Comparison:
    """Today's figures against the recorded ones.

    Raises:
        ValueError: they are of another minor version of Python, or of another machine.
    """
    if (now.python, now.machine) != (recorded.python, recorded.machine):
        raise ValueError(
            f"the figures were recorded with Python {recorded.python} on {recorded.machine}, and "
            f"this is {now.python} on {now.machine}: they cannot be compared"
        )
    is_same_build = abs(now.control / recorded.control - 1) <= _SAME_BUILD
    return Comparison(
        growths={
            name: now.multiple(name) / recorded.multiple(name) - 1
            for name in now.counts
            if name in recorded.counts
        },
        limit=MOST_GROWTH if is_same_build else MOST_GROWTH_ELSEWHERE,
        is_same_build=is_same_build,
        unpaired=frozenset(now.counts) ^ frozenset(recorded.counts),
    )
