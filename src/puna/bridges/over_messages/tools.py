"""Converts chat's tools and `tool_choice` to those of the Messages API."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

Fields = dict[str, Any]

_CHOICES = {"auto": "auto", "required": "any", "none": "none"}
_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}


def tools_of(tools: Sequence[Mapping[str, Any]]) -> list[Fields]:
    """Convert functions to tools. A tool of another type is the API's own and is passed through.

    Extra fields beside a function are kept, such as `cache_control`.
    """
    return [_convert_tool(tool) if tool.get("type") == "function" else dict(tool) for tool in tools]


def choice_of(params: Mapping[str, Any]) -> Fields:
    """Convert `tool_choice` and `parallel_tool_calls` to the API's one field.

    Empty where neither is given.
    """
    given = params.get("tool_choice")
    is_single = params.get("parallel_tool_calls") is False
    if given is None and not (is_single and params.get("tools")):
        return {}
    if isinstance(given, Mapping):
        named = cast("Mapping[str, Any]", given)
        is_function = named.get("type", "function") == "function"
        name = named["function"]["name"] if is_function else None
        choice: Fields = {"type": "tool", "name": name} if is_function else dict(named)
    else:
        choice = {"type": _CHOICES[given or "auto"]}
    if is_single and choice["type"] != "none":
        choice["disable_parallel_tool_use"] = True
    return {"tool_choice": choice}


def _convert_tool(tool: Mapping[str, Any]) -> Fields:
    """Convert a chat function to a tool of the API."""
    function = tool["function"]
    schema = function.get("parameters") or _NO_PARAMETERS
    made: Fields = {"name": function["name"], "input_schema": {"type": "object", **schema}}
    for name in ("description", "strict"):
        if function.get(name) is not None:
            made[name] = function[name]
    beside = {name: v for name, v in tool.items() if name not in ("type", "function")}
    return {**made, **beside}
