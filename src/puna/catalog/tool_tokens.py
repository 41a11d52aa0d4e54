"""Counts the tokens of tool definitions in prompt formats.

Llama's format has each tool as JSON with an indent of four, after sentences on how to call one.
Source: the chat template of Llama 3.1. OpenAI's models get a signature for each function. Source:
OpenAI's cookbook, "How to count tokens with tiktoken", the numbers of gpt-4o. Other models have
other formats; they are counted as OpenAI's.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

_INSTRUCTIONS = 60  # the sentences of Llama's format, about

_FUNCTION = 7
_PROPERTIES = 3
_PROPERTY = 3
_VALUES = -3
_VALUE = 3
_END = 12
_DEEPEST = 20


def count_tools(
    tools: Sequence[Mapping[str, Any]], counter: Callable[[str], int], *, is_llama: bool
) -> int:
    """The tokens of a request's tools; `counter` counts those of a text."""
    if is_llama:
        return _INSTRUCTIONS + sum(counter(_indented(tool)) for tool in tools)
    return _END + sum(_count_function(_function_of(tool), counter) for tool in tools)


def _indented(tool: object) -> str:
    return json.dumps(tool, ensure_ascii=False, default=str, indent=4) + "\n\n"


def _function_of(tool: Mapping[str, Any]) -> Mapping[str, Any]:
    """The function of a tool, in whichever of the three shapes the tool has."""
    function = tool.get("function")
    return function if isinstance(function, Mapping) else tool


def _count_function(function: Mapping[str, Any], counter: Callable[[str], int]) -> int:
    """The tokens of one function's signature."""
    described = f"{function.get('name')}:{_without_full_stop(function.get('description'))}"
    parameters = function.get("parameters") or function.get("input_schema")
    return _FUNCTION + counter(described) + _count_properties(parameters, counter, _DEEPEST)


def _count_properties(schema: object, counter: Callable[[str], int], deepest: int) -> int:
    """The tokens of a schema's properties, down to `deepest` levels."""
    properties = schema.get("properties") if isinstance(schema, Mapping) else None
    if not isinstance(properties, Mapping) or not properties or deepest == 0:
        return 0
    total = _PROPERTIES
    for name, found in properties.items():
        rules: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
        values = rules.get("enum")
        if isinstance(values, list):
            total += _VALUES + sum(_VALUE + counter(str(value)) for value in values)
        written = f"{name}:{rules.get('type')}:{_without_full_stop(rules.get('description'))}"
        total += _PROPERTY + counter(written)
        for inner in (rules, rules.get("items")):
            total += _count_properties(inner, counter, deepest - 1)
    return total


def _without_full_stop(description: object) -> str:
    return description.removesuffix(".") if isinstance(description, str) else ""


__all__ = ["count_tools"]
