"""What several tests of the gateway share."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.served_files import LIST


@pytest.fixture
def config_file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LIST)
    return path
