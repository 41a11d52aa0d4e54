"""The packages of npm as clients of the real gateway; their tests are in tests/javascript."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.javascript import run_node_tests
from tests.support.processes import BIN, free_port, running
from tests.support.replayed import KEY, LISTED, ROWS
from tests.support.server import Served
from tests.support.upstream import Upstream

pytestmark = [pytest.mark.released_client, pytest.mark.end_to_end]


@pytest.fixture(scope="module")
def embedded_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    port = free_port()
    folder = tmp_path_factory.mktemp("serve")
    with running([str(BIN / "puna"), "serve", "--port", str(port)], port, folder):
        yield f"http://127.0.0.1:{port}"


@pytest.mark.case(113)
@pytest.mark.xdist_group("gateway")
def test_openais_package_of_npm_over_replayed_hosts(served: Served, hosts: Upstream) -> None:
    left_before = hosts.disconnects

    run_node_tests("openai.test.js", served.url, KEY, [f"{row}/{LISTED}" for row in ROWS])

    aborted = 2 * len(ROWS) + 1
    assert hosts.sees(lambda: hosts.disconnects - left_before == aborted)
    assert hosts.sees(lambda: hosts.open_replies == 0)


@pytest.mark.case(125)
@pytest.mark.xdist_group("gateway")
def test_anthropics_package_of_npm_over_replayed_hosts(served: Served, hosts: Upstream) -> None:
    run_node_tests("anthropic.test.js", served.url, KEY, [f"{row}/{LISTED}" for row in ROWS])

    assert hosts.sees(lambda: hosts.open_replies == 0)


@pytest.mark.case(113, 125)
@pytest.mark.xdist_group("embedded")
def test_the_packages_of_npm_over_the_embedded_model(embedded_url: str) -> None:
    run_node_tests("embedded.test.js", embedded_url, "any", ["embedded/smollm2-135m"])


def test_each_javascript_test_file_is_run_here() -> None:
    files = {path.name for path in (Path(__file__).parents[1] / "javascript").glob("*.test.js")}
    assert files == set(re.findall(r'run_node_tests\("([^"]+)"', Path(__file__).read_text()))
