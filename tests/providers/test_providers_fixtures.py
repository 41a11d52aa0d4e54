"""Every row of the table against every fixture in its folder: both are found, none is listed here.

A fixture is a JSON file: `provenance`, `status`, `headers`, `body` (an object or text) or `pieces`
(the texts of a stream), perhaps `request` (chat parameters), and `expects`.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import KEY, context_for, request_for

from puna.dialects.base import ReadContext, StreamReader
from puna.dialects.table import DIALECTS
from puna.errors import APIError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.secret import Secret
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts

FIXTURES = Path(__file__).parent.parent / "fixtures"
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
    "gateway/options.py": {"embedded"},
    # Help texts with an example that can be copied.
    "cli/serve.py": {"meta_llama"},
    # A path of the gateway's HTTP API, as Azure's clients ask for it.
    "gateway/endpoints.py": {"openai"},
}
"""Where a provider's name stands in a text of the code, and why. Docstrings do not count."""


def load(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded


def named(path: Path) -> str:
    return f"{path.parent.name}/{path.stem}"


ALL = sorted(path for path in FIXTURES.glob("*/*.json") if path.parent.name in PROVIDERS)
STREAMS = [path for path in ALL if "pieces" in load(path)]
WHOLE = [path for path in ALL if path not in STREAMS]


def context_of(path: Path, fixture: dict[str, Any]) -> ReadContext:
    row = PROVIDERS[path.parent.name]
    target = resolve_target(
        row,
        "m",
        {},
        api_key=Secret(KEY),
        api_base=None if row.base_url else "http://gateway.test",
    )
    request = request_for(f"{row.name}/m", stream="pieces" in fixture, **fixture.get("request", {}))
    return context_for(target=target, request=request)


def reply_of(fixture: dict[str, Any]) -> HTTPReply:
    body = fixture["body"]
    text = body if isinstance(body, str) else json.dumps(body)
    return HTTPReply(fixture["status"], fixture["headers"], text.encode())


def read_cut(
    reader: StreamReader, pieces: list[bytes]
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


def assert_says(error: APIError, expects: dict[str, Any]) -> None:
    assert type(error).__name__ == expects["error"]
    for words in expects["says"]:
        assert words in str(error)
    for name in ("code", "param", "retry_after_s"):
        if name in expects:
            assert getattr(error, name) == expects[name]
    assert error.status_code >= 400
    assert "user:pass" not in str(error)
    for text in (str(error), error.body or ""):
        assert KEY not in text


def assert_is_answer(answer: ChatCompletion, expects: dict[str, Any]) -> None:
    (choice,) = answer.choices
    assert choice.message.content == expects["text"]
    assert choice.finish_reason == expects["finish_reason"]
    calls = choice.message.tool_calls
    if "tool_calls" not in expects:
        assert calls is None
        return
    assert calls is not None
    seen = [
        {"name": call.function.name, "arguments": json.loads(call.function.arguments)}
        for call in calls
    ]
    assert seen == expects["tool_calls"]
    assert all(call.id and call.type == "function" for call in calls)
    assert len({call.id for call in calls}) == len(calls)


def test_every_row_has_a_folder_and_every_folder_a_row() -> None:
    folders = {path.name for path in FIXTURES.iterdir() if path.is_dir()}
    assert set(PROVIDERS) <= folders
    for name, row in PROVIDERS.items():
        assert name == row.name
        needed = ALWAYS | (OF_HOSTS if row.dialect == "openai_chat" else frozenset())
        assert needed <= {path.stem for path in (FIXTURES / name).glob("*.json")}, name


@pytest.mark.parametrize("path", ALL, ids=named)
def test_a_fixture_tells_where_it_comes_from(path: Path) -> None:
    assert re.match(
        r"(recorded \d{4}-\d\d-\d\d|from documentation|written by hand)\b",
        load(path)["provenance"],
    )


@pytest.mark.parametrize("path", WHOLE, ids=named)
@pytest.mark.case(8, 39, 66, 68, 71, 72, 135, 136, 137, 140, 147, 155)
def test_a_row_reads_its_fixture(path: Path) -> None:
    fixture = load(path)
    expects, context = fixture["expects"], context_of(path, fixture)
    dialect = DIALECTS[context.target.dialect]
    reply = reply_of(fixture)
    if "error" not in expects:
        answer = dialect.read_reply(reply, context)
        assert_is_answer(answer, expects)
        assert (answer.model, answer.object) == (context.model, "chat.completion")
        assert answer.id == fixture["body"]["id"]
        assert answer.created == fixture["body"]["created"]
        if "tokens" in expects:
            assert answer.usage is not None
            assert list(answer.usage.model_dump().values())[:3] == expects["tokens"]
    elif reply.is_success:
        with pytest.raises(APIError) as raised:
            dialect.read_reply(reply, context)
        assert_says(raised.value, expects)
    else:
        error = dialect.read_error(reply, context)
        assert_says(error, expects)
        if reply.status >= 400:
            assert error.status_code == reply.status


@pytest.mark.parametrize("path", STREAMS, ids=named)
@pytest.mark.case(44, 45, 46, 47, 48, 52, 54, 69, 70)
def test_a_row_reads_its_stream_however_it_is_cut(path: Path) -> None:
    fixture = load(path)
    expects, context = fixture["expects"], context_of(path, fixture)
    dialect = DIALECTS[context.target.dialect]
    whole = "".join(fixture["pieces"]).encode()

    chunks, error = read_cut(dialect.stream_reader(context), [whole])
    for pieces in (
        [piece.encode() for piece in fixture["pieces"]],
        whole.splitlines(keepends=True),
        [whole[i : i + 1] for i in range(len(whole))],
    ):
        again, same_error = read_cut(dialect.stream_reader(context), pieces)
        assert again == chunks
        assert repr(same_error) == repr(error)

    assert {(c.id, c.created, c.model) for c in chunks} == {
        (chunks[0].id, chunks[0].created, context.model)
    }
    if "error" in expects:
        assert error is not None
        assert_says(error, expects)
        assert fold(chunks).choices[0].message.content == expects["text"]
        assert fold(chunks).choices[0].finish_reason is None
        return
    assert error is None
    assert_is_answer(fold(chunks), expects)
    bodies = [chunk for chunk in chunks if chunk.choices]
    assert [c.choices[0].delta.role for c in bodies] == ["assistant"] + [None] * (len(bodies) - 1)
    reasons = [c.choices[0].finish_reason for c in bodies]
    assert reasons == [None] * (len(bodies) - 1) + [expects["finish_reason"]]
    assert chunks[: len(bodies)] == bodies
    if "usage" in expects:
        (last,) = chunks[len(bodies) :]
        assert last.usage is not None
        assert list(last.usage.model_dump().values())[:3] == expects["usage"]
    else:
        assert len(chunks) == len(bodies)


@pytest.mark.parametrize("row", PROVIDERS.values(), ids=lambda row: row.name)
def test_a_row_can_be_asked(row: Any) -> None:
    target = resolve_target(
        row,
        "m",
        {},
        api_key=Secret(KEY),
        api_base=None if row.base_url else "http://gateway.test",
    )
    built = DIALECTS[row.dialect].build_request(request_for(f"{row.name}/m"), target, Timeouts())
    assert json.loads(built.http.body)["messages"] == [{"role": "user", "content": "Hello"}]
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
