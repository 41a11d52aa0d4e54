"""Requests of the Messages API, read and made into chat."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from puna.bridges.messages.request import MessagesRequest, read_messages_request
from puna.dialects.request_rules import to_plain_chat
from puna.types.requests import ChatRequest, make_chat_request

HI: list[Any] = [{"role": "user", "content": "hi"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
WEATHER = {"name": "get_weather", "description": "The weather", "input_schema": SCHEMA}
PNG = {"type": "base64", "media_type": "image/png", "data": "iVBORw0KGgo="}


def read(*, drop_params: bool = False, **fields: Any) -> MessagesRequest:
    body = {"max_tokens": 8, "messages": HI, **fields}
    return read_messages_request(body, drop_params=drop_params)


def chat_of(asked: MessagesRequest) -> tuple[ChatRequest, tuple[str, ...]]:
    """The request as a host of chat alone gets it, and all that it is not told."""
    chat = make_chat_request("m", asked.messages, asked.fields)
    plain, beyond = to_plain_chat(replace(chat, messages_extras=asked.extras))
    return plain, (*asked.dropped_params, *beyond)


def plain(asked: MessagesRequest) -> tuple[list[Any], tuple[str, ...]]:
    """Its messages in chat's own words, and what was left out."""
    chat, left_out = chat_of(asked)
    return list(chat.messages), left_out


PNG_PART: dict[str, Any] = {
    "type": "image_url",
    "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="},
}


def turn(content: Any) -> MessagesRequest:
    return read(messages=[{"role": "user", "content": content}])
