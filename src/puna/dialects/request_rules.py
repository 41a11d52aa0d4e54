"""Applies a host's quirks to a request: parameters are sent, renamed, left out, or refused."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from puna.bridges.block_order import BLOCK_ORDER
from puna.bridges.histories.fit import fit_history
from puna.bridges.histories.rules import (
    CHAT,
    NO_THOUGHTS,
    THOUGHT_FIELDS,
    MessageRules,
    ThoughtRule,
)
from puna.bridges.histories.thoughts import blocks_as_thoughts
from puna.bridges.messages.deferred import plain_tools, replace_tools
from puna.bridges.messages.plain_chat import extra_names, plain_messages
from puna.dialects.base import Target
from puna.dialects.param_paths import without_paths
from puna.dialects.quirks import HINTS, Quirks
from puna.dialects.request_images import accepts_images, fit_images
from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.messages import THINKING_BLOCKS
from puna.types.model_request import ModelRequest
from puna.types.option_scopes import CALL_OPTIONS, REQUEST_OPTIONS
from puna.types.requests import PARAMS, ChatRequest

_TEXT = "text"
_LONGEST_TYPO = 40
_SIMILARITY = 0.85
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
    """Choose the parameters to send. Returns them, and the names of those left out.

    Parameters are left out by request, by the host's rules, or under `drop_params`.

    Raises:
        UnsupportedParamsError: the host does not accept a parameter.
    """
    chosen: dict[str, Any] = {}
    dropped: list[str] = []
    hints: list[str] = []
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
        elif name in HINTS and name not in quirks.known_hints:
            hints.append(name)
        elif _is_supported(name, value, request, quirks):
            chosen[its_name or name] = value
        elif request.drop_params or _is_default(name, value):
            dropped.append(name)
        else:
            raise _unsupported(name, value, request, target)
    dropped += sorted(hints)
    if not request.unwanted_params:
        return chosen, tuple(dropped)
    left, found = without_paths(chosen, sorted(request.unwanted_params))
    return dict(left), (*dropped, *found)


def cap_max_tokens(request: ChatRequest, target: Target) -> tuple[ChatRequest, tuple[str, ...]]:
    """Lower the `max_tokens` of a Messages request to what the host can give.

    That API requires a limit, and coding agents send one that few models reach. Returns the
    request, and the names of what was lowered, for the report; other requests stay as they are.
    """
    limit, asked = target.max_output_tokens, request.params.get("max_tokens")
    if limit is None or request.messages_extras is None or asked is None or asked <= limit:
        return request, ()
    return replace(request, params={**request.params, "max_tokens": limit}), ("max_tokens",)


def pop_stream_options(params: dict[str, Any], request: ModelRequest) -> tuple[str, ...]:
    """Remove `stream_options`, for hosts that always send the usage of a stream.

    Returns the names of what is lost by that: all but `include_usage`.
    """
    given: Mapping[str, Any] | None = params.pop("stream_options", None)
    if given is None:
        return ()
    if not request.is_stream:
        return ("stream_options",)
    return tuple(f"stream_options.{name}" for name in given if name != "include_usage")


def accepts_request(request: ModelRequest, target: Target) -> bool:
    """Whether a target accepts a request without refusing, leaving out or losing a part of it."""
    for name, value in {**request.params, **request.extra}.items():
        is_own = name in request.unwanted_params or name in request.allowed_params
        if not is_own and not (
            name not in target.quirks.ignored_params
            and (name in target.quirks.known_hints or name not in HINTS)
            and (_is_supported(name, value, request, target.quirks) or _is_default(name, value))
        ):
            return False
    if not isinstance(request, ChatRequest):
        return True
    if not accepts_images(request, target):
        return False
    unknown = target.quirks.unsupported_message_fields
    return not any(unknown & message.keys() for message in request.messages)


def to_plain_chat(
    request: ChatRequest, thoughts: ThoughtRule = NO_THOUGHTS
) -> tuple[ChatRequest, tuple[str, ...]]:
    """Remove from a request what only hosts of the Messages API understand.

    Returns the request and the names of what was removed. `thoughts` says what of opaque thinking
    blocks a host accepts as text.
    """
    dropped: dict[str, None] = {}
    messages, extras = request.messages, request.messages_extras
    if any(THINKING_BLOCKS in message or BLOCK_ORDER in message for message in messages):
        messages = tuple(_without_blocks(message, thoughts, dropped) for message in messages)
    if extras is None:
        return (request if messages is request.messages else replace(request, messages=messages)), (
            *dropped,
        )
    plain, told = plain_messages(messages)
    params = request.params
    tools, untold = plain_tools(params.get("tools", ()), messages, params.get("tool_choice"))
    params, lost = replace_tools(params, tools)
    found = dict.fromkeys((*told, *untold, *lost, *dropped, *extra_names(extras)))
    changed = replace(request, messages=tuple(plain), params=params, messages_extras=None)
    return changed, tuple(found)


def fit_chat(
    request: ChatRequest, target: Target, protocol: MessageRules = CHAT
) -> tuple[ChatRequest, dict[str, Any], tuple[str, ...]]:
    """Fit a chat request to a host.

    Returns it, the parameters to send, and the names of what was left out.

    `protocol` says what hosts of the dialect accept in messages, where the host's row says nothing.

    Raises:
        UnsupportedParamsError: the host does not accept a parameter, a field or an image.
    """
    rules = _rules_for(request, target.quirks.messages or protocol)
    request, beyond = to_plain_chat(request, rules.thoughts)
    request, changed = fit_messages(request, target, rules)
    request, cut = _fit_fields(request, target)
    params, left_out = choose_params(request, target)
    return request, params, to_client_names((*beyond, *changed, *cut, *left_out), request)


def fit_messages(
    request: ChatRequest, target: Target, rules: MessageRules
) -> tuple[ChatRequest, tuple[str, ...]]:
    """Fit the images and messages of a request to a host.

    Returns it, and what was left out of them.

    Raises:
        UnsupportedParamsError: the host does not accept an image of the newest turn.
    """
    request, images = fit_images(request, target)
    dropped = dict.fromkeys(images)
    has_tools = "tools" in request.params
    messages = fit_history(request.messages, rules, dropped, has_tools=has_tools)
    if messages is request.messages:
        return request, tuple(dropped)
    return replace(request, messages=tuple(messages)), tuple(dropped)


def to_client_names(names: tuple[str, ...], request: ChatRequest) -> tuple[str, ...]:
    """Rename what was left out to the names in the API that the client used, for the report."""
    source = request.source
    if source is None or not source.names:
        return names
    return tuple(dict.fromkeys(source.names.get(name, name) for name in names))


def _rules_for(request: ChatRequest, rules: MessageRules) -> MessageRules:
    """The host's rules for messages, with the reasoning fields that `allowed_params` names."""
    if not request.allowed_params:
        return rules
    allowed = request.allowed_params.intersection(THOUGHT_FIELDS)
    if not allowed:
        return rules
    thoughts = rules.thoughts
    field = thoughts.field or min(allowed)
    return replace(rules, thoughts=replace(thoughts, kept=thoughts.kept | allowed, field=field))


def _without_blocks(
    message: dict[str, Any], thoughts: ThoughtRule, dropped: dict[str, None]
) -> dict[str, Any]:
    """A message without `block_order`; its thinking blocks become text or are left out."""
    if BLOCK_ORDER in message:
        message = {name: value for name, value in message.items() if name != BLOCK_ORDER}
    if THINKING_BLOCKS in message:
        message = blocks_as_thoughts(message, thoughts, dropped)
    return message


def _fit_fields(request: ChatRequest, target: Target) -> tuple[ChatRequest, tuple[str, ...]]:
    """Remove message fields that the host does not know. Returns the request and their names."""
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


def unsupported_part(
    path: str, message: str, request: ModelRequest, target: Target
) -> BadRequestError:
    """The error for a part of a request that the host does not support.

    `message` says what the host accepts instead.
    """
    return BadRequestError(
        f"`{path}`: {target.provider} {message}.",
        param=path,
        provider=target.provider,
        model=request.model,
    )


def _is_supported(name: str, value: Any, request: ModelRequest, quirks: Quirks) -> bool:
    """Whether the host accepts a parameter with this value."""
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
    """The kind of a `tool_choice`: its text, or the `type` of an object."""
    if isinstance(value, Mapping):
        return str(cast("Mapping[str, Any]", value).get("type"))
    return str(value)


def _is_default(name: str, value: Any) -> bool:
    """Whether a value is what hosts do without the parameter, such as `n.

    1`, so that it can be left out.
    """
    if name == "response_format":
        return bool(value.get("type") == _TEXT)
    if name == "modalities":
        return bool(list(value) == [_TEXT])
    return name in _DEFAULTS and bool(value == _DEFAULTS[name])


def _unsupported(
    name: str, value: Any, request: ModelRequest, target: Target
) -> UnsupportedParamsError:
    """The error for a parameter that the host does not accept."""
    quirks = target.quirks
    what = f"`{name}`"
    ways = "set `drop_params=True` to leave it out"
    if quirks.extra_params is None:
        ways = f"{ways}, or `allowed_openai_params=['{name}']` to send it"
    if name in request.extra and (near := _similar_param(name)):
        ways = f"did you mean `{near}`? Otherwise {ways}"
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


def _similar_param(name: str) -> str | None:
    """The chat parameter or option that a name such as `max_token` probably means, or None."""
    from difflib import get_close_matches

    if len(name) > _LONGEST_TYPO:
        return None
    known = (*PARAMS, *sorted(CALL_OPTIONS & REQUEST_OPTIONS))
    return next(iter(get_close_matches(name.lower(), known, n=1, cutoff=_SIMILARITY)), None)


def _unknown_field(path: str, request: ModelRequest, target: Target) -> UnsupportedParamsError:
    """The error for a message field that the host does not accept."""
    return UnsupportedParamsError(
        f"{target.provider} does not support `{path}` for `{request.model}`: remove it, or set "
        "`drop_params=True` to leave it out.",
        param=path,
        provider=target.provider,
        model=request.model,
    )
