"""Converts Anthropic's content blocks to the content parts of chat."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.display import display, kind_of

Block = Mapping[str, Any]
Part = dict[str, Any]

_BETWEEN = "\n\n"


def list_blocks(content: object, path: str) -> Iterator[tuple[str, Block]]:
    """List the blocks of a content, each with its path in the request; a string is one text block.

    Raises:
        BadRequestError: it is neither a string nor a list of blocks.
    """
    if isinstance(content, str):
        yield path, {"type": "text", "text": content}
        return
    if not isinstance(content, list):
        raise BadRequestError(
            f"`{path}` must be a string or a list of blocks, not {kind_of(content)}.", param=path
        )
    for i, block in enumerate(cast("list[Any]", content)):
        place = f"{path}[{i}]"
        if not isinstance(block, Mapping) or not isinstance(block.get("type"), str):
            raise BadRequestError(
                f'`{place}` must be a block with a `type`, such as {{"type": "text", "text": …}}.',
                param=place,
            )
        yield place, cast("Block", block)


def read_text(block: Block, path: str, field: str = "text") -> str:
    """Read the text field `field` of a block.

    Raises:
        BadRequestError: the field is missing or no text.
    """
    text = block.get(field)
    if not isinstance(text, str):
        raise BadRequestError(f"`{path}.{field}` must be a string.", param=f"{path}.{field}")
    return text


def read_part(block: Block, path: str, omissions: Omissions) -> Part | None:
    """Convert a text, image or text-document block to a chat part; None where it is left out.

    The part also has the block's other fields, for hosts of the Messages API (`plain_chat.py`
    removes them for all others).

    Raises:
        BadRequestError: the block is malformed.
        UnsupportedParamsError: chat has no such block, and the caller does not set `drop_params`.
    """
    kind = block["type"]
    if kind == "text":
        return read_text_part(block, path)
    if kind == "image":
        image = _convert_image(block.get("source"), path, omissions)
        return image and {**image, **_unread_fields(block, ("source",))}
    if kind == "document":
        return _convert_document(block, path, omissions)
    omissions.refuse(
        path,
        f"`{path}.type` is `{display(kind)}`, which cannot be sent to a chat model; text, image, "
        "tool_result and documents of plain text can.",
    )
    return None


def read_text_part(block: Block, path: str) -> Part:
    """Convert a text block to a text part that keeps the block's other fields."""
    return {**text_part(read_text(block, path)), **_unread_fields(block, ("text",))}


def text_part(text: str) -> Part:
    """A chat content part with this text."""
    return {"type": "text", "text": text}


def join_texts(texts: Sequence[str]) -> str:
    """Join texts with a blank line between them; empty ones are left out."""
    return _BETWEEN.join(text for text in texts if text)


def as_content(parts: Sequence[Part]) -> str | list[Part]:
    """Parts as a content that keeps them separate; a single plain text becomes a string.

    Used while a request is converted, since a host of the Messages API gets the parts as they are.
    """
    said = [part for part in parts if part.get("text") != ""]
    if not said:
        return ""
    return said[0]["text"] if len(said) == 1 and set(said[0]) == {"type", "text"} else said


def as_joined_content(parts: Sequence[Part]) -> str | list[Part]:
    """Parts as a content for hosts of chat: one string where all are texts; else a list."""
    if all(part["type"] == "text" for part in parts):
        return join_texts([part["text"] for part in parts])
    return [part for part in parts if part.get("text") != ""]


def _unread_fields(block: Block, read: Sequence[str]) -> dict[str, Any]:
    """The fields of a block that the caller of this function does not read."""
    known = ("type", *read)
    return {name: block[name] for name in block if name not in known and block[name] is not None}


def _convert_image(source: object, path: str, omissions: Omissions) -> Part | None:
    """Convert the `source` of an image to an `image_url` part."""
    place = f"{path}.source"
    if not isinstance(source, Mapping):
        raise BadRequestError(f"`{place}` must be an object.", param=place)
    given = cast("Block", source)
    kind = given.get("type")
    if kind == "base64":
        media = read_text(given, place, "media_type")
        url = f"data:{media};base64,{read_text(given, place, 'data')}"
    elif kind == "url":
        url = read_text(given, place, "url")
    else:
        omissions.refuse(
            place,
            f"`{place}.type` is `{display(kind)}`; a chat model takes images as base64 or url.",
        )
        return None
    return {"type": "image_url", "image_url": {"url": url}}


def _convert_document(block: Block, path: str, omissions: Omissions) -> Part | None:
    """Convert a text document to a text part; others are left out or refused."""
    place = f"{path}.source"
    source = block.get("source")
    if not isinstance(source, Mapping):
        raise BadRequestError(f"`{place}` must be an object.", param=place)
    given = cast("Block", source)
    kind = given.get("type")
    if kind != "text":
        omissions.refuse(
            place,
            f"`{place}.type` is `{display(kind)}`; "
            "a chat model takes documents of plain text only.",
        )
        return None
    heads = [block[name] for name in ("title", "context") if isinstance(block.get(name), str)]
    text = join_texts([*heads, read_text(given, place, "data")])
    others = _unread_fields(block, ("title", "context", "source"))
    if others.pop("citations", None) is not None:
        omissions.note("messages.citations")  # a text of chat cannot be cited from
    return {**text_part(text), **others}
