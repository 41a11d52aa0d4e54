"""Converts a Messages request to a chat request.

Fields with a counterpart in chat are mapped. What only a host of the same API understands, unknown
beta fields included, is kept beside the chat request (`MessagesExtras`); other hosts do not get it,
and the report says so. What a caller would miss is refused, or left out under `drop_params`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from puna.bridges.messages.conversation import (
    ChatMessage,
    image_paths,
    read_conversation,
    read_system,
)
from puna.bridges.messages.tools import read_tool_choice, read_tools
from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError
from puna.types.display import display
from puna.types.messages_extras import MessagesExtras
from puna.types.request_source import RequestSource

_SAME = ("max_tokens", "temperature", "top_p", "top_k")
"""Fields that chat has too; `top_k` is no parameter of OpenAI's, and goes to hosts that take it."""

_READ = frozenset((
    *_SAME, "model", "messages", "system", "stream", "tools", "tool_choice", "stop_sequences",
    "metadata", "output_config", "output_format",
))  # fmt: skip

NO_THREADS = "thread_unsupported_request"
"""Anthropic's word for a thread that cannot be; its SDK then sends the whole conversation."""


@dataclass(frozen=True, slots=True)
class MessagesRequest:
    """A Messages request, converted to what a chat call needs.

    Attributes:
        messages: chat messages.
        fields: chat parameters.
        stop_sequences: as the caller gave them.
        tool_names: the caller's tool names by the alias that hosts get.
        dropped_params: what was left out for every host, by name.
        extras: what only a host of the Messages API gets.
        made_id: an id for the answer, used where the host's id has not this API's form: hosts of
            chat may give one id to many answers.
        source: the paths of the images in the client's request, for errors.
    """

    messages: list[ChatMessage]
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    stop_sequences: tuple[str, ...] = ()
    tool_names: Mapping[str, str] = field(default_factory=dict[str, str])
    dropped_params: tuple[str, ...] = ()
    extras: MessagesExtras = MessagesExtras()
    source: RequestSource = RequestSource()
    made_id: str = ""


def read_messages_request(
    body: Mapping[str, Any],
    *,
    drop_params: bool = False,
    is_count: bool = False,
    made_id: str = "",
) -> MessagesRequest:
    """Check a Messages request and convert it. The caller reads `model` and `stream` itself.

    Args:
        body: the decoded JSON body.
        drop_params: leave out what chat cannot do, instead of refusing the request.
        is_count: the request only asks for a token count, so `max_tokens` may be missing.
        made_id: an id for the answer; see `MessagesRequest`.

    Raises:
        BadRequestError: a field is malformed; `param` is its path.
        UnsupportedParamsError: chat cannot do it, and `drop_params` is not set.
    """
    given = {name: value for name, value in body.items() if value is not None}
    if "max_tokens" not in given and not is_count:
        raise BadRequestError(
            "`max_tokens` is missing, which the Messages API requires: give the longest answer in "
            "tokens, such as 1024.",
            param="max_tokens",
        )
    if given.get("max_tokens") == 0 and not is_count:
        raise BadRequestError(
            "`max_tokens` must be a whole number above 0, not `0`.",
            param="max_tokens",
        )
    if "thread" in given:  # left out, it would take the earlier turns with it
        raise BadRequestError(
            "No conversation is kept here: send all of it in `messages`, without `thread`.",
            param="thread",
            code=NO_THREADS,
        )
    omissions = Omissions(may_drop=drop_params)
    tools, names = read_tools(given.get("tools"), omissions)
    stops = _read_stop_sequences(given.get("stop_sequences"))
    fields = {
        **{name: given[name] for name in _SAME if name in given},
        **({"tools": tools} if tools else {}),
        **_read_choice(given, tools, omissions),
        **({"stop": list(stops)} if stops else {}),
        **_read_user(given.get("metadata")),
        **_read_format(given),
    }
    messages = [
        *read_system(given.get("system"), omissions),
        *read_conversation(given.get("messages"), omissions),
    ]
    if all(message["role"] == "system" for message in messages):
        raise BadRequestError(
            "`messages` says nothing: every turn is empty, or holds only what is left out.",
            param="messages",
        )
    extras = MessagesExtras(_read_extras(given))
    source = RequestSource(image_paths(given.get("messages")))
    left_out = omissions.names
    return MessagesRequest(messages, fields, stops, names, left_out, extras, source, made_id)


def _read_choice(
    given: Mapping[str, Any], tools: Sequence[Any], omissions: Omissions
) -> dict[str, Any]:
    """Convert `tool_choice` to chat's fields; none where all tools were left out."""
    fields = read_tool_choice(given.get("tool_choice"))
    is_free = fields.get("tool_choice") in (None, "auto", "none")
    if not is_free and given.get("tools") and not tools:
        omissions.note("tool_choice")
        return {}
    return fields


def _read_extras(given: Mapping[str, Any]) -> dict[str, Any]:
    """Pick the fields that only a host of the Messages API gets."""
    thinking = given.get("thinking", {})
    if not isinstance(thinking, Mapping):
        raise BadRequestError("`thinking` must be an object.", param="thinking")
    config = given.get("output_config", {})
    beside = {name: v for name, v in config.items() if name != "format" and v is not None}
    carried = {name: value for name, value in given.items() if name not in _READ}
    return {**({"output_config": beside} if beside else {}), **carried}


def _read_stop_sequences(stops: object) -> tuple[str, ...]:
    """Check `stop_sequences`. Raises BadRequestError where it is no list of strings."""
    if stops is None:
        return ()
    if not isinstance(stops, list) or not all(
        isinstance(stop, str) for stop in cast("list[Any]", stops)
    ):
        raise BadRequestError("`stop_sequences` must be a list of strings.", param="stop_sequences")
    return tuple(cast("list[str]", stops))


def _read_user(metadata: object) -> dict[str, Any]:
    """Convert `metadata.user_id` to chat's `user`."""
    if metadata is None:
        return {}
    if not isinstance(metadata, Mapping):
        raise BadRequestError("`metadata` must be an object.", param="metadata")
    user = cast("Mapping[str, Any]", metadata).get("user_id")
    if user is not None and not isinstance(user, str):
        raise BadRequestError("`metadata.user_id` must be a string.", param="metadata.user_id")
    return {"user": user} if user else {}


def _read_format(given: Mapping[str, Any]) -> dict[str, Any]:
    """Convert `output_config.format`, or the older `output_format`, to `response_format`."""
    config = given.get("output_config", {})
    if not isinstance(config, Mapping):
        raise BadRequestError("`output_config` must be an object.", param="output_config")
    path = "output_config.format" if config.get("format") is not None else "output_format"
    wanted = config.get("format") or given.get("output_format")
    if wanted is None:
        return {}
    kind = wanted.get("type") if isinstance(wanted, Mapping) else None
    if kind != "json_schema" or not isinstance(wanted.get("schema"), Mapping):
        raise BadRequestError(
            f"`{path}` must be a json_schema with its `schema`, not `{display(kind)}`.",
            param=path,
        )
    named = {"name": "response", "schema": wanted["schema"]}
    return {"response_format": {"type": "json_schema", "json_schema": named}}
