"""The JSON text of a cassette, indented so that people can read and edit it."""

from __future__ import annotations

import json
import math
from typing import Any, cast

_INDENT = "  "

_MOST_DEPTH = 200
"""How deep a body may nest that is told as JSON: `render` calls itself at each level."""


def render(content: object, margin: str) -> str:
    """A value as indented JSON; plain objects in a list, such as messages, get one line each.

    `margin` is a line break and the indent that each further line begins with.
    """
    return _render_value(content, margin, is_item=False)


def parse_exact_json(body: bytes) -> Any:
    """The object or list that a body holds, if JSON can represent the body without loss.

    None when the body is no JSON, has duplicate keys or numbers that would change, or nests too
    deep: then the cassette stores it as text.
    """
    try:
        value: Any = json.loads(
            body.decode(),
            object_pairs_hook=_without_duplicates,
            parse_float=_parse_finite,
            parse_constant=_parse_finite,
        )
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict | list) and not _is_deep(value) else None


def _is_deep(value: object) -> bool:
    """Whether a value nests too deeply to be rendered."""
    level = [value]
    for _ in range(_MOST_DEPTH):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return False
    return True


def comparable_text(value: object) -> str:
    """A value as text, for comparisons.

    Values that differ only in the order of keys give equal texts.
    """
    return json.dumps(value, sort_keys=True, default=repr)


def _render_value(value: object, margin: str, *, is_item: bool) -> str:
    """A value as JSON at a margin; items of lists get one line if they are plain."""
    if not isinstance(value, dict | list) or not value or (is_item and _is_plain(value)):
        return json.dumps(value, ensure_ascii=False)
    inner = margin + _INDENT
    if isinstance(value, list):
        items = [_render_value(item, inner, is_item=True) for item in cast("list[object]", value)]
        return f"[{inner}{f',{inner}'.join(items)}{margin}]"
    fields = [
        f"{json.dumps(name, ensure_ascii=False)}: {_render_value(item, inner, is_item=False)}"
        for name, item in cast("dict[str, object]", value).items()
    ]
    return f"{{{inner}{f',{inner}'.join(fields)}{margin}}}"


def _is_plain(value: dict[Any, Any] | list[Any]) -> bool:
    """Whether no member of a list or object is a list or an object that is not empty."""
    items = value.values() if isinstance(value, dict) else value
    return not any(isinstance(item, dict | list) for item in items)


def _without_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object from its pairs. Raises ValueError for a duplicate key."""
    made = dict(pairs)
    if len(made) != len(pairs):
        raise ValueError("a name comes twice")
    return made


def _parse_finite(digits: str) -> float:
    """Parse a number. Raises ValueError where a float cannot hold it."""
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError("no number of JSON")
    return value
