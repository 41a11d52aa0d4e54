"""Chat requests that are made into requests of the Messages API."""

from __future__ import annotations

from typing import Any

from puna.bridges.omissions import Omissions
from puna.bridges.over_messages.request import ModelTraits, build_messages_body
from puna.types.messages_extras import MessagesExtras
from puna.types.requests import make_chat_request

HI: list[Any] = [{"role": "user", "content": "hi"}]
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}
TRAITS = ModelTraits(default_max_tokens=64)
EPHEMERAL = {"cache_control": {"type": "ephemeral"}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}


def build(
    messages: Any = HI,
    *,
    extras: MessagesExtras | None = None,
    traits: ModelTraits = TRAITS,
    drop_params: bool = False,
    **params: Any,
) -> tuple[dict[str, Any], tuple[str, ...]]:
    request = make_chat_request("m", messages, params)
    omissions = Omissions(may_drop=drop_params)
    given = {**request.params, **request.extra}
    extras = extras or MessagesExtras()
    return (
        build_messages_body(request.messages, given, extras, traits, omissions),
        omissions.names,
    )


def turns(*messages: Any) -> Any:
    return build([*HI, *messages])[0]["messages"][1:]


def spoken(**fields: Any) -> dict[str, Any]:
    return {"role": "assistant", "content": None, **fields}
