"""What every test shares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.upstream import Upstream


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A real server on the loopback; see tests/support/upstream.py for what it can play."""
    with Upstream() as server:
        yield server
