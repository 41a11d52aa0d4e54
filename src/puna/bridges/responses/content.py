"""Converts the content of input items to the content of chat messages."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.display import display, kind_of
from puna.types.messages import as_mapping

_TEXTS = {"input_text": "text", "output_text": "text", "text": "text", "refusal": "refusal"}
_READ = {
    **{kind: ("type", field) for kind, field in _TEXTS.items()},
    "input_image": ("type", "image_url", "detail", "file_id"),
}
_NO_FILES = "hosts of Llama take no files; send its text, or its pages as images"


def read_content(
    content: Any, path: str, omissions: Omissions, *, is_joined: bool = False
) -> str | list[dict[str, Any]]:
    """Convert an item's content to a chat content: a string or a list of parts.

    A single text becomes a string, which every host reads. Several texts do where `is_joined`: in
    all messages but the user's.

    Raises:
        BadRequestError: `param` is the path of what is malformed.
    """
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise BadRequestError(
            f"`{path}` must be a string or a list of parts, not {kind_of(content)}.", param=path
        )
    given = cast("Sequence[Any]", content)
    parts = [_read_part(part, f"{path}[{i}]", omissions) for i, part in enumerate(given)]
    texts = [part["text"] for part in parts if part["type"] == "text"]
    if len(texts) == len(parts) and (is_joined or len(parts) <= 1):
        return "".join(texts)
    return parts


def _read_part(part: Any, path: str, omissions: Omissions) -> dict[str, Any]:
    """Convert one content part. Raises BadRequestError where it is malformed."""
    given = as_mapping(part)
    kind = given.get("type") if given is not None else None
    if given is None or not isinstance(kind, str):
        raise BadRequestError(
            f"`{path}.type` must be input_text, input_image or output_text.", param=f"{path}.type"
        )
    omissions.note_unread(given, _READ.get(kind, ("type", kind)), f"input.{kind}")
    if kind in _TEXTS:
        text = given.get(_TEXTS[kind])
        if not isinstance(text, str):
            where = f"{path}.{_TEXTS[kind]}"
            raise BadRequestError(f"`{where}` must be a string.", param=where)
        return {"type": "text", "text": text}
    if kind == "input_image":
        return _read_image(given, path)
    if kind == "input_audio" and isinstance(given.get("input_audio"), Mapping):
        return {"type": "input_audio", "input_audio": dict(given["input_audio"])}
    reason = _NO_FILES if kind == "input_file" else "use input_text, input_image or output_text"
    raise BadRequestError(
        f"`{path}.type` is `{display(kind)}`, which cannot be sent: {reason}.",
        param=f"{path}.type",
    )


def _read_image(given: Mapping[str, Any], path: str) -> dict[str, Any]:
    """Convert an image part. Raises BadRequestError where it has no address."""
    url = given.get("image_url")
    if not isinstance(url, str) or not url:
        has_file = given.get("file_id") is not None
        why = "`file_id` names a stored file, and none are stored here" if has_file else "missing"
        raise BadRequestError(
            f"`{path}.image_url` must be an address or a data URL ({why}).",
            param=f"{path}.file_id" if has_file else f"{path}.image_url",
        )
    detail = given.get("detail")
    if detail is not None and not isinstance(detail, str):
        raise BadRequestError(f"`{path}.detail` must be a string.", param=f"{path}.detail")
    return {
        "type": "image_url",
        "image_url": {"url": url, **({"detail": detail} if detail else {})},
    }
