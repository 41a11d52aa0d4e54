"""`python -m benchmarks [--quick] [--only NAME]... [--write]`."""

from __future__ import annotations

import argparse
import os
import sys
import time

from benchmarks import cold_start, gateway, memory, sdk
from benchmarks.processes import ROOT
from benchmarks.report import Measurement, Section, Settings, as_markdown, machine

MEASUREMENTS: tuple[Measurement, ...] = (
    cold_start.MEASUREMENT,
    sdk.NETWORK,
    sdk.REPLAY,
    gateway.MEASUREMENT,
    memory.MEASUREMENT,
)

_PAGE = ROOT / "docs" / "benchmarks.md"
_INTRO = """# What Puna costs

Written by `{command}`; every figure is a median, and its control was measured in the same run.
Read the ratios and the order, not the digits: they hold for this machine on one day, which other
work may have shared. Figures that lose are shown like the others.

{machine}
"""


def main() -> int:
    """Measure, print, and write the page if asked. Status 1 when a promise is broken."""
    names = [one.name for one in MEASUREMENTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds long; not to be kept")
    parser.add_argument("--only", action="append", choices=names, help="may be given again")
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    settings = Settings(options.quick, _say)
    chosen = [one for one in MEASUREMENTS if options.only is None or one.name in options.only]
    command = " ".join(("python -m benchmarks", *sys.argv[1:]))
    intro = _INTRO.format(command=command, machine=machine())
    print(intro)
    began_at = time.monotonic()
    sections = [_run(one, settings) for one in chosen]
    text = "\n".join((intro, *map(as_markdown, sections), _closing()))
    if options.write:
        _PAGE.write_text(text, encoding="utf-8")
        _say(f"wrote {_PAGE.relative_to(ROOT)}")
    _say(f"done in {time.monotonic() - began_at:.0f} s")
    return int(any(section.failures for section in sections))


def _run(measurement: Measurement, settings: Settings) -> Section:
    settings.say(f"{measurement.name}…")
    section = measurement.run(settings)
    print(as_markdown(section), flush=True)
    return section


def _closing() -> str:
    """How busy the machine was in the end; on a quiet one the load is about 2."""
    return f"Load average at the end: {os.getloadavg()[0]:.1f} (about 2 on a quiet machine).\n"


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
