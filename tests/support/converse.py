"""Bedrock as it is played: what it answers, and whose signature its requests must carry."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.support.contexts import context_for, request_for, target_for
from tests.support.event_stream import encode_event

from puna.dialects.base import BuiltRequest
from puna.dialects.bedrock_converse import BedrockConverse
from puna.dialects.quirks import Quirks
from puna.transports.replay import Recorded
from puna.types.chat import ChatCompletion
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts
from puna.wire.sigv4 import Signing, sign

SECRETS = ("AKIACANARY7391", "canary-secret-7391", "canary-session-7391")
SIGNING = Signing(
    Secret(SECRETS[0]), Secret(SECRETS[1]), "us-east-1", "bedrock", Secret(SECRETS[2])
)
DIALECT = BedrockConverse()
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}},
}
JSON = {"content-type": "application/json"}
EVENTS = {"content-type": "application/vnd.amazon.eventstream"}


def reply(body: Any, status: int = 200, **headers: str) -> Recorded:
    """A JSON reply."""
    return Recorded(status, {**JSON, **headers}, [json.dumps(body).encode()])


ANSWER = reply(
    {
        "output": {"message": {"role": "assistant", "content": [{"text": "Hi"}]}},
        "stopReason": "end_turn",
        "usage": {"inputTokens": 3, "outputTokens": 1, "totalTokens": 4},
    }
)
CALLS = reply(
    {
        "output": {
            "message": {
                "role": "assistant",
                "content": [{"toolUse": {"toolUseId": "t1", "name": "f", "input": {"a": 1}}}],
            }
        },
        "stopReason": "tool_use",
        "usage": {"inputTokens": 30, "outputTokens": 9, "totalTokens": 39},
    }
)
BUSY = reply({"message": "Too many requests"}, 429, **{"retry-after": "2"})
STREAM = Recorded(
    200,
    EVENTS,
    [
        encode_event("messageStart", {"role": "assistant"}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"text": "Hi"}}),
        encode_event("messageStop", {"stopReason": "end_turn"})
        + encode_event("metadata", {"usage": {"inputTokens": 3, "outputTokens": 1}}),
    ],
)


def check_signature(request: HTTPRequest, now: float) -> None:
    """The request is signed as it is, at that time."""
    own = ("authorization", "x-amz-date", "x-amz-security-token")
    bare = {name: value for name, value in request.headers.items() if name not in own}
    again = sign(HTTPRequest("POST", request.url, bare, request.body), SIGNING, now)
    assert dict(request.headers) == again.headers


def build(quirks: Quirks = Quirks(), *, drop_params: bool = False, **fields: Any) -> BuiltRequest:  # noqa: B008 - frozen
    request = replace(request_for(**fields), drop_params=drop_params)
    return DIALECT.build_request(request, target_for(quirks=quirks), Timeouts())


def read(body: Any, status: int = 200, **headers: str) -> ChatCompletion:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = HTTPReply(status, {**JSON, **named}, raw)
    if status >= 400:
        raise DIALECT.read_error(reply, context_for())
    return DIALECT.read_reply(reply, context_for())


def answer(*blocks: Any, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": list(blocks)}
    return {"output": {"message": message}, "stopReason": "end_turn", **fields}
