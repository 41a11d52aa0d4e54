"""Every block marked `python` or `bash` in the docs runs as it stands; every config loads.

Python blocks run here, each in a namespace of its own. `meta_llama/` goes to an upstream on the
loopback, as on a machine where `LLAMA_API_BASE` is set. Blocks that name the gateway's address
find one.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.support.processes import BIN, free_port, running
from tests.support.upstream import Upstream

from puna.gateway.workers.settings import ServeOptions, load_directory

ROOT = Path(__file__).parents[2]
GATEWAY = "localhost:4000"
PAGES = [
    ROOT / "README.md",
    ROOT / "docs" / "getting-started.md",
    *sorted((ROOT / "docs" / "guides").glob("*.md")),
]

FENCE = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
VARIABLE = re.compile(r"os\.environ/(\w+)")


@dataclass(frozen=True)
class Block:
    """A fenced block: its page from the root, the line of its first word, its text."""

    page: str
    line: int
    text: str

    @property
    def is_of_gateway(self) -> bool:
        return GATEWAY in self.text


def find_blocks(language: str) -> list[Block]:
    return [
        Block(
            page=path.relative_to(ROOT).as_posix(),
            line=text.count("\n", 0, found.start(2)) + 1,
            text=found.group(2),
        )
        for path in PAGES
        for text in (path.read_text(encoding="utf-8"),)
        for found in FENCE.finditer(text)
        if found.group(1) == language
    ]


def as_params(blocks: list[Block]) -> list[Any]:
    """One parameter a block; those with the embedded model share a worker, and so its process."""
    embedded = pytest.mark.xdist_group("embedded")
    return [
        pytest.param(
            block,
            id=f"{block.page}:{block.line}",
            marks=[embedded] if "embedded" in block.text or block.is_of_gateway else [],
        )
        for block in blocks
    ]


@pytest.fixture
def port(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    """Where a gateway listens for the blocks that name one; for all others the usual port, unused.

    The guide says 4000, which another program on this machine may use: the blocks get a free one.
    """
    if not request.getfixturevalue("block").is_of_gateway:
        yield 4000
        return
    free = free_port()
    with running([str(BIN / "puna"), "serve", "--port", str(free)], free, tmp_path):
        yield free


@pytest.mark.parametrize("block", as_params(find_blocks("python")))
def test_a_python_block_runs(
    block: Block, port: int, upstream: Upstream, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LLAMA_API_BASE", upstream.url)
    monkeypatch.setenv("LLAMA_API_KEY", "k")
    text = block.text.replace(":4000", f":{port}")
    code = compile("\n" * (block.line - 1) + text, block.page, "exec")

    exec(code, {"__name__": "docs"})  # noqa: S102 - our own docs


@pytest.mark.parametrize("block", as_params(find_blocks("bash")))
def test_a_shell_block_runs(block: Block, port: int, tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(find_blocks("yaml")[0].text)
    (tmp_path / ".curlrc").write_text("fail-with-body\n")
    path = f"{BIN}:{os.environ['PATH']}"

    ended = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", block.text.replace(":4000", f":{port}")],
        cwd=tmp_path,
        env={**os.environ, "PATH": path, "LLAMA_API_KEY": "k", "CURL_HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == 0, ended.stderr + ended.stdout
    assert 'data: {"error"' not in ended.stdout
    assert ended.stdout.strip()


@pytest.mark.parametrize("block", as_params(find_blocks("yaml")))
def test_a_config_loads_without_a_warning(block: Block, tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(block.text)
    environ = dict.fromkeys(VARIABLE.findall(block.text), "http://localhost:8000/v1")

    directory = load_directory(ServeOptions(config=str(file)), environ)

    assert directory.config.deployments
    told = [notice.message for notice in directory.notices]
    # That a host ends a model one day is no fault of the page's.
    assert [text for text in told if ": The day on which " not in text] == []
