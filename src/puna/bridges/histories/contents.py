"""Adapts message contents: lists of text parts, blank texts, and images in tool results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.histories.order import content_parts
from puna.bridges.histories.rules import THOUGHT_FIELDS, MessageRules

Message = dict[str, Any]
Dropped = dict[str, None]

IMAGE_PLACE = "[image: in the next message]"
NO_OUTPUT = "[no output]"
_EMPTY = "[empty message]"
_BETWEEN = "\n\n"
_TEXT_FIELDS = {"type", "text"}
_TEXT_KEYS = ("tool_calls", "function_call", "refusal", "audio", "thinking_blocks")
_BLANK = "messages[].content"


def move_images(messages: Sequence[Message]) -> list[Message]:
    """Move images and other non-text parts out of tool results, into the next user message.

    A new user message is added after the results where none follows.
    """
    moved: list[Message] = []
    waiting: list[Mapping[str, Any]] = []
    for message in messages:
        if message["role"] == "tool":
            told, found = _without_images(message)
            waiting += found
            moved.append(told)
            continue
        if waiting and message["role"] == "user":
            moved.append(_with_leading_images(waiting, message))
        else:
            moved += [{"role": "user", "content": waiting}] if waiting else []
            moved.append(message)
        waiting = []
    return [*moved, {"role": "user", "content": waiting}] if waiting else moved


def fit_content(message: Message, rules: MessageRules, dropped: Dropped) -> Message | None:
    """Fit a message's content to a host. Called for each message of a history.

    None for a message that has no content left.
    """
    content = message.get("content")
    fitted = _fit_parts(message, rules, dropped) if isinstance(content, list) else content
    is_blank = not fitted
    if rules.refuses_blanks and isinstance(fitted, str) and fitted and not fitted.strip():
        dropped[_BLANK] = None
        is_blank = True
    if is_blank:
        return _fit_empty(message, rules, "" if isinstance(fitted, list) else fitted)
    return message if fitted is content else {**message, "content": fitted}


def _fit_parts(message: Message, rules: MessageRules, dropped: Dropped) -> Any:
    """A content without blank texts, and with joined text parts, as the host's rules say."""
    content: list[Mapping[str, Any]] = message["content"]
    parts: Sequence[Mapping[str, Any]] = content
    if rules.refuses_blanks:
        parts = _without_blanks(parts, dropped)
    if not rules.accepts_text_parts and all(set(part) == _TEXT_FIELDS for part in parts):
        # An answer's texts are pieces of one; what others send are texts of their own.
        between = "" if message["role"] == "assistant" else _BETWEEN
        return between.join(part["text"] for part in parts)
    return content if len(parts) == len(content) else list(parts)


def _fit_empty(message: Message, rules: MessageRules, content: Any) -> Message | None:
    """A message that has no content, with an empty text where the host needs one.

    None where the message can be left out.
    """
    role = message["role"]
    if role == "assistant":
        if any(message.get(name) for name in _TEXT_KEYS):
            return _with_content(message, None)
        thinks = any(message.get(name) for name in THOUGHT_FIELDS)
        return _with_content(message, "") if thinks else None
    if rules.refuses_blanks:
        said = {"tool": NO_OUTPUT, "user": _EMPTY}.get(role)
        return {**message, "content": said} if said is not None else None
    return message if message.get("content") is content else {**message, "content": content or ""}


def _with_leading_images(images: Sequence[Mapping[str, Any]], message: Message) -> Message:
    """A user message with images put before its own content."""
    said = content_parts(message.get("content"))
    return {**message, "content": [*images, *(part for part in said if part.get("text") != "")]}


def _with_content(message: Message, content: Any) -> Message:
    """The message with another content; None removes the field, since some hosts refuse a null."""
    if content is None:
        rest = {name: value for name, value in message.items() if name != "content"}
        return rest if "content" in message else message
    return {**message, "content": content}


def _without_images(message: Message) -> tuple[Message, list[Mapping[str, Any]]]:
    """Split a tool result: the result with a short text in place of images, and the images."""
    content = message.get("content")
    if not isinstance(content, list):
        return message, []
    parts = cast("list[Mapping[str, Any]]", content)
    found = [part for part in parts if part["type"] != "text"]
    if not found:
        return message, []
    place = {"type": "text", "text": IMAGE_PLACE}
    told = [part if part["type"] == "text" else place for part in parts]
    return {**message, "content": told}, found


def _without_blanks(
    parts: Sequence[Mapping[str, Any]], dropped: Dropped
) -> list[Mapping[str, Any]]:
    """The parts without blank texts, whose loss is noted in `dropped`."""
    kept: list[Mapping[str, Any]] = []
    for part in parts:
        text = part.get("text")
        if part["type"] == "text" and isinstance(text, str) and not text.strip():
            if text or set(part) != _TEXT_FIELDS:
                dropped[_BLANK] = None
            continue
        kept.append(part)
    return kept
