"""Tools by their names, calls in every shape, and a stream fed piece by piece."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any

from puna.rescue.stream import Piece, RescueStream
from puna.rescue.tools import KnownTools

Asked = tuple[str, Mapping[str, Any]]
"""A call: a name and its arguments."""


def tools_named(*names: str) -> list[dict[str, Any]]:
    """The `tools` of a request."""
    return [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object"}}}
        for name in names
    ]


def known(*names: str) -> KnownTools:
    """The same, read."""
    return KnownTools(tools_named(*names))


def pieces_of(parts: Iterable[str], tools: KnownTools) -> list[Piece]:
    """All pieces of a message that comes in parts."""
    stream = RescueStream(tools)
    pieces = [piece for part in parts for piece in stream.feed(part)]
    return [*pieces, *stream.close()]


def cut(text: str, places: Iterable[int]) -> list[str]:
    """A text, cut at these places."""
    marks = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[a:b] for a, b in pairwise(marks)]


def as_python(value: Any) -> str:
    """A JSON value as a Python literal."""
    return repr(value)


def pythonic(calls: Sequence[Asked]) -> str:
    """`[f(x=1), g()]`."""
    return f"[{', '.join(_python_call(call) for call in calls)}]"


def _python_call(call: Asked) -> str:
    name, arguments = call
    return f"{name}({', '.join(f'{key}={as_python(value)}' for key, value in arguments.items())})"


def _objects(calls: Sequence[Asked], key: str, **fields: str) -> list[str]:
    return [
        json.dumps({**fields, "name": name, key: arguments}, ensure_ascii=False)
        for name, arguments in calls
    ]


def _nested(calls: Sequence[Asked]) -> str:
    return json.dumps(
        [
            {"type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
            for name, arguments in calls
        ]
    )


def _each(calls: Sequence[Asked], form: str) -> str:
    return "\n".join(
        form.format(name=name, arguments=json.dumps(arguments), call=one)
        for (name, arguments), one in zip(calls, _objects(calls, "arguments"), strict=True)
    )


SHAPES: Mapping[str, Callable[[Sequence[Asked]], str]] = {
    "parameters": lambda calls: "; ".join(_objects(calls, "parameters")),
    "arguments": lambda calls: "\n".join(_objects(calls, "arguments")),
    "typed": lambda calls: "\n\n".join(_objects(calls, "parameters", type="function")),
    "json_list": lambda calls: f"[{','.join(_objects(calls, 'arguments'))}]",
    "nested": _nested,
    "indented": lambda calls: json.dumps(
        [{"name": name, "parameters": arguments} for name, arguments in calls], indent=2
    ),
    "fenced": lambda calls: "```json\n" + "\n".join(_objects(calls, "parameters")) + "\n```",
    "python_tag": lambda calls: "<|python_tag|>" + "; ".join(_objects(calls, "parameters")),
    "python_tag_pythonic": lambda calls: "<|python_start|>" + pythonic(calls) + "<|python_end|>",
    "python_tag_token": lambda calls: (
        "<|python_tag|>" + "; ".join(_objects(calls, "parameters")) + "<|eom_id|>"
    ),
    "pythonic": pythonic,
    "function_tag": lambda calls: _each(calls, "<function={name}>{arguments}</function>"),
    "tool_call_tag": lambda calls: _each(calls, "<tool_call>\n{call}\n</tool_call>"),
}
"""Calls as models write them, by the name of the shape."""
