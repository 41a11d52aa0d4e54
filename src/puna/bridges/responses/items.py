"""Converts input items to chat messages.

A text of the model and the calls that follow it become one chat message. Reasoning in clear text is
put as blocks into the model's next message; hosts that accept it get it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.bridges.responses.content import read_content
from puna.bridges.responses.custom_tools import custom_arguments
from puna.bridges.tool_names import joined_name
from puna.errors import BadRequestError
from puna.types.display import display
from puna.types.messages import THINKING_BLOCKS

_ROLES = {"user": "user", "assistant": "assistant", "system": "system", "developer": "system"}
_REASONING = "reasoning"
_INVISIBLE = (
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
"""What another model's service did by itself in earlier turns: no part of a chat."""

_CALLS = ("function_call", "custom_tool_call")
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
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Convert input items to chat messages; `earlier` items, which were checked before, come first.

    Returns the messages, and the paths of the images in their order.

    Raises:
        BadRequestError: `param` is the path of what is malformed.
    """
    messages = _Messages(Omissions(), _call_ids((*earlier, *items)))
    for i, item in enumerate(earlier):
        messages.add(item, f"earlier[{i}]")
    messages.omissions = omissions
    for i, item in enumerate(items):
        messages.add(item, f"input[{i}]")
    messages.end()
    return messages.messages, tuple(messages.image_paths)


def _call_ids(items: Sequence[Mapping[str, Any]]) -> frozenset[str]:
    """The ids of all calls, needed because a result may come before its call."""
    return frozenset(
        item["call_id"]
        for item in items
        if item["type"] in _CALLS and isinstance(item.get("call_id"), str)
    )


class _Messages:
    """Collects the chat messages that the items become."""

    def __init__(self, omissions: Omissions, call_ids: frozenset[str]) -> None:
        self.omissions = omissions
        self.messages: list[dict[str, Any]] = []
        self.image_paths: list[str] = []
        self._calls = call_ids
        self._thoughts: list[dict[str, Any]] = []
        self._current: dict[str, Any] | None = None

    def add(self, item: Mapping[str, Any], path: str) -> None:
        """Convert the next item and add it."""
        kind = item["type"]
        if kind in _READ:
            self.omissions.note_unread(item, _READ[kind], f"input.{kind}")
        if kind == "message":
            self._add_message(item, path)
        elif kind == "function_call":
            self._add_call(item, path, _read_text(item, "arguments", path))
        elif kind == "custom_tool_call":
            self._add_call(item, path, custom_arguments(_read_text(item, "input", path)))
        elif kind in _OUTPUTS:
            self._add_output(item, path)
        elif kind == _REASONING:
            self._add_thought(item)
        elif kind in _INVISIBLE:
            self.omissions.note(f"input.{kind}")
        else:
            raise BadRequestError(
                f"`{path}.type` must be one of {', '.join((*_READ, 'reasoning'))}, not "
                f"`{display(kind)}`.",
                param=f"{path}.type",
            )

    def end(self) -> None:
        """Flush reasoning that no message followed; called after the last item."""
        self._drop_thoughts()

    def _add_thought(self, item: Mapping[str, Any]) -> None:
        """Keep a reasoning item's text until the model's next message, which gets it."""
        text = thought_of(item)
        if text:
            self._thoughts.append({"type": "thinking", "thinking": text})
        else:
            self.omissions.note(f"input.{_REASONING}")  # encrypted, or nothing but an id

    def _drop_thoughts(self) -> None:
        """Drop kept reasoning that no message of the model follows, and report it."""
        if self._thoughts:
            self._thoughts = []
            self.omissions.note(f"input.{_REASONING}")

    def _attach_thoughts(self, message: dict[str, Any]) -> None:
        """Put kept reasoning into a message of the model."""
        if self._thoughts:
            message[THINKING_BLOCKS] = [*message.get(THINKING_BLOCKS, ()), *self._thoughts]
            self._thoughts = []

    def _note_images(self, content: Any, path: str) -> None:
        """Record the paths of the images in a content."""
        for i, part in enumerate(content if isinstance(content, list) else ()):
            if part["type"] == "image_url":
                self.image_paths.append(f"{path}[{i}]")

    def _add_message(self, item: Mapping[str, Any], path: str) -> None:
        """Convert a message item."""
        role = item.get("role")
        if not isinstance(role, str) or role not in _ROLES:
            raise BadRequestError(
                f"`{path}.role` must be one of {', '.join(_ROLES)}, not `{display(role)}`.",
                param=f"{path}.role",
            )
        is_joined = role != "user"
        content = read_content(
            item.get("content"), f"{path}.content", self.omissions, is_joined=is_joined
        )
        self._note_images(content, f"{path}.content")
        message: dict[str, Any] = {"role": _ROLES[role], "content": content}
        self._current = message if role == "assistant" else None
        if self._current is None:
            self._drop_thoughts()
        else:
            self._attach_thoughts(message)
        self.messages.append(message)

    def _add_call(self, item: Mapping[str, Any], path: str, arguments: str) -> None:
        """Add a call to the model's current message, or to a new one."""
        call_id, name = _read_text(item, "call_id", path), _read_text(item, "name", path)
        if item.get("namespace"):
            name = joined_name(_read_text(item, "namespace", path), name)
        if self._current is None:
            self._current = {"role": "assistant", "content": None}
            self.messages.append(self._current)
        if not self._current["content"]:
            self._current["content"] = None  # some hosts refuse an empty text beside calls
        self._attach_thoughts(self._current)
        self._current.setdefault("tool_calls", []).append(
            {
                "id": call_id,
                "type": "function",
                "function": {"name": name, "arguments": arguments},
            }
        )

    def _add_output(self, item: Mapping[str, Any], path: str) -> None:
        """Convert a call's output to a tool message.

        Raises BadRequestError where its call is missing.
        """
        call_id = _read_text(item, "call_id", path)
        if call_id not in self._calls:
            raise BadRequestError(
                f"`{path}.call_id` is `{display(call_id)}`, which no call has; send the "
                "call too, or `previous_response_id`.",
                param=f"{path}.call_id",
            )
        content = read_content(item.get("output"), f"{path}.output", self.omissions, is_joined=True)
        self._note_images(content, f"{path}.output")
        self._current = None
        self._drop_thoughts()
        self.messages.append({"role": "tool", "tool_call_id": call_id, "content": content})


def thought_of(item: Mapping[str, Any]) -> str:
    """The text of a reasoning item: its content, else its summary."""
    for name in ("content", "summary"):
        parts = item.get(name)
        texts = [
            part["text"]
            for part in (cast("list[Any]", parts) if isinstance(parts, list) else ())
            if isinstance(part, Mapping) and isinstance(part.get("text"), str)
        ]
        if any(texts):
            return "\n".join(texts)
    return ""


def _read_text(item: Mapping[str, Any], name: str, path: str) -> str:
    """A required text field of an item. Raises BadRequestError where it is none."""
    value = item.get(name)
    if not isinstance(value, str):
        raise BadRequestError(f"`{path}.{name}` must be a string.", param=f"{path}.{name}")
    return value
