"""Replaces images for a model that reads none, or fewer than the conversation holds.

Refusing an image that a tool gave, or that stands in an earlier turn, would end the session for
good: every later request holds it too. So a short text takes its place, and the report says so.
Only an image that the user sends in the newest turn is refused, because then the user can react.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from puna.dialects.base import Target
from puna.errors import UnsupportedParamsError
from puna.types.messages import image_parts
from puna.types.requests import ChatRequest

IMAGES = "messages[].content[].image_url"
"""How the report names images that were left out."""

_UNREAD = "[image left out: the model reads text only]"
_TOO_MANY = "[image left out: the model takes no more images]"


def accepts_images(request: ChatRequest, target: Target) -> bool:
    """Whether the model reads all images of a request."""
    most = most_images(target)
    return most is None or sum(1 for _ in image_parts(request.messages)) <= most


def fit_images(request: ChatRequest, target: Target) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request with no more images than the model reads; the newest stay.

    Also what was replaced.

    Raises:
        UnsupportedParamsError: an image of the user in the newest turn cannot be sent; `param` is
            its path in the client's request.
    """
    most = most_images(target)
    if most is None:
        return request, ()
    paths = list(image_parts(request.messages))
    if len(paths) <= most:
        return request, ()
    gone = paths[: len(paths) - most]
    shown = [path for path in gone if path.startswith(_places_of_user(request.messages))]
    if shown:
        raise _refused(request, target, paths.index(shown[0]), len(paths))
    text = _TOO_MANY if most else _UNREAD
    left_out = set(gone)
    messages = tuple(
        _without(message, f"messages[{i}].content", left_out, text)
        for i, message in enumerate(request.messages)
    )
    source = request.source
    if source is not None:
        source = replace(source, image_paths=source.image_paths[len(gone) :])
    return replace(request, messages=messages, source=source), (IMAGES,)


def most_images(target: Target) -> int | None:
    """The most images in one request; None where no limit is known."""
    modalities = target.input_modalities
    return target.quirks.max_images if modalities is None or "image" in modalities else 0


def _places_of_user(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The path prefixes of what the user sends in the newest turn.

    Empty where tools answered in that turn: then a user's image shows their results.
    """
    places: list[str] = []
    for i in range(len(messages) - 1, -1, -1):
        role = messages[i]["role"]
        if role == "tool":
            return ()
        if role == "assistant":
            break
        if role == "user":
            places.append(f"messages[{i}].")
    return tuple(places)


def _without(message: dict[str, Any], path: str, left_out: set[str], text: str) -> dict[str, Any]:
    """A message with its left-out images replaced by a text."""
    content = message.get("content")
    if not isinstance(content, list):
        return message
    parts = [
        {"type": "text", "text": text} if f"{path}[{j}]" in left_out else part
        for j, part in enumerate(cast("list[Mapping[str, Any]]", content))
    ]
    return {**message, "content": parts}


def _refused(
    request: ChatRequest, target: Target, place: int, count: int
) -> UnsupportedParamsError:
    """The error for an image of the newest turn that cannot be sent."""
    told = request.source.image_paths if request.source is not None else ()
    paths = told if len(told) == count else tuple(image_parts(request.messages))
    path, modalities = paths[place], target.input_modalities
    if modalities is not None and "image" not in modalities:
        message = (
            f"`{request.model}` reads {' and '.join(sorted(modalities))} only; remove the image at "
            f"`{path}` or choose a model with vision."
        )
    else:
        message = (
            f"{target.provider} takes at most {target.quirks.max_images} images in a request, not "
            f"`{count}`."
        )
        path = paths[target.quirks.max_images or 0]
    return UnsupportedParamsError(
        message, param=path, provider=target.provider, model=request.model
    )
