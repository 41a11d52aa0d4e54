"""Input items as chat messages.

A text of the model and the calls that follow it are one message in chat; reasoning is left out and
told, for no host of Llama takes it back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.omissions import Omissions
from puna.bridges.responses.content import read_content
from puna.bridges.responses.custom_tools import arguments_of
from puna.bridges.tool_names import joined_name
from puna.errors import BadRequestError
from puna.types.shown import shown

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_UNSEEN = (
    "reasoning",
    "code_interpreter_call",
    "file_search_call",
    "image_generation_call",
    "mcp_approval_request",
    "mcp_approval_response",
    "mcp_call",
    "mcp_list_tools",
    "tool_search_call",
    "tool_search_output",
    "web_search_call",
)
"""What a model thought, and what another one's service did by itself in earlier turns: no part of a
chat."""

_OUTPUTS = ("function_call_output", "custom_tool_call_output")
_ABOUT_ITSELF = ("type", "id", "status")
"""Which item it is, and how its making ended: nothing of what was said."""
_READ: Mapping[str, tuple[str, ...]] = {
    "message": (*_ABOUT_ITSELF, "role", "content"),
    "function_call": (*_ABOUT_ITSELF, "call_id", "name", "namespace", "arguments"),
    "custom_tool_call": (*_ABOUT_ITSELF, "call_id", "name", "namespace", "input"),
    **dict.fromkeys(_OUTPUTS, (*_ABOUT_ITSELF, "call_id", "output")),
}


def messages_of(
    items: Sequence[Mapping[str, Any]],
    omissions: Omissions,
    earlier: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Items as chat messages; `earlier` ones go before them, and were read once before.

    Raises:
        BadRequestError: `param` is the path of what is wrong.
    """
    talk = _Talk(Omissions())
    for i, item in enumerate(earlier):
        talk.add(item, f"earlier[{i}]")
    talk.omissions = omissions
    for i, item in enumerate(items):
        talk.add(item, f"input[{i}]")
    return talk.messages


class _Talk:
    """Messages under way."""

    def __init__(self, omissions: Omissions) -> None:
        self.omissions = omissions
        self.messages: list[dict[str, Any]] = []
        self._calls: set[str] = set()
        self._speaking: dict[str, Any] | None = None

    def add(self, item: Mapping[str, Any], path: str) -> None:
        kind = item["type"]
        if kind in _READ:
            self.omissions.note_unread(item, _READ[kind], f"input.{kind}")
        if kind == "message":
            self._add_message(item, path)
        elif kind == "function_call":
            self._add_call(item, path, _text(item, "arguments", path))
        elif kind == "custom_tool_call":
            self._add_call(item, path, arguments_of(_text(item, "input", path)))
        elif kind in _OUTPUTS:
            self._add_output(item, path)
        elif kind in _UNSEEN:
            self.omissions.note(f"input.{kind}")
        else:
            raise BadRequestError(
                f"`{path}.type` must be one of {', '.join((*_READ, 'reasoning'))}, not "
                f"`{shown(kind)}`.",
                param=f"{path}.type",
            )

    def _add_message(self, item: Mapping[str, Any], path: str) -> None:
        role = item.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise BadRequestError(
                f"`{path}.role` must be one of {', '.join(_ROLES)}, not `{shown(role)}`.",
                param=f"{path}.role",
            )
        is_spoken = role != "user"
        content = read_content(
            item.get("content"), f"{path}.content", self.omissions, is_spoken=is_spoken
        )
        message = {"role": _ROLES[role], "content": content}
        self._speaking = message if role == "assistant" else None
        self.messages.append(message)

    def _add_call(self, item: Mapping[str, Any], path: str, arguments: str) -> None:
        call_id, name = _text(item, "call_id", path), _text(item, "name", path)
        if item.get("namespace"):
            name = joined_name(_text(item, "namespace", path), name)
        self._calls.add(call_id)
        if self._speaking is None:
            self._speaking = {"role": "assistant", "content": None}
            self.messages.append(self._speaking)
        if not self._speaking["content"]:
            self._speaking["content"] = None  # some hosts refuse an empty text beside calls
        self._speaking.setdefault("tool_calls", []).append(
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
        )

    def _add_output(self, item: Mapping[str, Any], path: str) -> None:
        call_id = _text(item, "call_id", path)
        if call_id not in self._calls:
            raise BadRequestError(
                f"`{path}.call_id` is `{shown(call_id)}`, which no call before it has; send the "
                "call too, or `previous_response_id`.",
                param=f"{path}.call_id",
            )
        content = read_content(item.get("output"), f"{path}.output", self.omissions, is_spoken=True)
        self._speaking = None
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


def _text(item: Mapping[str, Any], name: str, path: str) -> str:
    value = item.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"`{path}.{name}` must be a string.", param=f"{path}.{name}")
    return value
