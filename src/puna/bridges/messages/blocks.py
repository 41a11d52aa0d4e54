"""Anthropic's content blocks, one by one: what they say to a chat model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.shown import kind_of, shown

Block = Mapping[str, Any]
Part = dict[str, Any]

_BETWEEN = "\n\n"


def list_blocks(content: Any, path: str, omissions: Omissions) -> Iterator[tuple[str, Block]]:
    """Each block with its path; a string is one text block.

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
        given = cast("Block", block)
        if given.get("cache_control") is not None:
            omissions.note("cache_control")
        yield place, given


def read_text(block: Block, path: str, field: str = "text") -> str:
    """The text of a block.

    Raises:
        BadRequestError: it has none.
    """
    text = block.get(field)
    if not isinstance(text, str):
        raise BadRequestError(f"`{path}.{field}` must be a string.", param=f"{path}.{field}")
    return text


def read_part(block: Block, path: str, omissions: Omissions) -> Part | None:
    """What a user or a tool says: text, an image, or a document that is text.

    None for a block that is left out.

    Raises:
        BadRequestError: the block is broken.
        UnsupportedParamsError: chat cannot carry it, and the caller does not set `drop_params`.
    """
    kind = block["type"]
    if kind == "text":
        return text_part(read_text(block, path))
    if kind == "image":
        return _image(block.get("source"), path, omissions)
    if kind == "document":
        return _document(block, path, omissions)
    omissions.refuse(
        path,
        f"`{path}.type` is `{shown(kind)}`, which cannot be sent to a chat model; text, image, "
        "tool_result and documents of plain text can.",
    )
    return None


def text_part(text: str) -> Part:
    """A text as a part of chat."""
    return {"type": "text", "text": text}


def join_texts(texts: Sequence[str]) -> str:
    """Texts of blocks as one text, a blank line between two; empty ones say nothing."""
    return _BETWEEN.join(text for text in texts if text)


def join_parts(parts: Sequence[Part]) -> str | list[Part]:
    """Parts as content: one text where all are texts, which every host reads; else a list."""
    if all(part["type"] == "text" for part in parts):
        return join_texts([part["text"] for part in parts])
    return [part for part in parts if part.get("text") != ""]


def _image(source: Any, path: str, omissions: Omissions) -> Part | None:
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
            f"`{place}.type` is `{shown(kind)}`; a chat model takes images as base64 or url.",
        )
        return None
    return {"type": "image_url", "image_url": {"url": url}}


def _document(block: Block, path: str, omissions: Omissions) -> Part | None:
    place = f"{path}.source"
    source = block.get("source")
    if not isinstance(source, Mapping):
        raise BadRequestError(f"`{place}` must be an object.", param=place)
    given = cast("Block", source)
    kind = given.get("type")
    if kind != "text":
        omissions.refuse(
            place,
            f"`{place}.type` is `{shown(kind)}`; a chat model takes documents of plain text only.",
        )
        return None
    heads = [block[name] for name in ("title", "context") if isinstance(block.get(name), str)]
    return text_part(join_texts([*heads, read_text(given, place, "data")]))
