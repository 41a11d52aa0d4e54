"""Converts a whole chat answer to a response."""

from __future__ import annotations

from typing import Any

from puna.bridges.reasoning import reasoning_of
from puna.bridges.responses.output import (
    COMPLETED,
    INCOMPLETE,
    call_item,
    ended,
    incomplete_reason,
    make_response,
    message_item,
    reasoning_item,
    reasoning_part,
    refusal_part,
    text_part,
    tier_of,
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
    """Build the response: reasoning, text and calls, in this order.

    The times are Unix time in seconds.
    """
    choice = answer.choices[0]
    output = _output(request, response_id, choice)
    if incomplete_reason(choice.finish_reason):  # it was cut: so was its last item
        output[-1]["status"] = INCOMPLETE
    fields = ended(choice.finish_reason, answer.usage, tier_of(answer), completed_at)
    status = fields.pop("status")
    response = make_response(request, response_id, created_at, status, output, **fields)
    return response.with_report(answer.report)


def logprobs_of(choice: Any) -> list[Any]:
    """The log probabilities of a choice's text; empty where there are none."""
    told = choice.logprobs
    tokens = told.get("content") if isinstance(told, dict) else None
    return list(tokens) if isinstance(tokens, list) else []


def _output(request: BridgedRequest, response_id: str, choice: Choice) -> list[dict[str, Any]]:
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
        tool, arguments = request.called(call.function.name or ""), call.function.arguments
        place = len(output)
        output.append(call_item(response_id, place, call.id, tool, arguments, COMPLETED))
    return output
