"""The tools of a request. Only calls of these tools are recognized."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self, cast

from puna.rescue.arguments import repair_arguments
from puna.wire.surrogates import parse_json

_NOTHING: Mapping[str, Any] = {}

MOST_CALLS = 1_024
"""In one message, as in a host's own answers; what would be more is text."""


@dataclass(frozen=True, slots=True)
class FoundCall:
    """A call that the model wrote as text.

    Attributes:
        name: the name of one of the request's tools.
        arguments: a JSON object as text.
        repaired: the paths of arguments that were changed to fit the tool's schema.
    """

    name: str
    arguments: str
    repaired: tuple[str, ...] = ()


class KnownTools:
    """The tools of a request: their names and the schemas of their arguments.

    They are parsed on first use, since most texts cannot hold a call.
    """

    def __init__(self, tools: Sequence[Any], *, repairs: bool = False) -> None:
        """`tools` as in a chat request.

        `repairs` is whether arguments are made to fit their schema.
        """
        self._tools = tools
        self._repairs = repairs

    @classmethod
    def undecoded(cls, schemas: Mapping[str, bytes], *, repairs: bool = False) -> Self:
        """The tools of these names, whose schemas are JSON that is parsed when one is called."""
        known = cls((), repairs=repairs)
        known.schemas = _UndecodedSchemas(schemas)
        return known

    @cached_property
    def schemas(self) -> Mapping[str, Mapping[str, Any]]:
        """The JSON schema of each function's arguments, by name. Other tools are left out."""
        schemas: dict[str, Mapping[str, Any]] = {}
        for tool in self._tools:
            function = tool.get("function") if isinstance(tool, Mapping) else None
            if not isinstance(function, Mapping):
                continue
            name = function.get("name")
            if isinstance(name, str) and name:
                schema = function.get("parameters")
                known = cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else None
                schemas[name] = known or _NOTHING
        return schemas

    def may_be_named_in(self, text: str) -> bool:
        """Whether the name of a tool may occur in a whole text. Cheap."""
        return "\\" in text or any(name in text for name in self.schemas)

    def __contains__(self, name: object) -> bool:
        return name in self.schemas

    def has_prefix(self, text: str, suffix: str = "") -> bool:
        """Whether any name, with the suffix added, begins with a text."""
        return any(f"{name}{suffix}".startswith(text) for name in self.schemas)

    def make_call(self, name: str, arguments: Mapping[str, Any]) -> FoundCall | None:
        """Build a call; None where JSON cannot hold the arguments, or they repeat a definition."""
        schema = self.schemas[name]
        if _is_schema(arguments, schema):
            return None
        repaired: tuple[str, ...] = ()
        if self._repairs:
            arguments, repaired = repair_arguments(arguments, schema)
        try:
            text = json.dumps(arguments, ensure_ascii=False, allow_nan=False)
            if not _is_text(text):
                text = json.dumps(arguments, allow_nan=False)
        except (ValueError, RecursionError):
            return None
        return FoundCall(name, text, repaired)


class _UndecodedSchemas(Mapping[str, Mapping[str, Any]]):
    """Schemas by the names of their tools, each parsed when it is asked for."""

    def __init__(self, encoded: Mapping[str, bytes]) -> None:
        self._encoded = encoded

    def __getitem__(self, name: str) -> Mapping[str, Any]:
        schema = parse_json(bytes(self._encoded[name]))
        return cast("Mapping[str, Any]", schema) if isinstance(schema, Mapping) else _NOTHING

    def __iter__(self) -> Iterator[str]:
        return iter(self._encoded)

    def __len__(self) -> int:
        return len(self._encoded)


def _is_schema(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> bool:
    """Whether the arguments repeat the tool's definition, which small models write instead."""
    if arguments.get("type") != "object" or not isinstance(arguments.get("properties"), Mapping):
        return False
    own = schema.get("properties")
    return not (isinstance(own, Mapping) and "properties" in own)


def _is_text(text: str) -> bool:
    """Whether a text holds no half of a surrogate pair."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
