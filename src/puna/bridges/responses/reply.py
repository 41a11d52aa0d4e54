"""Converts a whole chat answer to a response."""

from __future__ import annotations

from typing import Any

from puna.bridges.plain_answers import PlainAnswer
from puna.bridges.reasoning import reasoning_of
from puna.bridges.responses.output import (
    COMPLETED,
    INCOMPLETE,
    call_item,
    final_fields,
    final_fields_with,
    incomplete_reason,
    message_item,
    reasoning_item,
    reasoning_part,
    refusal_part,
    response_fields,
    text_part,
    tier_of,
    usage_fields,
)
from puna.bridges.responses.request import BridgedRequest
from puna.types.chat import ChatCompletion, Choice
from puna.types.responses import Response


def response_of(
    request: BridgedRequest,
    response_id: str,
    created_at: int,
    answer: ChatCompletion,
    *,
    completed_at: int,
) -> Response:
    """Convert a whole chat answer to a response: reasoning, text and calls, in this order.

    The times are Unix time in seconds.
    """
    fields = response_fields_of(request, response_id, created_at, answer, completed_at=completed_at)
    return Response.model_validate(fields).with_report(answer.report)


def response_fields_of(
    request: BridgedRequest,
    response_id: str,
    created_at: int,
    answer: ChatCompletion,
    *,
    completed_at: int,
) -> dict[str, Any]:
    """As `response_of`, but the fields as a dict."""
    choice = answer.choices[0]
    output = _output_items(request, response_id, choice)
    if incomplete_reason(choice.finish_reason):  # it was cut: so was its last item
        output[-1]["status"] = INCOMPLETE
    fields = final_fields(choice.finish_reason, answer.usage, tier_of(answer), completed_at)
    status = fields.pop("status")
    return response_fields(request, response_id, created_at, status, output, **fields)


def plain_response_of(
    request: BridgedRequest,
    response_id: str,
    created_at: int,
    answer: PlainAnswer,
    *,
    completed_at: int,
) -> dict[str, Any]:
    """As `response_fields_of`, for an answer of texts and calls that the fast lane has read."""
    choice, usage = answer.choices[0], answer.usage
    said = choice.message
    calls = said.tool_calls or ()
    output: list[dict[str, Any]] = []
    if said.content or not calls:
        output.append(message_item(response_id, 0, [text_part(said.content or "")], COMPLETED))
    for call in calls:
        tool, arguments = request.tool_of(call.function.name), call.function.arguments
        output.append(call_item(response_id, len(output), call.id, tool, arguments, COMPLETED))
    if incomplete_reason(choice.finish_reason):
        output[-1]["status"] = INCOMPLETE
    used = usage_fields(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        cached=usage.cached_tokens,
        thought=usage.reasoning_tokens or 0,
    )
    fields = final_fields_with(choice.finish_reason, used, answer.service_tier, completed_at)
    status = fields.pop("status")
    return response_fields(request, response_id, created_at, status, output, **fields)


def logprobs_of(choice: Any) -> list[Any]:
    """The log probabilities of a choice's text; empty where there are none."""
    told = choice.logprobs
    tokens = told.get("content") if isinstance(told, dict) else None
    return list(tokens) if isinstance(tokens, list) else []


def _output_items(
    request: BridgedRequest, response_id: str, choice: Choice
) -> list[dict[str, Any]]:
    """The output items of an answer's choice."""
    message, output = choice.message, list[dict[str, Any]]()
    thought = reasoning_of(message)
    if thought:
        output.append(reasoning_item(response_id, 0, [reasoning_part(thought)], COMPLETED))
    parts: list[dict[str, Any]] = []
    if message.content:
        parts.append(text_part(message.content, logprobs_of(choice)))
    if message.refusal:
        parts.append(refusal_part(message.refusal))
    calls = message.tool_calls or ()
    if not parts and not calls and not output:
        parts.append(text_part(""))
    for part in parts:
        output.append(message_item(response_id, len(output), [part], COMPLETED))
    for call in calls:
        tool, arguments = request.tool_of(call.function.name or ""), call.function.arguments
        place = len(output)
        output.append(call_item(response_id, place, call.id, tool, arguments, COMPLETED))
    return output
