"""What every test of the drop-in shares: its module as it was, and an environment without keys."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
from tests.support.upstream import Upstream

import litellm


@pytest.fixture(autouse=True)
def _settings_are_restored() -> Iterator[None]:
    """Tests set `litellm.drop_params` and the like, as users do; afterwards they are as before."""
    before = dict(vars(litellm))
    lists = {name: list(value) for name, value in before.items() if isinstance(value, list)}
    yield
    for name in set(vars(litellm)) - set(before):
        delattr(litellm, name)  # made on first use, or set by the test
    for name, value in before.items():
        setattr(litellm, name, value)
    for name, items in lists.items():
        before[name][:] = items


@pytest.fixture
def environ() -> Iterator[dict[str, str]]:
    """Changes to the process's environment, undone afterwards; keys and bases are cleared."""
    before = dict(os.environ)
    for name in before:
        if name.endswith(("_API_KEY", "_API_BASE", "_BASE_URL")):
            del os.environ[name]
    yield os.environ  # type: ignore[misc]  # it is a mutable mapping of strings
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def hosts() -> Iterator[tuple[Upstream, Upstream]]:
    with Upstream() as first, Upstream() as second:
        yield first, second
