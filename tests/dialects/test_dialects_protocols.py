"""What every chat dialect owes a request that came in the shape of Anthropic's Messages API."""

from __future__ import annotations

from dataclasses import replace

import pytest
from tests.support.contexts import request_for, target_for

from puna.bridges.messages.request import read_messages_request
from puna.dialects.table import DIALECTS
from puna.types.requests import ChatRequest
from puna.wire.http import Timeouts

MARK = {"cache_control": {"type": "ephemeral", "ttl": "canary-1"}}
BODY = {
    "max_tokens": 8,
    "thinking": {"type": "adaptive", "display": "canary-2"},
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Hi", **MARK}]},
        {
            "role": "assistant",
            "content": [
                {"type": "thinking", "thinking": "hm", "signature": "canary-3"},
                {"type": "text", "text": "Hello"},
            ],
        },
        {"role": "user", "content": "Go on."},
    ],
}
TOLD = {"canary-1": "cache_control", "canary-2": "thinking", "canary-3": "messages.thinking"}


def asked() -> ChatRequest:
    bridged = read_messages_request(BODY)
    chat = request_for(messages=bridged.messages, **bridged.fields)
    return replace(chat, messages_extras=bridged.extras)


@pytest.mark.parametrize("name", DIALECTS)
def test_what_a_host_is_not_told_is_reported_and_the_rest_arrives(name: str) -> None:
    target = target_for(dialect=name, model="m")
    built = DIALECTS[name].build_request(asked(), target, Timeouts())
    for canary, told in TOLD.items():
        assert (canary.encode() in built.http.body) != (told in built.dropped_params), told
    for text in (b"Hi", b"Hello", b"Go on."):
        assert text in built.http.body
