"""Open Responses' suite over HTTP with the embedded model, as a user would run it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx2
import pytest
from tests.support.open_responses import (
    CASES,
    COMPACT,
    check_answer,
    check_compaction,
    check_events,
)
from tests.support.processes import BIN, free_port, running

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("embedded")]

MODEL = "embedded/smollm2-135m"
LIMIT_S = 120.0


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder: Path = tmp_path_factory.mktemp("serve")
    port = free_port()
    with running([str(BIN / "puna"), "serve", "--port", str(port)], port, folder):
        yield f"http://127.0.0.1:{port}/v1"


def ask(base_url: str, path: str, **fields: Any) -> httpx2.Response:
    return httpx2.post(f"{base_url}{path}", json={"model": MODEL, **fields}, timeout=LIMIT_S)


@pytest.mark.parametrize("case", [name for name in CASES if name != "image-input"])
def test_a_case_holds_with_the_embedded_model(base_url: str, case: str) -> None:
    """The model reads text only: the case with an image is asked of other hosts.

    Without chance, for a sampled answer rambles to its limit now and then, and is incomplete.
    """
    answer = ask(base_url, "/responses", temperature=0, **CASES[case])
    assert answer.status_code == 200, answer.text
    if not CASES[case].get("stream"):
        check_answer(case, answer.json())
        return
    frames = answer.text.strip().split("\n\n")
    check_events(case, [json.loads(frame.partition("data: ")[2]) for frame in frames])


def test_a_conversation_is_compacted_by_the_embedded_model(base_url: str) -> None:
    """Without chance, as above: a summary that is cut at its limit is refused."""
    answer = ask(base_url, "/responses/compact", temperature=0, **COMPACT)
    assert answer.status_code == 200, answer.text
    check_compaction(answer.json())
    assert httpx2.post(f"{base_url}/responses/compact", json=COMPACT).status_code == 400
