"""Parses replies and errors of Converse.

Sources: Amazon Bedrock API reference, "Converse" and "Common errors"; user guide, "Prompt caching"
(`inputTokens` leaves out what a cache held); read 2026-11-26.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from pydantic import ValidationError

from puna.dialects.base import ReadContext
from puna.dialects.error_replies import read_error_frame, read_error_reply
from puna.dialects.finish_reasons import failure_body, is_failure_reason
from puna.dialects.json_http import first_problem, malformed
from puna.dialects.openai_replies import nameless_call_error, with_unique_ids
from puna.errors import APIError, AuthenticationError, InternalServerError
from puna.types.chat import ChatCompletion
from puna.types.counts import read_counts
from puna.types.model_request import ModelRequest
from puna.wire.http import HTTPReply

_FINISH_REASONS: Mapping[str, str] = {
    "content_filtered": "content_filter",
    "end_turn": "stop",
    "guardrail_intervened": "content_filter",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "stop_sequence": "stop",
    "tool_use": "tool_calls",
}
_REFUSED_KEYS = frozenset(
    (
        *("ExpiredTokenException", "IncompleteSignature", "InvalidClientTokenId"),
        *("InvalidSignatureException", "MissingAuthenticationTokenException"),
        *("SignatureDoesNotMatch", "UnrecognizedClientException"),
    )
)
"""Kinds of a 403 that say: these keys let nobody in."""

_STATUSES: Mapping[str, int] = {
    "accessDeniedException": 403,
    "internalServerException": 500,
    "modelErrorException": 424,
    "modelNotReadyException": 429,
    "modelStreamErrorException": 424,
    "modelTimeoutException": 408,
    "resourceNotFoundException": 404,
    "serviceUnavailableException": 503,
    "throttlingException": 429,
    "validationException": 400,
}
"""The status that each exception of a stream would have had at its head."""

_MODEL_FAILED = 424
_COUNTS = ("inputTokens", "outputTokens", "cacheReadInputTokens", "cacheWriteInputTokens")
_KEPT = ("additionalModelResponseFields", "metrics", "performanceConfig", "serviceTier", "trace")


def read_finish_reason(reason: Any, *, has_calls: bool) -> str | None:
    """OpenAI's finish reason for a `stopReason`; an unknown one is passed through."""
    if not isinstance(reason, str):
        return None
    name = _FINISH_REASONS.get(reason, reason)
    return "tool_calls" if has_calls and name == "stop" else name


def read_usage(usage: Any) -> dict[str, Any] | None:
    """Usage in OpenAI's counting, where prompt tokens include those of the host's cache.

    None where a count is absurd: then the others cannot be trusted either.
    """
    if not isinstance(usage, Mapping):
        return None
    told = cast("Mapping[str, Any]", usage)
    fresh, made, cached, kept = read_counts(told, _COUNTS)
    if fresh is None and made is None:
        return None
    prompt = (fresh or 0) + (cached or 0) + (kept or 0)
    counts: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": made or 0,
        "total_tokens": prompt + (made or 0),
    }
    details = {"cached_tokens": cached, "cache_creation_tokens": kept}
    if any(count is not None for count in details.values()):
        counts["prompt_tokens_details"] = {n: c for n, c in details.items() if c is not None}
    return counts


def read_completion(data: Mapping[str, Any], context: ReadContext) -> ChatCompletion:
    """Convert a decoded success to a completion.

    Raises:
        MalformedReplyError: it holds no message.
        APIError: it ended because the host failed.
    """
    if is_failure_reason(data.get("stopReason")):
        raise read_error_frame(failure_body(data["stopReason"]), context)
    output = data.get("output")
    message = cast("Mapping[str, Any]", output).get("message") if isinstance(output, dict) else None
    blocks = (
        cast("Mapping[str, Any]", message).get("content") if isinstance(message, dict) else None
    )
    if not isinstance(blocks, list):
        raise malformed("no message (`output.message.content` is no list)", context)
    said = _read_blocks(cast("list[Any]", blocks), context)
    choice = {
        "index": 0,
        "message": said,
        "finish_reason": read_finish_reason(data.get("stopReason"), has_calls="tool_calls" in said),
    }
    fields: dict[str, Any] = {
        **{name: data[name] for name in _KEPT if data.get(name) is not None},
        "id": context.made_id,
        "object": "chat.completion",
        "created": int(context.now),
        "model": context.model,
        "choices": [choice],
    }
    usage = read_usage(data.get("usage"))
    if usage is not None:
        fields["usage"] = usage
    try:
        return ChatCompletion.model_validate(fields)
    except ValidationError as error:
        raise malformed(f"fields of the wrong kind: {first_problem(error)}", context) from error


def _read_blocks(blocks: list[Any], context: ReadContext) -> dict[str, Any]:
    """The blocks of an answer as a chat message: texts joined, calls in their order."""
    texts: list[str] = []
    thoughts: list[str] = []
    calls: list[dict[str, Any]] = []
    for block in blocks:
        if not isinstance(block, dict):
            raise malformed("a block that is no object", context)
        fields = cast("dict[str, Any]", block)
        if isinstance(fields.get("text"), str):
            texts.append(fields["text"])
        thoughts.append(read_reasoning(fields.get("reasoningContent")))
        call = fields.get("toolUse")
        if isinstance(call, dict):
            calls.append(_read_call(cast("dict[str, Any]", call), context))
    message: dict[str, Any] = {"role": "assistant", "content": "".join(texts)}
    if calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = with_unique_ids(calls, f"{context.made_id}_0")
    if any(thoughts):
        message["reasoning_content"] = "".join(thoughts)
    return message


def read_reasoning(content: Any) -> str:
    """The text of a reasoning block, or of a piece of one; empty for encrypted reasoning."""
    if not isinstance(content, dict):
        return ""
    fields = cast("dict[str, Any]", content)
    inner = fields.get("reasoningText", fields)
    text = cast("dict[str, Any]", inner).get("text") if isinstance(inner, dict) else None
    return text if isinstance(text, str) else ""


def _read_call(call: dict[str, Any], context: ReadContext) -> dict[str, Any]:
    """Convert a `toolUse` block to a tool call."""
    return {
        "id": call_id(call),
        "type": "function",
        "function": {
            "name": call_name(call, context),
            "arguments": json.dumps(call.get("input") or {}, ensure_ascii=False),
        },
    }


def call_id(call: Mapping[str, Any]) -> str | None:
    """The host's id of a call, or None."""
    given = call.get("toolUseId")
    return given if isinstance(given, str) and given.strip() else None


def call_name(call: Mapping[str, Any], context: ReadContext) -> str:
    """The function name of a call. Raises MalformedReplyError where there is none."""
    name = call.get("name")
    if not isinstance(name, str) or not name:
        raise nameless_call_error(context)
    return name


def read_error(reply: HTTPReply, context: ReadContext[ModelRequest]) -> APIError:
    """The typed error for a reply whose status is no success. Its kind stands in a header."""
    error = read_error_reply(reply, context)
    kind = reply.headers.get("x-amzn-errortype", "").partition(":")[0]
    return _classify(error, kind, reply.status, context)


def read_exception(kind: str, payload: bytes, context: ReadContext) -> APIError:
    """The typed error for an exception inside a stream."""
    status = _STATUSES.get(kind, 500)
    error = read_error_reply(HTTPReply(status, {}, payload), context)
    return _classify(error, kind, status, context)


def _classify(
    error: APIError, kind: str, status: int, context: ReadContext[ModelRequest]
) -> APIError:
    """Change an error to the class that its AWS exception stands for, such as a refused key."""
    cls: type[APIError] | None = AuthenticationError if kind in _REFUSED_KEYS else None
    if status == _MODEL_FAILED:
        cls = InternalServerError  # the model failed, not the request
    if cls is None:
        return error
    return cls(
        error.message,
        status_code=status,
        provider=context.target.provider,
        model=context.model,
        body=error.body,
        headers=error.headers,
    )
