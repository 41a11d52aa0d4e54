"""Converts the content of chat messages to Anthropic's blocks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.bridges.messages_only import TOOL_REFERENCE
from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.data_url import read_data_url
from puna.types.display import display

Block = dict[str, Any]

_WEB = ("https://", "http://")
_PDF = "application/pdf"


def blocks_of(content: object, path: str, omissions: Omissions) -> list[Block]:
    """Convert a chat message's content to blocks. Empty texts are left out: no block may be empty.

    Extra fields of a part are kept: `cache_control`, `citations`.

    Raises:
        BadRequestError: a part is malformed.
        UnsupportedParamsError: the API does not accept a part, and `drop_params` is not set.
    """
    if isinstance(content, str):
        return [text_block(content)] if content else []
    parts = cast("list[Mapping[str, Any]]", content or [])
    blocks = [_block_of(part, f"{path}[{i}]", omissions) for i, part in enumerate(parts)]
    return [block for block in blocks if block is not None and block.get("text") != ""]


def as_content(blocks: list[Block]) -> str | list[Block]:
    """The blocks as a content: a single plain text becomes a string, which means the same."""
    is_text = len(blocks) == 1 and set(blocks[0]) == {"type", "text"}
    return blocks[0]["text"] if is_text else blocks


def text_block(text: str) -> Block:
    """A text as a block."""
    return {"type": "text", "text": text}


def _block_of(part: Mapping[str, Any], path: str, omissions: Omissions) -> Block | None:
    """Convert a content part to a block; None for one that is left out."""
    kind = part["type"]
    if kind in ("text", TOOL_REFERENCE):
        return dict(part)
    if kind == "refusal" and isinstance(part.get("refusal"), str):
        return text_block(part["refusal"])
    extra = {name: value for name, value in part.items() if name not in ("type", kind)}
    if kind == "image_url":
        image = part["image_url"]
        if image.get("detail") not in (None, "auto"):
            omissions.note("messages.image_url.detail")
        return {
            "type": "image",
            "source": _image_source(image["url"], f"{path}.image_url.url"),
            **extra,
        }
    if kind == "file":
        return _document_block(part.get("file"), f"{path}.file", extra)
    omissions.refuse(
        path,
        f"`{path}.type` is `{display(kind)}`; the Messages API takes text, image_url and file.",
    )
    return None


def _image_source(url: str, path: str) -> dict[str, str]:
    """The `source` of an image block: inline data or a URL."""
    found = read_data_url(url)
    if found is not None:
        return {"type": "base64", "media_type": found[0], "data": found[1]}
    if url.startswith(_WEB):
        return {"type": "url", "url": url}
    raise BadRequestError(
        f"`{path}` must be a web address or `data:<media type>;base64,<data>`.", param=path
    )


def _document_block(file: object, path: str, extra: Mapping[str, Any]) -> Block:
    """Convert a PDF to a document block; the API accepts no other files as data."""
    given = cast("Mapping[str, Any]", file) if isinstance(file, Mapping) else {}
    found = read_data_url(str(given.get("file_data", "")))
    if found is None or found[0] != _PDF:
        raise BadRequestError(
            f"`{path}.file_data` must be a PDF as `data:{_PDF};base64,<data>`.",
            param=f"{path}.file_data",
        )
    source = {"type": "base64", "media_type": _PDF, "data": found[1]}
    name = given.get("filename")
    title = {"title": name} if isinstance(name, str) and name else {}
    return {"type": "document", "source": source, **title, **extra}
