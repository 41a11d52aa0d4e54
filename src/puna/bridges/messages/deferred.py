"""Tools that a model is offered only once something has referred to them (`defer_loading`).

Claude Code searches for tools by itself: it marks most of them with `defer_loading`, and the result
of its search refers to those that were found (`tool_reference`). Anthropic's hosts support both.
Every other host gets the tools that were referred to so far, and texts in place of the references.
Source: Anthropic's page "Tool search tool".
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from puna.bridges.messages.plain_chat import CACHE_CONTROL
from puna.bridges.messages_only import TOOL_REFERENCE
from puna.bridges.tool_names import alias_of

_DEFER = "defer_loading"
_TOOL_FIELDS = ("type", "function")
_CHOICE = "tool_choice"
_ABOUT_TOOLS = (_CHOICE, "parallel_tool_calls")


def plain_tools(
    tools: Sequence[Any], messages: Sequence[Mapping[str, Any]], choice: Any = None
) -> tuple[list[Any], tuple[str, ...]]:
    """Choose the tools to offer to a host of chat. Returns them, and the names of removed fields.

    Deferred tools are left out until the messages or `choice` (the request's `tool_choice`) name
    them.
    """
    found: dict[str, None] = {}
    is_deferred = any(tool.get(_DEFER) for tool in tools)
    named = frozenset(_named_tools(messages, choice)) if is_deferred else frozenset[str]()
    plain: list[Any] = []
    for tool in tools:
        for name in tool:
            if name not in _TOOL_FIELDS:
                found[name if name == CACHE_CONTROL else f"tools.{name}"] = None
        if tool.get(_DEFER) and tool.get("function", {}).get("name") not in named:
            continue
        plain.append({name: tool[name] for name in _TOOL_FIELDS if name in tool})
    return plain, tuple(found)


def replace_tools(
    params: Mapping[str, Any], tools: Sequence[Any]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Put these tools into the parameters. Returns them, and the names of what that removed.

    Where no tool is left, `tool_choice` and `parallel_tool_calls` are removed, too.
    """
    if "tools" not in params or tools:
        return ({**params, "tools": list(tools)} if tools else params), ()
    rest = {k: v for k, v in params.items() if k != "tools" and k not in _ABOUT_TOOLS}
    lost = params.get(_CHOICE, "auto") not in ("auto", "none")
    return rest, (_CHOICE,) if lost else ()


def _named_tools(messages: Sequence[Mapping[str, Any]], choice: Any) -> Iterator[str]:
    """The names of all tools that the conversation refers to or has called."""
    for message in messages:
        content = message.get("content")
        for part in cast("list[Mapping[str, Any]]", content) if isinstance(content, list) else ():
            if part.get("type") == TOOL_REFERENCE:
                yield alias_of(part["tool_name"])
        for call in message.get("tool_calls", ()):
            yield str(call["function"].get("name"))
    if isinstance(choice, Mapping):
        yield str(cast("Mapping[str, Any]", choice).get("function", {}).get("name"))
