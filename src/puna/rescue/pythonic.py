"""Parses calls written as Python, as Llama 3.2 and 4 do: `f(x=1, y=["a"])`, literals only.

Source: Llama 3.3 and Llama 4 model cards, "Zero-shot function calling". Nothing is evaluated: the
arguments are parsed as a syntax tree, and anything but literals makes it no call.
"""

from __future__ import annotations

import ast
import re
from keyword import iskeyword, kwlist
from typing import Any

from puna.rescue.brackets import end_of_brackets
from puna.rescue.tools import FoundCall, KnownTools

NAME = re.compile(r"[A-Za-z0-9_.-]+")
"""Tools' names are wider than Python's: `get-weather` is one."""

_BLANK = re.compile(r"\s*")
_TEXT = r"""(?P<text>"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_MENDED = re.compile(rf"{_TEXT}|\b(?:{'|'.join(kwlist)})\b(?=\s*=(?!=))", re.DOTALL)
_SAFE = "keyword_"
"""Before a keyword of Python that is an argument's name, such as `from`."""

_ESCAPE = re.compile(r"\\(.)", re.DOTALL)
_KNOWN_ESCAPES = frozenset("\\'\"abfnrtvxuU")
_WORDS: dict[str, Any] = {"true": True, "false": False, "null": None, "none": None}


class _NoLiteral(Exception):  # noqa: N818 - never leaves this module
    """The arguments hold something other than literals."""


def read_pythonic_list(text: str, tools: KnownTools) -> list[FoundCall] | None:
    """Parse the calls of `[f(x=1), g()]`; None if any part of it is no call."""
    calls: list[FoundCall] = []
    position = 1
    while True:
        position = _skip_blank(text, position)
        if text[position] == "]":
            return calls or None
        found = NAME.match(text, position)
        if found is None or text[found.end() : found.end() + 1] != "(":
            return None
        end = end_of_brackets(text, found.end())
        call = read_pythonic_call(text[position:end], tools) if end is not None else None
        if call is None or end is None:
            return None
        calls.append(call)
        position = _skip_blank(text, end)
        if text[position] == ",":
            position += 1
        elif text[position] != "]":
            return None


def read_pythonic_call(text: str, tools: KnownTools) -> FoundCall | None:
    """Parse the call of `f(x=1)`, or of `f.call(x=1)`, as Llama 3.1 calls its built-in tools."""
    name, _, rest = text.partition("(")
    if name not in tools:
        name = name.removesuffix(".call")
    if name not in tools:
        return None
    try:
        return tools.make_call(name, _read_keywords(f"f({rest}"))
    except (SyntaxError, ValueError, RecursionError, MemoryError, _NoLiteral):
        return None


def _skip_blank(text: str, position: int) -> int:
    """The index after white space."""
    found = _BLANK.match(text, position)
    return found.end() if found else position


def _read_keywords(source: str) -> dict[str, Any]:
    """The keyword arguments of a call. Raises `_NoLiteral` for anything else."""
    node = ast.parse(_MENDED.sub(_mend_syntax, source), mode="eval").body
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name) or node.args:
        raise _NoLiteral
    arguments: dict[str, Any] = {}
    for keyword in node.keywords:
        name = _keyword_name(keyword.arg or "")
        if not name or name in arguments:
            raise _NoLiteral
        arguments[name] = _read_literal(keyword.value)
    return arguments


def _read_literal(node: ast.expr) -> Any:
    """The value of a literal. Raises `_NoLiteral` for anything else."""
    match node:
        case ast.Constant(value=str() | int() | float() | None as value):
            return value
        case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
            return -value
        case ast.List(elts=elements) | ast.Tuple(elts=elements):
            return [_read_literal(element) for element in elements]
        case ast.Dict(keys=keys, values=values):
            names = [_read_key(key) for key in keys]
            return dict(zip(names, map(_read_literal, values), strict=True))
        case ast.Name(id=word) if word in _WORDS:
            return _WORDS[word]
        case _:
            raise _NoLiteral


def _read_key(node: ast.expr | None) -> str:
    """The key of a dict. Raises `_NoLiteral` unless it is a text."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    raise _NoLiteral


def _mend_syntax(found: re.Match[str]) -> str:
    """Replace what Python refuses: line breaks and odd escapes in strings, keywords as names."""
    text: str | None = found["text"]
    if text is None:
        return _SAFE + found.group()
    kept = _ESCAPE.sub(_mend_escape, text)
    return kept.replace("\r", "\\r").replace("\n", "\\n")


def _keyword_name(given: str) -> str:
    """An argument's name; undoes the prefix that keeps Python's keywords from being one."""
    name = given.removeprefix(_SAFE)
    return name if iskeyword(name) else given


def _mend_escape(found: re.Match[str]) -> str:
    """An escape sequence as Python accepts it: an unknown one keeps its backslash."""
    return found.group() if found.group(1) in _KNOWN_ESCAPES else "\\" + found.group()
