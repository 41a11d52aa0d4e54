"""What every test shares."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, Phase, settings
from tests.support.upstream import Upstream

# `make check` gives the same verdict twice; `--hypothesis-profile=explore` looks for new examples.
# A busy machine is slow; that is no failure of a test, so neither looks at the clock.
_timeless = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("steady", _timeless, derandomize=True)
settings.register_profile("explore", _timeless, max_examples=2_000)
# `make mutants` asks only whether a test fails, not for the shortest example.
settings.register_profile(
    "brief", _timeless, derandomize=True, phases=(Phase.explicit, Phase.generate)
)
settings.load_profile("steady")


# A shell that runs `make test` in the background has it ignore Ctrl-C, and children inherit that:
# those that are sent one would never end. Here and in them it does what it usually does.
if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A real server on the loopback; see tests/support/upstream.py for what it can play."""
    with Upstream() as server:
        yield server
