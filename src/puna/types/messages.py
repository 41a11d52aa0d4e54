"""Reads chat messages of any form (dicts, pydantic objects) into plain dicts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from puna.errors import BadRequestError
from puna.types.display import display, kind_of

_ROLES = frozenset(("system", "developer", "user", "assistant", "tool", "function"))

_ANSWER_ONLY = frozenset(("annotations", "images", "provider_specific_fields"))
"""Fields of an answer that no upstream takes back: a message that is sent again loses them."""

THINKING_BLOCKS = "thinking_blocks"
"""Opaque blocks of an answer that a host which signs its reasoning wants back as they were."""

_TEXT_KEYS = (
    *("content", "tool_calls", "function_call", "refusal", "audio", THINKING_BLOCKS),
    *("reasoning_content", "reasoning", "reasoning_details", "thinking"),
)
"""Fields of which an assistant's message needs one."""

_TOOL_CALL_KEYS = ("id", "type", "function")


def read_messages(messages: Any) -> list[dict[str, Any]]:
    """Check messages and copy them to plain dicts.

    Accepts dicts, pydantic objects and answers of earlier calls. Nulls and answer-only fields are
    left out; tool calls keep the fields of OpenAI's API.

    Raises:
        BadRequestError: a message is malformed; `param` is its path, such as `messages[2].content`.
    """
    if isinstance(messages, str | bytes | Mapping) or not isinstance(messages, Sequence):
        raise BadRequestError(
            '`messages` must be a list such as [{"role": "user", "content": "Hello"}].',
            param="messages",
        )
    if not messages:
        raise BadRequestError("`messages` is empty; give at least one message.", param="messages")
    return [_read_message(message, i) for i, message in enumerate(cast("Sequence[Any]", messages))]


def _read_message(message: Any, index: int) -> dict[str, Any]:
    """Check a message and copy it to a dict."""
    path = f"messages[{index}]"
    given = as_mapping(message)
    if given is None:
        raise BadRequestError(
            f"`{path}` must be an object with `role` and `content`, not {kind_of(message)}.",
            param=path,
        )
    role = given.get("role")
    if not isinstance(role, str) or role not in _ROLES:
        raise BadRequestError(
            f"`{path}.role` must be one of {', '.join(sorted(_ROLES))}, not `{display(role)}`.",
            param=f"{path}.role",
        )
    read = {key: value for key, value in given.items() if value is not None}
    if role == "assistant":
        read = {key: value for key, value in read.items() if key not in _ANSWER_ONLY}
        if "tool_calls" in read:
            _read_tool_calls(read, path)
        if THINKING_BLOCKS in read:
            _read_thinking(read, path)
        if not any(key in read for key in _TEXT_KEYS):
            raise BadRequestError(
                f"`{path}` has neither `content` nor `tool_calls`.", param=f"{path}.content"
            )
    elif "content" not in read:
        raise BadRequestError(f"`{path}.content` is missing.", param=f"{path}.content")
    if role == "tool" and not isinstance(read.get("tool_call_id"), str):
        raise BadRequestError(
            f"`{path}.tool_call_id` must be the id of the call that this message answers.",
            param=f"{path}.tool_call_id",
        )
    if "content" in read:
        read["content"] = _read_content(read["content"], f"{path}.content")
    return read


def _read_tool_calls(read: dict[str, Any], path: str) -> None:
    """Check the tool calls of a message, in place; only the fields of OpenAI's API stay."""
    calls = read["tool_calls"]
    if not isinstance(calls, Sequence) or isinstance(calls, str | bytes):
        raise BadRequestError(f"`{path}.tool_calls` must be a list.", param=f"{path}.tool_calls")
    if not calls:
        del read["tool_calls"]
        return
    plain: list[dict[str, Any]] = []
    for i, call in enumerate(cast("Sequence[Any]", calls)):
        given = as_mapping(call)
        function = as_mapping(given.get("function")) if given is not None else None
        if given is None or function is None:
            raise BadRequestError(
                f"`{path}.tool_calls[{i}].function` must be an object.",
                param=f"{path}.tool_calls[{i}].function",
            )
        kept = {key: given[key] for key in _TOOL_CALL_KEYS if given.get(key) is not None}
        kept.setdefault("type", "function")
        kept["function"] = {key: value for key, value in function.items() if value is not None}
        plain.append(kept)
    read["tool_calls"] = plain


def _read_thinking(read: dict[str, Any], path: str) -> None:
    """Check the thinking blocks of a message, in place."""
    blocks = read[THINKING_BLOCKS]
    is_list = isinstance(blocks, Sequence) and not isinstance(blocks, str | bytes)
    given = [as_mapping(block) for block in cast("Sequence[Any]", blocks)] if is_list else [None]
    if not all(block is not None for block in given):
        raise BadRequestError(
            f"`{path}.{THINKING_BLOCKS}` must be a list of blocks, as an answer had them.",
            param=f"{path}.{THINKING_BLOCKS}",
        )
    read[THINKING_BLOCKS] = given
    if not given:
        del read[THINKING_BLOCKS]


def _read_content(content: Any, path: str) -> Any:
    """Check a content, a text or parts, and copy it."""
    if isinstance(content, str):
        return content
    if not isinstance(content, Sequence) or isinstance(content, bytes):
        raise BadRequestError(
            f"`{path}` must be a string or a list of parts, not {kind_of(content)}.",
            param=path,
        )
    return [
        _read_part(part, f"{path}[{i}]") for i, part in enumerate(cast("Sequence[Any]", content))
    ]


def _read_part(part: Any, path: str) -> dict[str, Any]:
    """Check a content part and copy it; a bare image URL becomes an object."""
    given = as_mapping(part)
    kind = given.get("type") if given is not None else None
    if given is None or not isinstance(kind, str):
        raise BadRequestError(
            f"`{path}` must be a part with a `type`, such as text or image_url.", param=path
        )
    read = dict(given)
    if kind == "text" and not isinstance(read.get("text"), str):
        raise BadRequestError(f"`{path}.text` must be a string.", param=f"{path}.text")
    if kind == "image_url":
        image = read.get("image_url")
        if isinstance(image, str):
            read["image_url"] = {"url": image}
        elif not isinstance(image, Mapping) or not isinstance(image.get("url"), str):
            raise BadRequestError(
                f"`{path}.image_url` must be a URL or an object with `url`.",
                param=f"{path}.image_url",
            )
    return read


def as_mapping(value: Any) -> Mapping[str, Any] | None:
    """A dict as it is, or a pydantic object's fields as a dict; None for anything else."""
    if isinstance(value, Mapping):
        return cast("Mapping[str, Any]", value)
    dump = None if isinstance(value, type) else getattr(value, "model_dump", None)
    return cast("Mapping[str, Any]", dump(mode="json")) if callable(dump) else None


def image_parts(messages: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The paths of all image parts in messages, such as `messages[0].content[1]`."""
    for i, message in enumerate(messages):
        content = message.get("content")
        if isinstance(content, list):
            for j, part in enumerate(cast("list[Mapping[str, Any]]", content)):
                if part.get("type") == "image_url":
                    yield f"messages[{i}].content[{j}]"
