"""Every row of the table against every fixture in its folder: both are found, none is listed here.

What a fixture is: `tests/support/provider_suite.py`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.contexts import KEY, request_for
from tests.support.provider_suite import (
    FIXTURES,
    REQUESTS,
    check_requests,
    check_stream,
    check_whole,
    folder_of,
    load,
    target_of,
)

from puna.dialects.table import DIALECTS
from puna.providers.base import Provider
from puna.providers.table import PROVIDERS
from puna.wire.http import Timeouts

SOURCE = Path(__file__).parent.parent.parent / "src" / "puna"

ALWAYS = frozenset(("chat", "stream", "error_context_overflow"))
OF_HOSTS = frozenset(
    ("tool_call", "tool_call_stream", "error_401", "error_403", "error_404_html", "error_429")
)

NAMES_ELSEWHERE = {
    # The scheme of the embedded model's addresses.
    "dialects/embedded_chat.py": {"embedded"},
    "dialects/embedded_embeddings.py": {"embedded"},
    "transports/embedded.py": {"embedded"},
    # The model that answers when nobody configured another one.
    "cli/chat.py": {"embedded", "litellm_proxy"},  # … and `--url` names a gateway
    "gateway/workers/settings.py": {"embedded"},
    # Help texts with an example that can be copied.
    "cli/serve.py": {"meta_llama"},
    # Paths of the gateway's HTTP API, as clients of Azure and of Anthropic ask for them.
    "gateway/endpoints/table.py": {"openai", "anthropic"},
    # A path and headers of Anthropic's API.
    "gateway/endpoints/messages.py": {"anthropic"},
    "gateway/endpoints/messages_replies.py": {"anthropic"},
    "dialects/anthropic_messages.py": {"anthropic"},
    # A line that Claude Code writes into its system texts.
    "bridges/messages/plain_chat.py": {"anthropic"},
}
"""Where a provider's name stands in a text of the code, and why. Docstrings do not count."""


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


ALL = sorted(path for path in FIXTURES.glob("*/*.json") if path.parent.name in PROVIDERS)
ASKED = [path for path in ALL if path.stem == REQUESTS]
STREAMS = [path for path in ALL if "pieces" in load(path)]
WHOLE = [path for path in ALL if path not in (*STREAMS, *ASKED)]


def test_every_row_has_a_folder_and_every_folder_a_row() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert {folder_of(row, PROVIDERS) for row in PROVIDERS.values()} <= folders
    for name, row in PROVIDERS.items():
        assert name == row.name
        needed = ALWAYS | (frozenset() if row.dialect == "embedded_chat" else OF_HOSTS)
        folder = FIXTURES / folder_of(row, PROVIDERS)
        assert needed <= {path.stem for path in folder.glob("*.json")}, name


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_fixture_tells_where_it_comes_from(path: Path) -> None:
    assert re.match(
        r"(recorded \d{4}-\d\d-\d\d|from documentation|written by hand)\b",
        load(path)["provenance"],
    )


@pytest.mark.parametrize("path", WHOLE, ids=named)
@pytest.mark.case(8, 39, 66, 68, 71, 72, 135, 136, 137, 140, 147, 155)
def test_a_row_reads_its_fixture(path: Path) -> None:
    check_whole(PROVIDERS[path.parent.name], load(path))


@pytest.mark.parametrize("path", STREAMS, ids=named)
@pytest.mark.case(44, 45, 46, 47, 48, 52, 54, 69, 70)
def test_a_row_reads_its_stream_however_it_is_cut(path: Path) -> None:
    check_stream(PROVIDERS[path.parent.name], load(path))


@pytest.mark.parametrize("path", ASKED, ids=named)
def test_a_row_sends_what_its_host_takes(path: Path) -> None:
    check_requests(PROVIDERS[path.parent.name], load(path))


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_a_row_can_be_asked(row: Provider) -> None:
    target = target_of(row)
    built = DIALECTS[row.dialect].build_request(request_for(f"{row.name}/m"), target, Timeouts())
    asked = FIXTURES / folder_of(row, PROVIDERS) / f"{REQUESTS}.json"
    plain = [{"role": "user", "content": "Hello"}]
    expected = load(asked).get("messages", plain) if asked.exists() else plain
    assert json.loads(built.http.body)["messages"] == expected
    assert row.docs_url
    assert KEY not in repr((row, target, built))


def texts_of_code(tree: ast.Module) -> Iterator[str]:
    """The string literals of a module that are no docstrings."""
    docs = {
        id(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in docs:
            yield node.value


def test_no_code_outside_the_rows_knows_a_provider_by_name() -> None:
    found: dict[str, set[str]] = {}
    for path in SOURCE.rglob("*.py"):
        place = path.relative_to(SOURCE).as_posix()
        if place.startswith("providers/"):
            continue
        for text in texts_of_code(ast.parse(path.read_text(encoding="utf-8"))):
            for name in PROVIDERS:
                # `embedded` is an English word too: there only a name, a model or a scheme counts.
                form = rf"\A{name}\Z|\b{name}(/|:)" if name == "embedded" else rf"\b{name}\b"
                if re.search(form, text):
                    found.setdefault(place, set()).add(name)
    assert found == NAMES_ELSEWHERE
