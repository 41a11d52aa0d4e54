"""A thousand reloads by SIGHUP under load, with one worker and with two.

`python -m benchmarks.reloads [--times N]`. Clients ask without a pause meanwhile, whole and
streamed, in both lanes. Status 1 where a request failed, or where a process holds more files or
much more memory at the end.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

from tests.support.asgi import CONFIG
from tests.support.reloads import Outcome, reload_often
from tests.support.server import Served
from tests.support.upstream import Upstream

_MOST_FILES = 20
"""Connections to the host that wait for later requests: one for each client and some more."""
_MOST_MB = 8.0


def main() -> int:
    """Reload, and tell what came of it."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.reloads", description=__doc__)
    parser.add_argument("--times", type=int, default=1000)
    times: int = parser.parse_args().times
    are_good = [_reload(workers, times) for workers in (1, 2)]
    return 0 if all(are_good) else 1


def _reload(workers: int, times: int) -> bool:
    with Upstream() as up, tempfile.TemporaryDirectory() as folder:
        file, config = Path(folder, "config.yaml"), CONFIG.replace("UPSTREAM", up.url)
        file.write_text(config)
        options = ("--config", str(file), "--num_workers", str(workers))
        with Served(*options, LLAMA_API_KEY="k") as served:
            outcome = reload_often(served, file, config, workers=workers, times=times)
    print(
        f"{workers} worker(s): {times} reloads in {outcome.seconds:.0f} s, "
        f"{outcome.answers} requests, {len(outcome.failures)} failed; files "
        f"{outcome.files}, MB {[round(mb, 1) for mb in outcome.grown_mb]} more than before",
        flush=True,
    )
    for failure in outcome.failures[:5]:
        print(f"  {failure}")
    return _is_good(outcome)


def _is_good(outcome: Outcome) -> bool:
    return (
        not outcome.failures
        and max(outcome.files) <= _MOST_FILES
        and max(outcome.grown_mb) <= _MOST_MB
    )


if __name__ == "__main__":
    sys.exit(main())
