"""The items of a usual Responses request as chat messages, for `envelope.py`.

`items.py` has the rules, and reads all other items.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from msgspec import UNSET, Meta, Raw, UnsetType
from msgspec.json import Decoder, Encoder

from puna.bridges.omissions import Omissions
from puna.bridges.responses.usual_request import InputImage, Item, OutputText, Part
from puna.wire.envelope import (
    EMPTY_TEXT,
    AssistantMessage,
    CalledFunction,
    ImagePart,
    ImageURL,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UnusualRequestError,
    UserMessage,
    is_given,
    is_text,
    text_content,
)

_OF_OTHERS: Mapping[str, tuple[str, ...]] = {
    "message": ("call_id", "name", "arguments", "output", "summary", "encrypted_content"),
    "function_call": ("role", "content", "output", "summary", "encrypted_content"),
    "function_call_output": (
        *("role", "content", "name", "arguments", "summary", "encrypted_content"),
    ),
    "reasoning": ("role", "call_id", "name", "arguments", "output"),
}
"""Fields that items of these types do not have: one that has them would have to be reported."""

_items_decoder = Decoder(Annotated[list[Item], Meta(min_length=1)])
_parts_decoder = Decoder(Annotated[list[Part], Meta(min_length=1)])
_encoder = Encoder()


def read_usual_input(given: Raw, omissions: Omissions) -> list[Message]:
    """Convert an undecoded `input`, a text or a list of items; notes what is left out.

    Raises:
        UnusualRequestError: an item must be read by `items.py`.
        MsgspecError: likewise.
    """
    if is_text(given):
        if bytes(given) == EMPTY_TEXT:
            raise UnusualRequestError
        return [UserMessage(content=given)]
    items = _items_decoder.decode(given)
    call_ids = {item.call_id for item in items if item.type == "function_call"}
    messages: list[Message] = []
    answer: AssistantMessage | None = None
    """The answer that calls are added to, if they follow it at once."""
    for item in items:
        kind = item.type or "message"
        if any(getattr(item, name) not in (None, UNSET) for name in _unknown_fields(kind)):
            raise UnusualRequestError
        if kind == "reasoning":
            if not (_is_empty(item.content) and _is_empty(item.summary)):
                raise UnusualRequestError
            omissions.note("input.reasoning")
            continue
        if kind == "function_call":
            if answer is None:
                answer = AssistantMessage()
                messages.append(answer)
            _add_call(answer, item)
            continue
        message = _convert_message(item) if kind == "message" else _convert_result(item, call_ids)
        messages.append(message)
        answer = message if type(message) is AssistantMessage else None
    return messages


def _unknown_fields(kind: str) -> tuple[str, ...]:
    """The fields that an item of this type does not have; one of these makes the item unusual."""
    names = _OF_OTHERS.get(kind)
    if names is None:
        raise UnusualRequestError
    return names


def _add_call(answer: AssistantMessage, item: Item) -> None:
    """Add a call to an answer."""
    if not (item.call_id and item.name) or not isinstance(item.arguments, str):
        raise UnusualRequestError
    function = CalledFunction(item.name, item.arguments)
    call = ToolCall(id=item.call_id, type="function", function=function)
    if answer.tool_calls:
        answer.tool_calls.append(call)
    else:
        answer.tool_calls = [call]


def _convert_result(item: Item, call_ids: set[str | UnsetType | None]) -> ToolMessage:
    """Convert a call's output to a tool message; `call_ids` are those of all calls."""
    if not item.call_id or item.call_id not in call_ids or not is_given(item.output):
        raise UnusualRequestError
    return ToolMessage(content=_join_texts(item.output), tool_call_id=item.call_id)


def _convert_message(item: Item) -> Message:
    """Convert a message item to a chat message."""
    content = item.content
    if not is_given(content):
        raise UnusualRequestError
    if item.role == "user":
        return UserMessage(content=_convert_user_content(content))
    text = _join_texts(content)
    if bytes(text) == EMPTY_TEXT:
        raise UnusualRequestError
    if item.role == "assistant":
        return AssistantMessage(content=text)
    if item.role in ("system", "developer"):
        return SystemMessage(content=text)
    raise UnusualRequestError


def _convert_user_content(content: Raw) -> Raw:
    """Convert a user message's content: a text, or parts where there are several."""
    if is_text(content):
        if bytes(content) == EMPTY_TEXT:
            raise UnusualRequestError
        return content
    parts = _read_parts(content)
    first = parts[0]
    if len(parts) == 1 and type(first) is not InputImage:
        return text_content(first.text)  # type: ignore[union-attr]  # a text
    return Raw(_encoder.encode([*map(_convert_part, parts)]))


def _join_texts(content: Raw) -> Raw:
    """Convert any other message's content: its texts are joined."""
    if is_text(content):
        return content
    parts = _read_parts(content)
    if any(type(part) is InputImage for part in parts):
        raise UnusualRequestError
    return text_content("".join([part.text for part in parts]))  # type: ignore[union-attr]


def _read_parts(content: Raw) -> list[Part]:
    """Parse a content that is a list."""
    parts: list[Part] = _parts_decoder.decode(content)
    for part in parts:
        if type(part) is OutputText and not (
            _is_empty(part.annotations) and _is_empty(part.logprobs)
        ):
            raise UnusualRequestError
    return parts


def _convert_part(part: Part) -> TextPart | ImagePart:
    """Convert a part to a chat content part."""
    if type(part) is not InputImage:
        return TextPart(part.text)  # type: ignore[union-attr]  # a text
    detail = part.detail or UNSET
    return ImagePart(ImageURL(Raw(_encoder.encode(part.image_url)), detail))


def _is_empty(value: Raw | UnsetType) -> bool:
    """Whether an undecoded list is absent, null or empty."""
    return value is UNSET or bytes(value).strip() in (b"null", b"[]")
