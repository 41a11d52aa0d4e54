"""`python -m benchmarks [--quick] [--rounds N] [--only NAME]... [--peers FOLDER] [--write]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks import (
    coding_agent,
    cold_start,
    features,
    gateway,
    half_load,
    memory,
    paced,
    peers,
    scale,
    sdk,
    soak,
    tls,
)
from benchmarks.processes import ROOT
from benchmarks.report import Measurement, Section, Settings, as_markdown, machine

MEASUREMENTS: tuple[Measurement, ...] = (
    cold_start.MEASUREMENT,
    sdk.NETWORK,
    sdk.REPLAY,
    gateway.MEASUREMENT,
    half_load.MEASUREMENT,
    paced.MEASUREMENT,
    coding_agent.MEASUREMENT,
    tls.MEASUREMENT,
    features.MEASUREMENT,
    peers.MEASUREMENT,
    memory.MEASUREMENT,
    scale.MEASUREMENT,
    soak.MEASUREMENT,
)

_PEERS_VARIABLE = "PUNA_BENCH_PEERS"
_PAGE = ROOT / "docs" / "benchmarks.md"
_INTRO = """# What Puna costs

Written by `{command}`; every figure is a median, and its control was measured in the same run.
Read the ratios and the order, not the digits: they hold for this machine on one day, which other
work may have shared. Figures that lose are shown like the others.

{machine}
"""


def main() -> int:
    """Measure, print, and write the page if asked. Status 1 when a promise is broken."""
    options = _options()
    settings = Settings(options.quick, _say, options.rounds, _whole_path(options.peers))
    chosen = _named(options.only) if options.only else _usual(has_peers=bool(options.peers))
    command = " ".join(("python -m benchmarks", *_shown(sys.argv[1:], options.peers)))
    intro = _INTRO.format(command=command, machine=machine())
    print(intro)
    began_at = time.monotonic()
    sections = [_run(one, settings) for one in chosen]
    text = "\n".join((intro, *map(as_markdown, sections), _closing(chosen)))
    if options.write:
        _PAGE.write_text(text, encoding="utf-8")
        _say(f"wrote {_PAGE.relative_to(ROOT)}")
    _say(f"done in {time.monotonic() - began_at:.0f} s")
    return int(any(section.failures for section in sections))


def _options() -> argparse.Namespace:
    names = [one.name for one in MEASUREMENTS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="seconds long; not to be kept")
    parser.add_argument("--rounds", type=int, help="of each measurement, for its usual number")
    parser.add_argument("--only", action="append", choices=names, help="may be given again")
    parser.add_argument(
        "--peers",
        type=Path,
        default=os.environ.get(_PEERS_VARIABLE) or None,
        help="the folder of other gateways to measure beside (benchmarks/peer_servers.py); or "
        f"{_PEERS_VARIABLE}",
    )
    parser.add_argument("--write", action="store_true", help="write docs/benchmarks.md")
    options = parser.parse_args()
    if options.peers is None and any(one.needs_peers for one in _named(options.only)):
        parser.error(f"peers: give their folder, with --peers or {_PEERS_VARIABLE}")
    if options.peers is not None and not options.peers.is_dir():
        parser.error(f"peers: `{options.peers}` is no folder")
    return options


def _whole_path(folder: Path | None) -> Path | None:
    return folder and folder.resolve()


def _shown(arguments: list[str], peers: Path | None) -> list[str]:
    """The arguments as the page shows them: where somebody keeps other gateways is not said."""
    return [one.replace(str(peers), "FOLDER") if peers else one for one in arguments]


def _named(names: list[str] | None) -> list[Measurement]:
    return [one for one in MEASUREMENTS if one.name in (names or ())]


def _usual(*, has_peers: bool) -> list[Measurement]:
    return [one for one in MEASUREMENTS if not one.is_long and (has_peers or not one.needs_peers)]


def _run(measurement: Measurement, settings: Settings) -> Section:
    settings.say(f"{measurement.name}…")
    section = measurement.run(settings)
    print(as_markdown(section), flush=True)
    return section


def _closing(chosen: list[Measurement]) -> str:
    """What was left out, and how busy the machine was; on a quiet one the load is about 2."""
    left_out = [one.name for one in MEASUREMENTS if one not in chosen]
    said = f"Not measured in this run: {', '.join(left_out)}.\n\n" if left_out else ""
    return (
        f"{said}Load average at the end: {os.getloadavg()[0]:.1f} (about 2 on a quiet machine).\n"
    )


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
