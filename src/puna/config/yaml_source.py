"""Parses YAML into plain values, with the line of each.

The result holds only mappings, lists, texts, numbers, booleans and null: no tags, no objects, no
dates (a date stays the text that was written). Booleans follow YAML 1.1 as PyYAML reads it, so
`on`, `off`, `yes` and `no` are booleans. Merge keys (`<<`) are supported; a duplicate key is an
error.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from typing_extensions import override

from puna.config.environment import PREFIX, KeyPath, unsupported_reference
from puna.errors import ConfigError

MAX_DEPTH = 50
MAX_NODES = 50_000

_TAG = "tag:yaml.org,2002:"
_SCALAR_TAGS = frozenset(_TAG + name for name in ("str", "int", "float", "bool", "null"))
_DATE_TAG = _TAG + "timestamp"
_MERGE_TAG = _TAG + "merge"
_VALUE_TAG = _TAG + "value"
_MOST_CHARACTERS = 60


@dataclass(frozen=True, slots=True)
class YAMLDocument:
    """The parsed root mapping of a file.

    `lines` maps each path to its 1-based line; `texts` maps each scalar's path to the text as it
    was written, which keeps `0.00000060` a decimal.
    """

    root: dict[str, Any]
    lines: Mapping[KeyPath, int]
    texts: Mapping[KeyPath, str]


def load_yaml(text: str, file: str | None = None) -> YAMLDocument:
    """Parse one YAML document whose root is a mapping.

    Raises ConfigError, in one line that names the file and the line, for anything else. The message
    may quote keys, but never a value, which could be a secret.
    """
    try:
        return _read_document(text)
    except _Unreadable as problem:
        raise ConfigError(problem.message, file=file, line=problem.line) from None
    except yaml.reader.ReaderError as problem:
        raise ConfigError(
            f"the character U+{_code_point(problem):04X} is not allowed in YAML: remove it",
            file=file,
            line=text.count("\n", 0, problem.position) + 1,
        ) from None
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = mark.line + 1 if mark is not None else None
        raise ConfigError(
            f"{_explain(problem)}{_reference_hint(text, line)}", file=file, line=line
        ) from None


def _read_document(text: str) -> YAMLDocument:
    """Parse the one document, and convert it. Raises `_Unreadable`."""
    loader = _Loader(text)
    try:
        node = loader.get_single_node()
        if node is None:
            raise _Unreadable("the file is empty: it needs at least a `model_list`", 1)
        if not isinstance(node, yaml.MappingNode):
            found = "a list" if isinstance(node, yaml.SequenceNode) else "a single value"
            raise _Unreadable(
                f"the file holds {found}: its outermost level must be keys such as `model_list:`",
                _line_of(node),
            )
        reader = _Reader(loader)
        return YAMLDocument(reader.read_mapping(node, ()), reader.lines, reader.texts)
    finally:
        loader.dispose()


def format_path(path: KeyPath) -> str:
    """A path as text: `model_list[1].litellm_params.api_key`."""
    shown = ""
    for part in path:
        if isinstance(part, int):
            shown += f"[{part}]"
        else:
            shown += f".{printable(part)}" if shown else printable(part)
    return shown


def printable(text: str) -> str:
    """A text for one line of a message: no control characters, at most 60 characters."""
    line = "".join(char if char.isprintable() else " " for char in text)
    return line if len(line) <= _MOST_CHARACTERS else f"{line[:_MOST_CHARACTERS]}…"


class _Unreadable(Exception):  # noqa: N818 - private, and caught in this module
    """The document cannot be read; with the reason and the line."""

    def __init__(self, message: str, line: int) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class _Loader(yaml.SafeLoader):
    """PyYAML's safe loader with a limit on nesting, since its composer recurses."""

    def __init__(self, stream: str) -> None:
        super().__init__(stream)
        self.depth = 0

    @override
    def compose_node(self, parent: Any, index: Any) -> Any:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise _Unreadable(_TOO_DEEP, self.line + 1)
        node = super().compose_node(parent, index)
        self.depth -= 1
        return node


_TOO_DEEP = f"the file is nested deeper than {MAX_DEPTH} levels"


class _Reader:
    """Converts YAML nodes to values and records their lines.

    Aliases are copied, so the nodes are counted against a limit.
    """

    def __init__(self, loader: _Loader) -> None:
        self.loader = loader
        self.lines: dict[KeyPath, int] = {}
        self.texts: dict[KeyPath, str] = {}
        self.count = 0

    def read(self, node: yaml.Node, path: KeyPath) -> Any:
        """Convert a node to a value, and record its line."""
        self._count_node(node, len(path))
        self.lines.setdefault(path, _line_of(node))
        if isinstance(node, yaml.MappingNode):
            return self.read_mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            _check_tag(node, "seq")
            return [self.read(child, (*path, index)) for index, child in enumerate(node.value)]
        return self._read_scalar(node, path)

    def read_mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Any]:
        """Convert a mapping with its merges (`<<`).

        Raises `_Unreadable` for a key that is given twice.
        """
        _check_tag(node, "map")
        values: dict[str, Any] = {}
        merged: list[yaml.Node] = []
        for key_node, value_node in node.value:
            if key_node.tag == _MERGE_TAG:
                merged.append(value_node)
                continue
            key = _read_key(key_node)
            line = _line_of(key_node)
            if key in values:
                first = self.lines[(*path, key)]
                raise _Unreadable(
                    f"the key `{format_path((*path, key))}` is given twice (first on line "
                    f"{first}): remove one",
                    line,
                )
            self.lines[(*path, key)] = line
            values[key] = self.read(value_node, (*path, key))
        for source in merged:
            self._merge(source, values, path)
        return values

    def _merge(self, source: yaml.Node, values: dict[str, Any], path: KeyPath) -> None:
        """Add the keys of a `<<` source that the mapping does not have itself."""
        self._count_node(source, len(path) + 1)
        if isinstance(source, yaml.SequenceNode):
            for part in source.value:
                self._merge(part, values, path)
            return
        if not isinstance(source, yaml.MappingNode):
            raise _Unreadable("`<<` must name a mapping or a list of mappings", _line_of(source))
        own = set(values)
        for key_node, value_node in source.value:
            if key_node.tag == _MERGE_TAG:
                self._merge(value_node, values, path)
                continue
            key = _read_key(key_node)
            if key not in own:
                own.add(key)
                self.lines[(*path, key)] = _line_of(key_node)
                values[key] = self.read(value_node, (*path, key))

    def _read_scalar(self, node: yaml.Node, path: KeyPath) -> Any:
        """Convert a scalar; dates stay texts.

        Raises `_Unreadable` for a value that does not fit its tag.
        """
        self.texts[path] = node.value
        if node.tag in (_DATE_TAG, _VALUE_TAG, _MERGE_TAG):
            return node.value
        if node.tag not in _SCALAR_TAGS:
            raise _Unreadable(_UNSUPPORTED_TAG, _line_of(node))
        try:
            return self.loader.construct_object(node)
        except (ValueError, KeyError, OverflowError):
            kind = node.tag.removeprefix(_TAG)
            raise _Unreadable(
                f"the value of `{format_path(path)}` is not a valid {kind}: put it in quotes if it "
                f"is meant as text",
                _line_of(node),
            ) from None

    def _count_node(self, node: yaml.Node, depth: int) -> None:
        """Count a node, and refuse too many or too deep ones."""
        self.count += 1
        if self.count > MAX_NODES:
            raise _Unreadable(
                f"the file unfolds to more than {MAX_NODES} values: look for aliases of aliases",
                _line_of(node),
            )
        if depth > MAX_DEPTH:
            raise _Unreadable(_TOO_DEEP, _line_of(node))


def _read_key(node: yaml.Node) -> str:
    """The key of a mapping. Raises `_Unreadable` unless it is a text."""
    if not isinstance(node, yaml.ScalarNode):
        raise _Unreadable("a key must be a text, not a list or a mapping", _line_of(node))
    if node.tag != _TAG + "str":
        kind = node.tag.removeprefix(_TAG)
        raise _Unreadable(
            f"the key `{printable(node.value)}` reads as {kind}, not as text: put it in quotes",
            _line_of(node),
        )
    return str(node.value)


_UNSUPPORTED_TAG = (
    "a tag (`!…`) is not allowed here: a configuration holds plain values. Put a text that begins "
    "with `!` in quotes"
)


def _check_tag(node: yaml.Node, name: str) -> None:
    """Raise `_Unreadable` for a node with a tag of its own."""
    if node.tag != _TAG + name:
        raise _Unreadable(_UNSUPPORTED_TAG, _line_of(node))


def _line_of(node: yaml.Node) -> int:
    """The line of a node, from 1."""
    return int(node.start_mark.line) + 1


def _code_point(problem: yaml.reader.ReaderError) -> int:
    """The code of the character that YAML does not allow."""
    character = problem.character
    return ord(character) if isinstance(character, str) else int(character)


def _explain(problem: yaml.MarkedYAMLError) -> str:
    """PyYAML's error as one line. Quoted file text is removed, since it may be a secret."""
    found = problem.problem or problem.context or "unknown fault"
    if "'\\t'" in found:
        return "not valid YAML: a tab stands where spaces must: YAML is indented with spaces"
    if "undefined alias" in found:
        return "not valid YAML: an alias without its anchor: quote a text that begins with `*`"
    found = re.sub(r"'(\S)'", r"`\1`", found)  # signs of YAML, such as a bracket
    plain = re.sub(r"'(?!<)[^']{2,}'|\"[^\"]{2,}\"", "`…`", found)
    return f"not valid YAML: {' '.join(plain.split())}"


def _reference_hint(text: str, line: int | None) -> str:
    """What to write where the faulty line has a reference in another program's spelling."""
    lines = text.splitlines()
    if line is None or line > len(lines):
        return ""
    name = unsupported_reference(lines[line - 1], is_whole=False)
    if name is None:
        return ""
    return f"; to use the variable `{printable(name)}` write `{PREFIX}{printable(name)}`"
