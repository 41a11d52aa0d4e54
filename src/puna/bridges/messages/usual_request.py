"""The types of a usual Messages request, for `envelope.py`: what has none makes it unusual.

Source: Anthropic API reference, "Create a Message".
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, Raw, Struct, UnsetType

from puna.wire.envelope import Number, Strict

_Absent = UnsetType | None
_Unread = Raw | UnsetType


class TextBlock(Strict, tag_field="type", tag="text"):
    """A text."""

    text: str
    cache_control: _Unread = UNSET
    citations: _Absent = UNSET


class Base64Source(Strict, tag_field="type", tag="base64"):
    """An image in base64."""

    media_type: str
    data: str


class URLSource(Strict, tag_field="type", tag="url"):
    """The address of an image."""

    url: str


class ImageBlock(Strict, tag_field="type", tag="image"):
    """An image."""

    source: Base64Source | URLSource
    cache_control: _Unread = UNSET


class Caller(Strict):
    """The `caller` of a tool call: the model itself. Other callers make the request unusual."""

    type: Literal["direct"]


class ToolUseBlock(Strict, tag_field="type", tag="tool_use"):
    """A tool call; `input` is an undecoded object."""

    id: str
    name: str
    input: Raw
    caller: Caller | _Absent = UNSET
    cache_control: _Unread = UNSET


class ToolResultBlock(Strict, tag_field="type", tag="tool_result"):
    """The result of a tool call; `content` is an undecoded text or list."""

    tool_use_id: str
    content: _Unread = UNSET
    is_error: bool | _Absent = UNSET
    cache_control: _Unread = UNSET


class UserTurn(Strict, tag_field="role", tag="user"):
    """A turn of the user; `content`, as in every turn, is an undecoded text or list."""

    content: Raw


class AssistantTurn(Strict, tag_field="role", tag="assistant"):
    """A turn of the model."""

    content: Raw


class SystemTurn(Strict, tag_field="role", tag="system"):
    """Instructions between turns."""

    content: Raw


class MessagesTool(Strict):
    """A tool that the client runs; `input_schema` is undecoded."""

    name: str
    input_schema: Raw
    description: str | _Absent = UNSET
    type: Literal["custom"] | _Absent = UNSET
    cache_control: _Unread = UNSET
    defer_loading: bool | _Absent = UNSET


class ToolChoice(Strict):
    """`tool_choice`."""

    type: Literal["auto", "any", "none", "tool"]
    name: str | _Absent = UNSET
    disable_parallel_tool_use: bool | _Absent = UNSET


class Metadata(Struct):
    """What is read of `metadata`."""

    user_id: str | _Absent = UNSET


class Typed(Struct):
    """Any object, of which only `type` is read."""

    type: str | _Absent = UNSET


class MessagesBody(Strict):
    """The body of a request."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    max_tokens: Annotated[int, Meta(ge=1, le=2**63 - 1)]
    messages: Annotated[list[UserTurn | AssistantTurn | SystemTurn], Meta(min_length=1)]
    stream: bool | None = None
    system: _Unread = UNSET
    temperature: Number = UNSET
    top_p: Number = UNSET
    stop_sequences: list[str] | _Absent = UNSET
    tools: list[MessagesTool] | _Absent = UNSET
    tool_choice: ToolChoice | _Absent = UNSET
    metadata: _Unread = UNSET
    # For a host of the same API only, and reported as left out.
    context_management: _Unread = UNSET
    output_config: _Unread = UNSET
    thinking: _Unread = UNSET
