"""The groups that keep tests of one port, or of one embedded model, on one worker."""

from __future__ import annotations

import os

import pytest


@pytest.mark.xdist_group("gateway")
def test_a_test_of_a_group_goes_to_the_worker_of_the_group(request: pytest.FixtureRequest) -> None:
    # pytest 9.2 with pytest-xdist 3.8 drops the groups without a word.
    assert request.node.nodeid.endswith("@gateway") or "PYTEST_XDIST_WORKER" not in os.environ
