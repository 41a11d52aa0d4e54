"""Anthropic's Messages API: each request is bridged to chat, its answer back."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, cast

from puna.bridges.messages.deferred import plain_tools
from puna.bridges.messages.reply import message_of
from puna.bridges.messages.request import MessagesRequest, read_messages_request
from puna.bridges.messages.stream import MessageStream
from puna.catalog.tokens import count_message_tokens
from puna.engine.call import Call
from puna.gateway.answers.replies import Reply, json_reply
from puna.gateway.answers.sending import Caller, StreamEncoding, Work, send_answer, send_stream
from puna.gateway.endpoints.chat import Pipeline
from puna.gateway.endpoints.messages_replies import messages_error_event
from puna.gateway.requests.body import check_fields
from puna.gateway.visit import Visit
from puna.routing.attempts import Plan
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.option_scopes import REQUEST_OPTIONS
from puna.types.report import CallReport
from puna.wire.sse import encode_event

_BETA = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
_MOST_BETAS = 32


async def create_message(pipeline: Pipeline, body: Mapping[str, Any], caller: Caller) -> Work:
    """Handle `POST /v1/messages`, whole or as a stream.

    Raises:
        APIError: the request is wrong, or nobody serves the model.
    """
    engine = pipeline.engine
    betas = _read_betas(caller.head.headers)
    request, call = await caller.read(read_message_call, pipeline, body, caller.visit, betas=betas)
    if call.request.is_stream:
        encoding = _message_encoding(MessageStream(request), caller.call_id)
        return Work((call,), lambda: send_stream(engine.stream(call), caller, encoding))

    def encode(answer: ChatCompletion) -> bytes:
        """Serialize the chat answer as a message."""
        return json_reply(message_of(request, answer)).body

    return Work((call,), lambda: send_answer(engine.chat(call), caller, encode))


async def count_tokens(pipeline: Pipeline, body: Mapping[str, Any], caller: Caller) -> Reply:
    """Handle `POST /v1/messages/count_tokens`. The tokens are counted here; no host is asked.

    Raises:
        APIError: the request is wrong, or nobody serves the model.
    """
    _, call = await caller.read(
        read_message_call, pipeline, body, caller.visit, betas=(), is_count=True
    )
    model = call.plan.group[0].target.model
    asked = call.request
    # A deferred tool that nothing has named stands in no prompt.
    params = asked.params
    tools, _ = plain_tools(params.get("tools", ()), asked.messages, params.get("tool_choice"))
    # Elsewhere, for a vocabulary may have to be read first.
    counted = await asyncio.to_thread(count_message_tokens, model, asked.messages, tools or None)
    headers = {"x-puna-usage": "estimated"} if counted.is_estimate else {}
    return json_reply({"input_tokens": counted.count}, headers=headers)


def read_message_call(
    pipeline: Pipeline,
    body: Mapping[str, Any],
    visit: Visit,
    *,
    betas: tuple[str, ...],
    plan: Plan | None = None,
    is_count: bool = False,
) -> tuple[MessagesRequest, Call]:
    """Convert the body of a Messages request to a chat call.

    Returned with the request as it was read.

    `betas` are the features named in its `anthropic-beta` header. `plan` is the model's plan where
    it is known. `is_count` is whether only tokens are counted.

    Raises:
        APIError: the request is wrong, or nobody serves the model.
    """
    check_fields(body)
    local = {name: value for name, value in body.items() if _is_puna_option(name, value)}
    asked = {name: value for name, value in body.items() if name not in local or name == "metadata"}
    if plan is None:
        drops = pipeline.bridge_drops(body)
    else:
        drops = all(one.drop_params for one in plan.group)
    made_id = "" if is_count else pipeline.engine.make_id()
    request = read_messages_request(asked, drop_params=drops, is_count=is_count, made_id=made_id)
    fields = {**local, **request.fields, "model": body.get("model"), "stream": body.get("stream")}
    extras = replace(request.extras, betas=betas) if betas else request.extras
    chat = pipeline.read_request(fields, request.messages)
    chat = replace(chat, messages_extras=extras, source=request.source)
    left_out = request.dropped_params
    return request, pipeline.make_call(chat, fields, visit, plan=plan, left_out=left_out)


def _read_betas(headers: Mapping[str, str]) -> tuple[str, ...]:
    """The features that the `anthropic-beta` header names; malformed names are left out.

    Only hosts of the same API get them. The version header is not passed on, since the provider's
    row names the version that Puna reads.
    """
    named = [name.strip() for name in headers.get("anthropic-beta", "").split(",")]
    return tuple(name for name in named[:_MOST_BETAS] if _BETA.fullmatch(name))


def _is_puna_option(name: str, value: Any) -> bool:
    """Whether a field is an option of Puna, which no host gets.

    Anthropic has a `fallbacks` of its own, a word or a list of objects, which is not.
    """
    if name != "fallbacks" or not isinstance(value, str | list):
        return name in REQUEST_OPTIONS
    return isinstance(value, list) and all(
        isinstance(item, str) for item in cast("list[Any]", value)
    )


def _message_encoding(bridge: MessageStream, call_id: str) -> StreamEncoding[ChatCompletionChunk]:
    """How a chat stream is serialized as the events of the Messages API.

    `bridge` converts the chunks.
    """

    async def finish(report: CallReport) -> bytes:
        """The events at the end of a stream."""
        return encode_events(bridge.finish(usage_of_report(report)))

    return StreamEncoding(
        encode=lambda chunk: encode_events(bridge.add(chunk)),
        finish=finish,
        fail=lambda error: messages_error_event(error, call_id),
    )


def usage_of_report(report: CallReport) -> Usage:
    """The usage for a stream's last events.

    It is taken from the report, because not every host sends a usage chunk.
    """
    return Usage.model_validate(
        {
            "prompt_tokens": report.prompt_tokens,
            "completion_tokens": report.completion_tokens,
            "prompt_tokens_details": {
                "cached_tokens": report.cached_tokens,
                "cache_creation_tokens": report.cache_creation_tokens,
            },
        }
    )


def encode_events(events: Iterable[Mapping[str, Any]]) -> bytes:
    """Serialize events of the Messages API as server-sent events."""
    return b"".join(
        encode_event(
            json.dumps(event, ensure_ascii=False, separators=(",", ":")).encode(), event["type"]
        )
        for event in events
    )
