"""Converts chat messages to Converse's system texts and turns of user and assistant.

Source: Amazon Bedrock API reference, "Message" and "ContentBlock", read 2026-11-26.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from puna.bridges.call_arguments import parse_call_arguments
from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.data_url import read_data_url

_BASE64 = re.compile(r"[A-Za-z0-9+/=_-]+")
_FORMATS: Mapping[str, str] = {
    "gif": "gif",
    "jpeg": "jpeg",
    "jpg": "jpeg",
    "png": "png",
    "webp": "webp",
}
_READ_FIELDS: Mapping[str, frozenset[str]] = {
    "assistant": frozenset(("role", "content", "tool_calls")),
    "tool": frozenset(("role", "content", "tool_call_id")),
}
_PLAIN = frozenset(("role", "content"))

Block = dict[str, Any]
Turn = dict[str, Any]


def build_turns(
    messages: Sequence[Mapping[str, Any]], omissions: Omissions
) -> tuple[list[Block], list[Turn]]:
    """Convert messages to Converse's system blocks, from wherever they stood, and turns.

    Neighbours of one role are merged.

    Raises:
        BadRequestError: Converse has no place for a part of a message; `param` is its path.
    """
    system: list[Block] = []
    turns: list[Turn] = []
    for index, message in enumerate(messages):
        path = f"messages[{index}]"
        for name in sorted(message.keys() - _READ_FIELDS.get(message["role"], _PLAIN)):
            omissions.note(f"messages[].{name}")
        role, blocks = _read_message(message, path, omissions)
        if role == "system":
            system += blocks
        elif turns and turns[-1]["role"] == role:
            turns[-1]["content"] += blocks
        else:
            turns.append({"role": role, "content": blocks})
    return system, turns


def has_tool_blocks(turns: Sequence[Turn]) -> bool:
    """Whether the turns hold calls or results of calls."""
    return any("toolUse" in block or "toolResult" in block for t in turns for block in t["content"])


def _read_message(
    message: Mapping[str, Any], path: str, omissions: Omissions
) -> tuple[str, list[Block]]:
    """Convert a message to a role and its blocks."""
    role, content = message["role"], message.get("content")
    if role == "function":
        raise BadRequestError(
            f"`{path}.role` is `function`, which this host does not know: use the role `tool`.",
            param=f"{path}.role",
        )
    blocks = list(_read_content(content, f"{path}.content", omissions))
    if role in ("system", "developer"):
        return "system", blocks
    if role == "tool":
        return "user", [{"toolResult": {"toolUseId": message["tool_call_id"], "content": blocks}}]
    if role == "assistant":
        # A text of nothing beside calls says nothing, and the host refuses blank ones.
        said = [block for block in blocks if block.get("text") != ""]
        calls = message.get("tool_calls", ())
        return role, said + [
            _read_call(c, f"{path}.tool_calls[{i}]", omissions) for i, c in enumerate(calls)
        ]
    return role, blocks


def _read_call(call: Mapping[str, Any], path: str, omissions: Omissions) -> Block:
    """Convert a tool call to a `toolUse` block. Raises BadRequestError where it is malformed."""
    function = call["function"]
    for name in sorted(function.keys() - {"name", "arguments"}):
        omissions.note(f"messages[].tool_calls[].function.{name}")
    arguments = parse_call_arguments(function.get("arguments"))
    if arguments is None:
        raise BadRequestError(
            f"`{path}.function.arguments` must be a JSON object: this host takes no other.",
            param=f"{path}.function.arguments",
        )
    if not isinstance(call.get("id"), str):
        raise BadRequestError(f"`{path}.id` is missing.", param=f"{path}.id")
    return {"toolUse": {"toolUseId": call["id"], "name": function.get("name"), "input": arguments}}


def _read_content(content: Any, path: str, omissions: Omissions) -> Iterator[Block]:
    """Convert a content, a text or parts, to blocks."""
    if isinstance(content, str):
        yield {"text": content}
        return
    for index, part in enumerate(cast("Sequence[Mapping[str, Any]]", content or ())):
        yield _read_part(part, f"{path}[{index}]", omissions)


def _read_part(part: Mapping[str, Any], path: str, omissions: Omissions) -> Block:
    """Convert a content part to a block.

    Raises BadRequestError for a type that Converse does not have.
    """
    kind = part["type"]
    for name in sorted(part.keys() - {"type", kind}):
        omissions.note(f"messages[].content[].{name}")
    if kind == "text":
        return {"text": part["text"]}
    if kind == "image_url":
        return _read_image(part["image_url"], path, omissions)
    raise BadRequestError(
        f"`{path}` is a part of the type `{kind}`, which this host does not take: it knows text "
        "and image_url.",
        param=path,
    )


def _read_image(image: Mapping[str, Any], path: str, omissions: Omissions) -> Block:
    """Convert an image part to a block. Raises BadRequestError for one that is no data URL."""
    for name in sorted(image.keys() - {"url"}):
        omissions.note(f"messages[].content[].image_url.{name}")
    found = read_data_url(image["url"])
    kind = _FORMATS.get(found[0].removeprefix("image/")) if found is not None else None
    if found is None or kind is None or _BASE64.fullmatch(found[1]) is None:
        raise BadRequestError(
            f"`{path}.image_url.url` must hold the image itself, as `data:image/png;base64,…` (or "
            "jpeg, gif, webp): this host takes no address of one, and Puna fetches none.",
            param=f"{path}.image_url.url",
        )
    return {"image": {"format": kind, "source": {"bytes": found[1]}}}
