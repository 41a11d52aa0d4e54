"""Names in the source use the field's words, not words of the house's own.

An engineer of this field knows *emit*, *parse*, *serialize*, *proxy*, *worker*, *cache*, *cooldown*
and *header*. A module, class, function, method or attribute whose name holds one of the words below
has to be renamed, or needs a line with its reason in `ALLOWED`.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "puna"

INSTEAD = {
    "carriage": "transport",
    "carried": "sent",
    "carry": "send",
    "crew": "pool",
    "disguise": "encoding",
    "disguises": "encodings",
    "foreign": "unsupported, other",
    "hopeful": "may_match",
    "honoured": "supported",
    "misshapen": "wrong_type",
    "news": "new_events",
    "road": "connection, route",
    "roads": "connections, routes",
    "said": "content, message",
    "say": "emit, add_text",
    "says": "has, holds",
    "seal": "sign, close",
    "shelf": "cache, store",
    "shown": "safe, display",
    "spoken": "text",
    "take": "add, read, pop",
    "taken": "used",
    "takes": "accepts",
    "talk": "conversation",
    "tell": "emit, report",
    "telling": "encoding",
    "tells": "documents, reports",
    "told": "reported, sent",
    "unseen": "invisible",
}
"""Words that must not stand in a name, and what the field says."""

ALLOWED = {
    "_FOREIGN_CHARACTERS": "base64 characters that other bytes determine, too",
    "_MOST_SHOWN": "how many differences an error shows",
    "_SHOWN": "how much of a frame an error shows",
    "_shown": "a helper's result is what an answer shows",
    "_shown_second": "the second that a log line shows",
    "ShownPaths": "masks secrets in the paths that logs show",
    "shown_paths": "the module of `ShownPaths`",
}
"""Names that may stay, with the reason."""


def _names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            yield node.attr
        if isinstance(node, ast.Module | ast.ClassDef):
            for line in node.body:
                targets: list[ast.expr] = []
                if isinstance(line, ast.Assign):
                    targets = line.targets
                elif isinstance(line, ast.AnnAssign):
                    targets = [line.target]
                yield from (one.id for one in targets if isinstance(one, ast.Name))


def _words(name: str) -> list[str]:
    return re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name).lower().split("_")


def _own_words(path: str, text: str) -> list[str]:
    names = {Path(path).stem, *_names(ast.parse(text))} - ALLOWED.keys()
    return [
        f"{path}: `{name}` has `{word}`; the field says: {INSTEAD[word]}"
        for name in sorted(names)
        for word in _words(name)
        if word in INSTEAD and not name.startswith("__")
    ]


def test_names_use_the_words_of_the_field() -> None:
    found: list[str] = []
    for file in sorted(SOURCE.rglob("*.py")):
        path = file.relative_to(SOURCE).as_posix()
        found += _own_words(path, file.read_text(encoding="utf-8"))
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "def say_it(): ...",
        "class ReplyTaker:\n    def take(self): ...",
        "class Shelf: ...",
        "ROADS = 1",
        "class A:\n    talk: str",
        "class A:\n    def f(self):\n        self.told = 1",
    ],
)
def test_a_word_of_the_house_is_found(line: str) -> None:
    assert len(_own_words("a.py", line)) == 1
    assert _own_words("carriage.py", "") != []
