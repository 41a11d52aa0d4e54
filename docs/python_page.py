"""The page of public names: signatures and docstrings of everything in `puna.__all__`."""

from __future__ import annotations

import dataclasses
import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any, cast

from pydantic import BaseModel
from typing_extensions import override

import puna
from puna.types.common import WireModel

_ITEM = re.compile(r"    ([\w.]+(?:, [\w.]+)*): (.*)")
_SECTION = re.compile(r"(Args|Attributes|Raises|Returns):")
_WIDTH = 90


def python_page() -> str:
    """The page: functions, clients and values, in that order; errors have a page of their own."""
    values = {name: getattr(puna, name) for name in puna.__all__ if not name.startswith("_")}
    functions = {name: value for name, value in values.items() if inspect.isfunction(value)}
    classes = {
        name: value
        for name, value in values.items()
        if inspect.isclass(value) and not issubclass(value, puna.PunaError)
    }
    lines = [
        "# Python",
        "",
        "Everything that `import puna` offers. Each name is loaded on first use. The errors are on",
        "[a page of their own](errors.md).",
        "",
        "## Functions",
        *(
            line
            for name, value in functions.items()
            for line in _function_lines(name, value, "###")
        ),
        "",
        "## Classes",
        *(line for name, value in classes.items() for line in _class_lines(name, value)),
    ]
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines))


def _function_lines(name: str, function: Callable[..., Any], level: str) -> list[str]:
    prefix = "async " if inspect.iscoroutinefunction(function) else ""
    return [
        "",
        f"{level} `{name}`",
        "",
        "```text",
        prefix + _signature(name, function),
        "```",
        "",
        *_docstring_lines(function),
    ]


def _class_lines(name: str, cls: type) -> list[str]:
    lines = ["", f"### `{name}`", ""]
    if not issubclass(cls, WireModel):
        lines += ["```text", _signature(name, cls), "```", ""]
    lines += _docstring_lines(cls)
    if issubclass(cls, WireModel):
        lines += ["", "| field | type |", "|---|---|"]
        lines += [
            f"| `{field}` | `{_annotation(info.annotation)}` |"
            for field, info in cls.model_fields.items()
        ]
    for method, value in vars(cls).items():
        if method.startswith("_") or method in vars(WireModel) or method in vars(BaseModel):
            continue
        if inspect.isfunction(value):
            lines += _function_lines(f"{name}.{method}", value, "####")
        elif isinstance(value, property) and not dataclasses.is_dataclass(cls):
            lines += ["", f"#### `{name}.{method}`", "", *_docstring_lines(value)]
    return lines


def _signature(name: str, value: Callable[..., Any]) -> str:
    """The signature, one parameter a line when it is long; defaults that run code as `…`."""
    signature = inspect.signature(value)
    kept = [
        str(_plain(parameter))
        for parameter in signature.parameters.values()
        if parameter.name != "self"
    ]
    marked = _mark_keyword_only(signature, kept)
    returns = signature.return_annotation
    end = "" if returns is inspect.Signature.empty or inspect.isclass(value) else f" -> {returns}"
    line = f"{name}({', '.join(marked)}){end}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join((f"{name}(", *(f"    {part}," for part in marked), f"){end}"))


def _mark_keyword_only(signature: inspect.Signature, kept: list[str]) -> list[str]:
    kinds = [p.kind for p in signature.parameters.values() if p.name != "self"]
    if inspect.Parameter.VAR_POSITIONAL in kinds or inspect.Parameter.KEYWORD_ONLY not in kinds:
        return kept
    place = kinds.index(inspect.Parameter.KEYWORD_ONLY)
    return [*kept[:place], "*", *kept[place:]]


def _plain(parameter: inspect.Parameter) -> inspect.Parameter:
    """The parameter as a reader wants it: no quotes around its type, no object as its default."""
    default: Any = parameter.default
    if default is not inspect.Parameter.empty and not isinstance(
        default, str | int | float | tuple | None
    ):
        parameter = parameter.replace(default=_Shown("…"))
    if isinstance(parameter.annotation, str):
        parameter = parameter.replace(annotation=_Shown(parameter.annotation))
    return parameter


class _Shown:
    """Prints as a text without quotes."""

    def __init__(self, text: str) -> None:
        self._text = text

    @override
    def __repr__(self) -> str:
        return self._text


def _annotation(annotation: Any) -> str:
    text = annotation.__name__ if inspect.isclass(annotation) else str(annotation)
    if getattr(annotation, "__args__", None):
        text = str(annotation)
    return re.sub(r"\b(?:puna|typing)(?:\.\w+)*\.", "", text).replace("|", "\\|")


def _docstring_lines(value: object) -> list[str]:
    """A docstring as Markdown: its sections become lists."""
    doc = inspect.getdoc(value) or ""
    return list(_rendered(doc.splitlines()))


def _rendered(lines: list[str]) -> Iterator[str]:
    is_section = False
    item = ""
    for line in [*lines, ""]:
        found = _ITEM.fullmatch(line) if is_section else None
        is_more = is_section and bool(item) and line.startswith("        ")
        if is_more:
            item = f"{item} {line.strip()}"
            continue
        if item:
            yield item
            item = ""
        section = _SECTION.fullmatch(line)
        if section is not None:
            is_section = True
            yield from (f"*{section.group(1)}*", "")
        elif found is not None:
            names = cast("str", found.group(1)).split(", ")
            item = f"- {', '.join(f'`{name}`' for name in names)}: {found.group(2)}"
        else:
            is_section = is_section and bool(line)
            yield line.strip() if is_section else line
