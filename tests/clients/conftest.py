"""One gateway over replayed hosts for all tests of a file."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tests.support.replayed import LISTED, ROWS, gateway_over
from tests.support.server import Served
from tests.support.upstream import Upstream


@pytest.fixture(scope="module")
def hosts() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(hosts: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with gateway_over(hosts, tmp_path_factory.mktemp("clients"), *ROWS) as one:
        yield one


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> str:
    """A host, by its provider's name."""
    name: str = request.param
    return name


@pytest.fixture
def model(row: str) -> str:
    """The model of that host that is listed."""
    return f"{row}/{LISTED}"
