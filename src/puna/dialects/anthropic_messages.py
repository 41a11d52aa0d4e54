"""The dialect of hosts that speak Anthropic's Messages API.

Requests and answers are converted in `puna.bridges.over_messages`; source: Anthropic API reference,
"Messages", "Errors" and "Beta headers", read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

from pydantic import ValidationError

from puna.bridges.histories.rules import MESSAGES
from puna.bridges.omissions import Omissions
from puna.bridges.over_messages.reply import (
    choice_fields,
    message_fields,
    unknown_fields,
    usage_fields,
)
from puna.bridges.over_messages.request import ModelTraits, build_messages_body
from puna.catalog.facts import find_model
from puna.dialects.anthropic_errors import read_messages_error
from puna.dialects.anthropic_replies import check_calls
from puna.dialects.anthropic_stream import AnthropicStreamReader
from puna.dialects.base import BuiltRequest, ReadContext, StreamReader, Target
from puna.dialects.error_replies import read_error_reply
from puna.dialects.finish_reasons import failure_body, is_failure_reason
from puna.dialects.json_http import (
    build_post,
    build_url,
    encode_body,
    first_problem,
    malformed,
    parse_object,
)
from puna.dialects.openai_replies import with_unique_ids
from puna.dialects.request_rules import (
    choose_params,
    fit_messages,
    pop_stream_options,
    to_client_names,
)
from puna.errors import APIError
from puna.types.chat import ChatCompletion
from puna.types.messages_extras import MessagesExtras
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply, Timeouts

_PATH = "/messages"
_BETAS = "anthropic-beta"
_DEFAULT_MAX_TOKENS = 4_096
_BY_BUDGET = "thinking_budget"
_EFFORT = "reasoning_effort"


class AnthropicMessages:
    """Sends chat requests to the Messages API and parses its replies.

    One instance serves all calls.
    """

    def build_request(
        self, request: ChatRequest, target: Target, timeouts: Timeouts
    ) -> BuiltRequest:
        """Build `POST <base>/v1/messages`.

        `max_tokens` is always sent, since the API requires it.
        """
        request, cut = fit_messages(request, target, target.quirks.messages or MESSAGES)
        params, left_out = choose_params(request, target)
        left_out = (*cut, *left_out, *pop_stream_options(params, request))  # usage is always told
        extras = request.messages_extras or MessagesExtras()
        omissions = Omissions(may_drop=request.drop_params)
        for name in _unmapped_call_fields(request):
            omissions.note(f"messages[].tool_calls[].function.{name}")
        bridged = build_messages_body(
            request.messages, params, extras, _traits_of(target), omissions
        )
        if "thinking" in params and "effort" not in bridged.get("output_config", {}):
            left_out += tuple({_EFFORT} & params.keys())  # the caller's own `thinking` won
        body = {"model": target.model, **bridged, **({"stream": True} if request.is_stream else {})}
        request = _with_betas(request, target, extras)
        http = build_post(build_url(target, _PATH), encode_body(body), request, target, timeouts)
        return BuiltRequest(http, to_client_names((*left_out, *omissions.names), request))

    def read_reply(self, reply: HTTPReply, context: ReadContext) -> ChatCompletion:
        """Parse a success of the Messages API to a chat completion.

        Raises:
            APIError: it holds an error, or no message.
        """
        data = parse_object(reply, context)
        if data.get("type") == "error" or data.get("error"):
            raise read_messages_error(data, context)
        if is_failure_reason(data.get("stop_reason")):
            raise read_messages_error(failure_body(data["stop_reason"]), context)
        content, usage = data.get("content"), data.get("usage")
        if not isinstance(content, list):
            raise malformed("no message: `content` is no list", context)
        try:
            message = message_fields(cast("list[Mapping[str, Any]]", content), unknown_fields(data))
            if "tool_calls" in message:
                check_calls(message["tool_calls"], context)
                message["tool_calls"] = with_unique_ids(
                    message["tool_calls"], f"{context.made_id}_0"
                )
            counts = usage_fields(usage) if isinstance(usage, Mapping) else None
            return ChatCompletion.model_validate(
                {
                    "id": data.get("id") or context.made_id,
                    "object": "chat.completion",
                    "created": int(context.now),
                    "model": context.model,
                    "choices": [{"index": 0, "message": message, **choice_fields(data)}],
                    **({"usage": counts} if counts is not None else {}),
                }
            )
        except ValidationError as error:
            raise malformed(f"fields of the wrong kind: {first_problem(error)}", context) from error
        except (KeyError, TypeError, ValueError) as error:
            raise malformed("a block of content that is none", context) from error

    def read_error(self, reply: HTTPReply, context: ReadContext) -> APIError:
        """The typed error for a reply whose status is no success."""
        return read_error_reply(reply, context)

    def stream_reader(self, context: ReadContext) -> StreamReader:
        """A new reader for one streamed reply."""
        return AnthropicStreamReader(context)


def _traits_of(target: Target) -> ModelTraits:
    """What requests depend on: the model's default `max_tokens`, and how it limits reasoning."""
    facts = find_model(target.provider, target.model)
    known = facts.max_output_tokens if facts is not None else None
    limit = target.max_output_tokens or known or _DEFAULT_MAX_TOKENS
    return ModelTraits(limit, uses_thinking_budget=facts is not None and facts.supports(_BY_BUDGET))


def _unmapped_call_fields(request: ChatRequest) -> list[str]:
    """The fields of calls in the messages that a `tool_use` block does not have."""
    calls = (call for message in request.messages for call in message.get("tool_calls", ()))
    found = {name for call in calls for name in call["function"]}
    return sorted(found - {"name", "arguments"})


def _with_betas(request: ChatRequest, target: Target, extras: MessagesExtras) -> ChatRequest:
    """The request with the `anthropic-beta` features of client and operator together."""
    if not extras.betas:
        return request
    own = request.headers.get(_BETAS) or target.headers.get(_BETAS)
    named = ",".join(([own] if own else []) + list(extras.betas))
    return replace(request, headers={**request.headers, _BETAS: named})
