"""What of a request a host takes, by the quirks of its row: sent, renamed, left out, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from puna.bridges.messages.carried import (
    names_of,
    plain_messages,
    plain_tools,
    without_thinking,
)
from puna.dialects.base import Target
from puna.dialects.quirks import Quirks
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.messages import image_parts
from puna.types.model_request import ModelRequest
from puna.types.requests import ChatRequest

_TEXT = "text"
_SUCCESSORS = {"functions": "tools", "function_call": "tool_choice"}
_DEFAULTS: Mapping[str, Any] = {
    "frequency_penalty": 0,
    "logprobs": False,
    "n": 1,
    "parallel_tool_calls": True,
    "presence_penalty": 0,
    "service_tier": "auto",
    "tool_choice": "auto",
}
"""What a host does that is not told anything else. Source: OpenAI API reference, "Chat"."""


def choose_params(request: ModelRequest, target: Target) -> tuple[dict[str, Any], tuple[str, ...]]:
    """The parameters to send, and those left out: by wish, or by rule under `drop_params`.

    Raises:
        UnsupportedParamsError: the host does not take one of them.
    """
    chosen: dict[str, Any] = {}
    dropped: list[str] = []
    quirks = target.quirks
    given = {**request.params, **request.extra}
    for name, value in given.items():
        is_allowed = name in request.allowed_params and quirks.extra_params is None
        its_name = quirks.rename_params.get(name)
        if name in request.unwanted_params or name in quirks.ignored_params:
            dropped.append(name)
        elif its_name is not None and its_name in given:
            dropped.append(name)  # the caller gave it under the host's name, too
        elif is_allowed:
            chosen[name] = value
        elif _is_supported(name, value, request, quirks):
            chosen[its_name or name] = value
        elif request.drop_params or _is_default(name, value):
            dropped.append(name)
        else:
            raise _unsupported(name, value, request, target)
    return chosen, tuple(dropped)


def take_stream_options(params: dict[str, Any], request: ModelRequest) -> tuple[str, ...]:
    """Take `stream_options` out, for hosts whose streams tell the usage anyway: what was lost."""
    given: Mapping[str, Any] | None = params.pop("stream_options", None)
    if given is None:
        return ()
    if not request.is_stream:
        return ("stream_options",)
    return tuple(f"stream_options.{name}" for name in given if name != "include_usage")


def takes_request(request: ModelRequest, target: Target) -> bool:
    """Whether a target takes all that is asked: nothing is refused, left out or lost on the way."""
    for name, value in {**request.params, **request.extra}.items():
        is_ours = name in request.unwanted_params or name in request.allowed_params
        if not is_ours and not (
            name not in target.quirks.ignored_params
            and (_is_supported(name, value, request, target.quirks) or _is_default(name, value))
        ):
            return False
    if not isinstance(request, ChatRequest):
        return True
    try:
        check_images(request, target)
    except UnsupportedParamsError:
        return False
    unknown = target.quirks.unsupported_message_fields
    return not any(unknown & message.keys() for message in request.messages)


def in_chats_words(request: ChatRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request without what only a host of the Messages API knows, and the names of that."""
    messages, left_out = without_thinking(request.messages)
    extras = request.messages_extras
    if extras is None:
        return (replace(request, messages=tuple(messages)) if left_out else request), left_out
    messages, told = plain_messages(messages)
    tools, untold = plain_tools(request.params.get("tools", ()))
    params = {**request.params, "tools": tools} if tools else request.params
    found = dict.fromkeys((*told, *untold, *left_out, *names_of(extras)))
    plain = replace(request, messages=tuple(messages), params=params, messages_extras=None)
    return plain, tuple(found)


def fit_chat(
    request: ChatRequest, target: Target
) -> tuple[ChatRequest, dict[str, Any], tuple[str, ...]]:
    """The request in chat's words with messages as the host wants them; the parameters to send.

    With them the names of what was left out: only a host of the Messages API knows it, or this one
    does not.

    Raises:
        UnsupportedParamsError: the host does not take a parameter, a field or an image.
    """
    request, beyond = in_chats_words(request)
    check_images(request, target)
    request, cut = _fit_messages(request, target)
    params, left_out = choose_params(request, target)
    return request, params, (*beyond, *cut, *left_out)


def _fit_messages(request: ChatRequest, target: Target) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request with messages as the host wants them, and the fields left out of them."""
    quirks = target.quirks
    names, unknown = quirks.rename_roles, quirks.unsupported_message_fields
    if not names and not unknown:
        return request, ()
    fitted: list[dict[str, Any]] = []
    dropped: dict[str, None] = {}
    for position, given in enumerate(request.messages):
        message = given
        if message["role"] in names:
            message = {**message, "role": names[message["role"]]}
        found = sorted(unknown & message.keys())
        if found and not request.drop_params:
            raise _unknown_field(f"messages[{position}].{found[0]}", request, target)
        if found:
            message = {key: value for key, value in message.items() if key not in unknown}
            dropped.update(dict.fromkeys(f"messages[].{field}" for field in found))
        fitted.append(message)
    return replace(request, messages=tuple(fitted)), tuple(dropped)


def check_images(request: ChatRequest, target: Target) -> None:
    """Raise UnsupportedParamsError for images that the model does not read, or for too many."""
    limit = target.quirks.max_images
    reads_images = target.input_modalities is None or "image" in target.input_modalities
    if limit is None and reads_images:
        return
    paths = list(image_parts(request.messages))
    if paths and not reads_images:
        raise UnsupportedParamsError(
            f"`{request.model}` reads {' and '.join(sorted(target.input_modalities or ()))} only; "
            f"remove the image at `{paths[0]}` or choose a model with vision.",
            param=paths[0],
            provider=target.provider,
            model=request.model,
        )
    if limit is not None and len(paths) > limit:
        raise UnsupportedParamsError(
            f"{target.provider} takes at most {limit} images in a request, not `{len(paths)}`.",
            param=paths[limit],
            provider=target.provider,
            model=request.model,
        )


def not_taken(path: str, says: str, request: ModelRequest, target: Target) -> BadRequestError:
    """The error for a part of a request that the host has no place for; `says` what it takes."""
    return BadRequestError(
        f"`{path}`: {target.provider} {says}.",
        param=path,
        provider=target.provider,
        model=request.model,
    )


def _is_supported(name: str, value: Any, request: ModelRequest, quirks: Quirks) -> bool:
    if name in request.extra:
        return quirks.extra_params is None or name in quirks.extra_params
    if name in quirks.unsupported_params:
        return False
    if name == "response_format" and quirks.response_formats is not None:
        return value.get("type") in quirks.response_formats
    if name == "tool_choice" and quirks.tool_choices is not None:
        return _kind_of_choice(value) in quirks.tool_choices
    if name == "n" and quirks.max_choices is not None:
        return bool(value <= quirks.max_choices)
    return True


def _kind_of_choice(value: Any) -> str:
    if isinstance(value, Mapping):
        return str(cast("Mapping[str, Any]", value).get("type"))
    return str(value)


def _is_default(name: str, value: Any) -> bool:
    """Whether a host that does not know the parameter does what it says anyway."""
    if name == "response_format":
        return bool(value.get("type") == _TEXT)
    if name == "modalities":
        return bool(list(value) == [_TEXT])
    return name in _DEFAULTS and bool(value == _DEFAULTS[name])


def _unsupported(
    name: str, value: Any, request: ModelRequest, target: Target
) -> UnsupportedParamsError:
    quirks = target.quirks
    what = f"`{name}`"
    ways = "set `drop_params=True` to leave it out"
    if quirks.extra_params is None:
        ways = f"{ways}, or `allowed_openai_params=['{name}']` to send it"
    if name in _SUCCESSORS:
        ways = f"use `{_SUCCESSORS[name]}`; {ways}"
    if name == "response_format" and quirks.response_formats is not None:
        what = f"`response_format` of type `{value.get('type')}`"
        ways = f"it knows {', '.join(sorted(quirks.response_formats))}; {ways}"
    if name == "response_format":
        ways = f"{ways}, or `emulate_response_format=True` to have Puna check the answers"
    if name == "tool_choice" and quirks.tool_choices is not None:
        what = f"`tool_choice` of the kind `{_kind_of_choice(value)}`"
        ways = f"it knows {', '.join(sorted(quirks.tool_choices))}; {ways}"
    if name == "n" and quirks.max_choices is not None:
        what = f"`n` above {quirks.max_choices}"
    return UnsupportedParamsError(
        f"{target.provider} does not support {what} for `{request.model}`: {ways}.",
        param=name,
        provider=target.provider,
        model=request.model,
    )


def _unknown_field(path: str, request: ModelRequest, target: Target) -> UnsupportedParamsError:
    return UnsupportedParamsError(
        f"{target.provider} does not support `{path}` for `{request.model}`: remove it, or set "
        "`drop_params=True` to leave it out.",
        param=path,
        provider=target.provider,
        model=request.model,
    )
