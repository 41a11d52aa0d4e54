"""Converts Anthropic's tools to chat's functions. Long names get an alias.

Chat allows fewer characters.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, cast

from puna.bridges.omissions import Omissions
from puna.bridges.tool_names import alias_of
from puna.errors import BadRequestError
from puna.types.display import display, kind_of

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,128}")
_CUSTOM = (None, "custom")
_READ_FIELDS = frozenset(("type", "name", "description", "input_schema"))

CHOICES: Mapping[str, Literal["none", "auto", "required"]] = {
    "auto": "auto",
    "any": "required",
    "none": "none",
}
"""What `tool_choice` is in chat, by its type here."""


def read_tools(tools: object, omissions: Omissions) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Convert `tools` to chat functions.

    Returns them, and the caller's tool names by their aliases.

    Fields that a function does not have stay beside it, for hosts of the Messages API. A tool with
    a `type` of its own is one that Anthropic runs, or that only its models know.

    Raises:
        BadRequestError: a tool is malformed; `param` is its path.
        UnsupportedParamsError: chat has no such tool, and `drop_params` is not set.
    """
    if tools is None:
        return [], {}
    if not isinstance(tools, list):
        raise BadRequestError(f"`tools` must be a list, not {kind_of(tools)}.", param="tools")
    functions: list[dict[str, Any]] = []
    names: dict[str, str] = {}
    for i, tool in enumerate(cast("list[Any]", tools)):
        path = f"tools[{i}]"
        if not isinstance(tool, Mapping):
            raise BadRequestError(f"`{path}` must be an object, not {kind_of(tool)}.", param=path)
        given = cast("Mapping[str, Any]", tool)
        kind = given.get("type")
        if kind not in _CUSTOM:
            omissions.refuse(f"{path}.type", _tool_type_error(kind, path))
            continue
        name = _read_name(given.get("name"), f"{path}.name")
        names[alias_of(name)] = name
        functions.append(_to_function(given, name, path))
    return functions, names


def _tool_type_error(kind: Any, path: str) -> str:
    """The error message for a tool of a type that only Anthropic knows."""
    if kind == "function":
        return (
            f"`{path}` has the shape of OpenAI's chat API; in the Messages API a tool is "
            '`{"name": …, "description": …, "input_schema": …}`.'
        )
    return (
        f"`{path}.type` is `{display(kind)}`, a tool that Anthropic runs or that its models are "
        "trained for; other hosts take tools with an `input_schema` only."
    )


def read_tool_choice(choice: Any) -> dict[str, Any]:
    """Convert `tool_choice` to `tool_choice` and `parallel_tool_calls` of chat.

    Raises:
        BadRequestError: it is malformed; `param` is its path.
    """
    if choice is None:
        return {}
    kind = choice.get("type") if isinstance(choice, Mapping) else None
    if kind == "tool":
        name = alias_of(_read_name(choice.get("name"), "tool_choice.name"))
        fields: dict[str, Any] = {"tool_choice": {"type": "function", "function": {"name": name}}}
    elif isinstance(kind, str) and kind in CHOICES:
        fields = {"tool_choice": CHOICES[kind]}
    else:
        raise BadRequestError(
            '`tool_choice` must be an object such as {"type": "auto"}; the types are auto, any, '
            "tool and none.",
            param="tool_choice",
        )
    is_single = choice.get("disable_parallel_tool_use")
    if is_single is not None and not isinstance(is_single, bool):
        raise BadRequestError(
            "`tool_choice.disable_parallel_tool_use` must be true or false.",
            param="tool_choice.disable_parallel_tool_use",
        )
    return {**fields, "parallel_tool_calls": False} if is_single else fields


def _to_function(tool: Mapping[str, Any], name: str, path: str) -> dict[str, Any]:
    """Convert a tool to a chat function under the name `name`."""
    schema = tool.get("input_schema")
    if not isinstance(schema, Mapping):
        raise BadRequestError(
            f"`{path}.input_schema` must be a JSON schema object, not {kind_of(schema)}.",
            param=f"{path}.input_schema",
        )
    description = tool.get("description")
    if description is not None and not isinstance(description, str):
        raise BadRequestError(
            f"`{path}.description` must be a string.", param=f"{path}.description"
        )
    function = {"name": alias_of(name), "parameters": schema}
    if description is not None:
        function["description"] = description
    others = {k: v for k, v in tool.items() if k not in _READ_FIELDS and v is not None}
    return {**others, "type": "function", "function": function}


def _read_name(name: object, path: str) -> str:
    """Check the name of a tool. Raises BadRequestError."""
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise BadRequestError(
            f"`{path}` must be 1 to 128 letters, digits, `_` or `-`, not `{display(name)}`.",
            param=path,
        )
    return name
