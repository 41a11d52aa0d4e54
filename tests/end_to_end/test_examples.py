"""Every example runs as it stands: against an upstream that speaks the Llama API, and against the
embedded model. `PUNA_EXAMPLES=DIR` runs another folder of such files instead of `examples/`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.processes import BIN, free_port, run, running
from tests.support.upstream import Upstream

# One group: the page's samples name port 4000, so only one gateway can run at a time.
pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("embedded")]

ROOT = Path(__file__).parents[2] / "examples"
PAGE = Path(os.environ.get("PUNA_EXAMPLES", ROOT / "meta_llama")).resolve()

SDK_FILES = sorted(path.name for path in PAGE.glob("sdk_*.py"))
CLIENT_FILES = sorted(
    path.name
    for pattern in ("openai_*.py", "litellm_proxy_*.py", "proxy_*.py", "curl_*.sh", "proxy_*.sh")
    for path in PAGE.glob(pattern)
)
OWN_FILES = sorted(path.name for path in ROOT.glob("*.py"))


def run_file(path: Path, cwd: Path, **variables: str) -> str:
    return run(
        ["sh" if path.suffix == ".sh" else sys.executable, str(path)],
        cwd,
        timeout_s=300,
        **variables,
    )


@pytest.fixture(scope="module", params=["llama endpoint", "embedded model"])
def host(request: pytest.FixtureRequest) -> Iterator[tuple[str, str]]:
    """What stands behind the examples: its kind and its address."""
    if request.param == "llama endpoint":
        with Upstream() as upstream:
            yield request.param, upstream.url
        return
    port = free_port()
    with running([str(BIN / "puna"), "serve", "--port", str(port)], port, ROOT):
        yield request.param, f"http://127.0.0.1:{port}/v1"


@pytest.fixture(scope="module")
def gateway(host: tuple[str, str]) -> Iterator[str]:
    """The page's gateway: its config, started by its script, on port 4000."""
    kind, base = host
    script = next(PAGE.glob("start_*.sh"))
    key = {"LLAMA_API_KEY": "sk-llama-test"} if kind == "llama endpoint" else {}
    with running(["sh", str(script)], 4000, PAGE, LLAMA_API_BASE=base, **key):
        yield kind


@pytest.mark.case(1, 41, 65, 66)
@pytest.mark.parametrize("name", SDK_FILES)
def test_an_sdk_example_runs(name: str, host: tuple[str, str], tmp_path: Path) -> None:
    kind, base = host

    said = run_file(PAGE / name, tmp_path, LLAMA_API_BASE=base, LLAMA_API_KEY="sk-llama-test")

    if "function_calling" in name or name == "sdk_tools.py":
        assert "get_weather" in said
    elif "tool_use" in name:
        assert said.strip() == "None"
    elif "stream" in name:
        assert "delta" in said.splitlines()[0]
    elif kind == "llama endpoint" and said:
        assert said.strip() == "Hello world"


@pytest.mark.case(112, 113, 114, 115, 116)
@pytest.mark.parametrize("name", CLIENT_FILES)
def test_a_client_example_runs_through_the_gateway(name: str, gateway: str, tmp_path: Path) -> None:
    said = run_file(PAGE / name, tmp_path)

    assert said.strip()
    if gateway == "llama endpoint":
        text = "".join(said.split())
        assert "Helloworld" in text or "Hel" in text
    if name.endswith(".sh") and "stream" in name:
        assert said.endswith("data: [DONE]\n\n")


@pytest.mark.parametrize("name", OWN_FILES)
def test_an_example_of_the_sdk_runs_on_the_embedded_model(name: str, tmp_path: Path) -> None:
    said = run_file(ROOT / name, tmp_path)

    assert said.strip()
