"""Converts tools and tool choices of the Responses API to chat's.

Functions are flat here and nested in chat. A free-form (`custom`) tool becomes a function, and the
tools of a namespace become functions whose names begin with the namespace's. Tools that OpenAI's
service would run itself (web search, files, shell, MCP, …) are run by no host of Llama: they are
left out and reported, since clients such as Codex send them with every request; or refused where
the caller wants it strict.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.bridges.responses.custom_tools import custom_function
from puna.bridges.tool_names import joined_name
from puna.errors import BadRequestError
from puna.types.display import display, kind_of
from puna.types.messages import as_mapping

_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")
_OWN_KINDS = ("function", "custom")
"""Those that the caller runs."""
CHAT_KINDS = frozenset((*_OWN_KINDS, "namespace"))
"""Those that can be had over chat."""
ALWAYS_SENT = frozenset(
    ("image_generation", "local_shell", "tool_search", "web_search", "web_search_preview")
)
"""Hosted tools that clients send whatever is asked. Source: Codex's requests."""

_HOSTED = re.compile(
    "apply_patch|code_interpreter|computer|computer_use|computer_use_preview|file_search"
    "|image_generation|local_shell|mcp|shell|tool_search"
    r"|web_search(_preview)?(_\d{4}_\d{2}_\d{2})?"
)
"""The tools that OpenAI's service runs, or that only its models know. Source: OpenAI API reference,
"Create a model response", `tools`."""

_MODES = ("none", "auto", "required")
_FUNCTION_FIELDS = ("name", "description", "parameters", "strict")
_READ: Mapping[str, tuple[str, ...]] = {
    "function": ("type", *_FUNCTION_FIELDS),
    "custom": ("type", "name", "description", "format"),
    "namespace": ("type", "name", "tools"),
}
"""What of a tool goes on; chat has no place for what is said about all tools of a namespace."""


@dataclass(frozen=True, slots=True)
class CalledTool:
    """The caller's name for a tool: name, namespace, and whether it is free-form."""

    name: str
    namespace: str | None = None
    is_custom: bool = False


@dataclass(frozen=True, slots=True)
class Tools:
    """The tools of a request.

    Attributes:
        chat: in chat's shape.
        given: as a response repeats them: in the shape they came in, without those left out.
        special: the caller's tools that are no plain functions, by the function name hosts get.
        is_emptied: whether tools were given and all were left out.
    """

    chat: tuple[dict[str, Any], ...] = ()
    given: tuple[dict[str, Any], ...] = ()
    special: Mapping[str, CalledTool] = field(default_factory=dict[str, CalledTool])
    is_emptied: bool = False

    def names(self) -> list[str]:
        """The names of all tools that are sent."""
        return [tool["function"]["name"] for tool in self.chat]

    def only_named(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """The tools with these names, in chat's shape."""
        return [tool for tool in self.chat if tool["function"]["name"] in names]


def read_tools(tools: Any, omissions: Omissions, *, is_strict: bool = False) -> Tools:
    """Check `tools` and convert them. Those that OpenAI's service would run are left out.

    Raises:
        BadRequestError: a tool is malformed; `param` is its path.
        UnsupportedParamsError: a tool is of an unknown kind and `drop_params` is not set; or, where
            `is_strict`, of a kind that no host runs.
    """
    if tools in (None, [], ()):
        return Tools()
    if not isinstance(tools, Sequence) or isinstance(tools, str | bytes):
        raise BadRequestError(f"`tools` must be a list, not {kind_of(tools)}.", param="tools")
    reading = _Reading(omissions)
    for i, one in enumerate(cast("Sequence[Any]", tools)):
        path = f"tools[{i}]"
        tool = as_mapping(one)
        if tool is None:
            raise BadRequestError(f"`{path}` must be an object, not {kind_of(one)}.", param=path)
        kind = tool.get("type")
        if kind in _OWN_KINDS:
            reading.add(tool, path)
            reading.given.append(dict(tool))
        elif kind == "namespace":
            reading.add_namespace(tool, path)
            reading.given.append(dict(tool))
        elif isinstance(kind, str) and _HOSTED.fullmatch(kind) and not is_strict:
            omissions.note(path)
        else:
            omissions.refuse(
                path,
                f"`{path}.type` is `{display(kind)}`: hosts of Llama run no built-in tools. Use "
                "`function` or `custom` and run it yourself.",
                param=f"{path}.type",
            )
    return reading.tools()


class _Reading:
    """Collects the converted tools of one request."""

    def __init__(self, omissions: Omissions) -> None:
        self.given: list[dict[str, Any]] = []
        self._omissions = omissions
        self._chat: list[dict[str, Any]] = []
        self._names: set[str] = set()
        self._special: dict[str, CalledTool] = {}

    def add(self, tool: Mapping[str, Any], path: str, namespace: str | None = None) -> None:
        """Add a function or a free-form tool."""
        _check_tool(tool, path)
        is_custom = tool["type"] == "custom"
        self._omissions.note_unread(tool, _READ[tool["type"]], path)
        name = tool["name"] if namespace is None else joined_name(namespace, tool["name"])
        is_plain = not is_custom and namespace is None
        if name in self._names and (not is_plain or name in self._special):
            raise BadRequestError(
                f"`{path}.name` gives `{name}`, the name of another tool.", param=f"{path}.name"
            )
        if not is_plain:
            self._special[name] = CalledTool(tool["name"], namespace, is_custom)
        self._names.add(name)
        self._chat.append({"type": "function", "function": {**_to_chat_tool(tool), "name": name}})

    def add_namespace(self, tool: Mapping[str, Any], path: str) -> None:
        """Add the tools of a namespace."""
        name, inner = _name_of(tool, path), tool.get("tools")
        if not isinstance(inner, Sequence) or isinstance(inner, str | bytes):
            raise BadRequestError(f"`{path}.tools` must be a list.", param=f"{path}.tools")
        self._omissions.note_unread(tool, _READ["namespace"], path)
        for i, one in enumerate(cast("Sequence[Any]", inner)):
            place = f"{path}.tools[{i}]"
            given = as_mapping(one) or {}
            if given.get("type") not in _OWN_KINDS:
                raise BadRequestError(
                    f"`{place}.type` must be function or custom.", param=f"{place}.type"
                )
            self.add(given, place, name)

    def tools(self) -> Tools:
        """The collected tools."""
        chat = tuple(self._chat)
        return Tools(chat, tuple(self.given), self._special, is_emptied=not chat)


def read_tool_choice(choice: Any, tools: Tools, omissions: Omissions) -> dict[str, Any]:
    """Convert `tool_choice` to chat's `tools` and `tool_choice`.

    Raises:
        BadRequestError: the choice is malformed, or names a tool that was not given.
        UnsupportedParamsError: it demands a tool that no host runs, and `drop_params` is not set.
    """
    fields: dict[str, Any] = {"tools": list(tools.chat)} if tools.chat else {}
    if choice is None:
        return fields
    if tools.is_emptied and choice not in ("auto", "none"):
        omissions.refuse("tool_choice", "`tool_choice` asks for a tool, and none can be had.")
        return fields
    if isinstance(choice, str):
        if choice not in _MODES:
            raise _choice_error(choice)
        return {**fields, "tool_choice": choice}
    given = as_mapping(choice)
    if given is None:
        raise _choice_error(choice)
    kind = given.get("type")
    if kind in ("function", "custom"):
        name = given.get("name")
        if name not in tools.names():
            raise BadRequestError(
                f"`tool_choice.name` is `{display(name)}`, which is not in `tools`.",
                param="tool_choice.name",
            )
        omissions.note_unread(given, ("type", "name"), "tool_choice")
        return {**fields, "tool_choice": {"type": "function", "function": {"name": name}}}
    if kind == "allowed_tools":
        omissions.note_unread(given, ("type", "mode", "tools"), "tool_choice")
        return _allowed_fields(given, tools)
    omissions.refuse(
        "tool_choice",
        f"`tool_choice.type` is `{display(kind)}`: only functions and custom tools can be had.",
        param="tool_choice.type",
    )
    return fields


def _allowed_fields(choice: Mapping[str, Any], tools: Tools) -> dict[str, Any]:
    """The fields for a choice among some of the tools (`allowed_tools`).

    The others are not sent, as chat has no such choice.
    """
    mode = choice.get("mode", "auto")
    if mode not in ("auto", "required"):
        raise BadRequestError(
            f"`tool_choice.mode` must be auto or required, not `{display(mode)}`.",
            param="tool_choice.mode",
        )
    listed = choice.get("tools")
    if not isinstance(listed, Sequence) or isinstance(listed, str | bytes):
        raise BadRequestError("`tool_choice.tools` must be a list.", param="tool_choice.tools")
    wanted = [(as_mapping(one) or {}).get("name") for one in cast("Sequence[Any]", listed)]
    kept = tools.only_named([name for name in wanted if isinstance(name, str)])
    if not kept:
        raise BadRequestError(
            "`tool_choice.tools` names none of `tools`.", param="tool_choice.tools"
        )
    return {"tools": kept, "tool_choice": mode}


def _choice_error(choice: Any) -> BadRequestError:
    """Make the error for a malformed `tool_choice`."""
    return BadRequestError(
        "`tool_choice` must be none, auto, required, or an object such as "
        f'{{"type": "function", "name": …}}, not `{display(choice)}`.',
        param="tool_choice",
    )


def _name_of(tool: Mapping[str, Any], path: str) -> str:
    """The name of a tool. Raises BadRequestError where it is malformed."""
    name = tool.get("name")
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        nested = (
            "; in the Responses API `name` and `parameters` stand beside `type`, not in `function`"
            if "function" in tool
            else ""
        )
        raise BadRequestError(
            f"`{path}.name` must be 1 to 64 letters, digits, `_` or `-`, not "
            f"`{display(name)}`{nested}.",
            param=f"{path}.name",
        )
    return name


def _check_tool(tool: Mapping[str, Any], path: str) -> None:
    """Refuse a tool whose parameters or format are malformed."""
    _name_of(tool, path)
    for part, kind, what in (
        ("description", str, "a string"),
        ("parameters", Mapping, "a JSON schema object"),
        ("strict", bool, "true or false"),
        ("format", Mapping, "an object"),
    ):
        value = tool.get(part)
        if value is not None and not isinstance(value, kind):
            raise BadRequestError(f"`{path}.{part}` must be {what}.", param=f"{path}.{part}")


def _to_chat_tool(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a function to chat's form, in which its fields are nested."""
    if tool["type"] == "custom":
        return custom_function(tool)
    return {name: tool[name] for name in _FUNCTION_FIELDS if tool.get(name) is not None}
