"""Builds the items, the usage and the frame of a response, for whole answers and streams alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.responses.custom_tools import custom_input
from puna.bridges.responses.request import BridgedRequest
from puna.bridges.responses.required import fill_required
from puna.bridges.responses.tools import CalledTool
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage

IN_PROGRESS = "in_progress"
COMPLETED = "completed"
INCOMPLETE = "incomplete"
FAILED = "failed"

_ERROR_CODES: Mapping[str, str] = {
    "rate_limit_exceeded": "rate_limit_exceeded",
    "content_policy_violation": "invalid_prompt",
    "invalid_request_error": "invalid_prompt",
    # In no schema, but OpenAI's service sends it, and Codex then shortens its conversation.
    "context_length_exceeded": "context_length_exceeded",
}
_OTHER_ERROR = "server_error"

_INCOMPLETE_REASONS = {"length": "max_output_tokens"}
_COMPLETE = frozenset(("stop", "tool_calls", "function_call"))


def incomplete_reason(finish_reason: str | None) -> str | None:
    """Why an answer with this finish reason is incomplete; None for a complete one.

    An unknown finish reason counts as incomplete and is given as it is.
    """
    if finish_reason is None or finish_reason in _COMPLETE:
        return None
    return _INCOMPLETE_REASONS.get(finish_reason, finish_reason)


def text_part(text: str, logprobs: Sequence[Any] = ()) -> dict[str, Any]:
    """A text part of a message item."""
    return {"type": "output_text", "text": text, "annotations": [], "logprobs": list(logprobs)}


def refusal_part(text: str) -> dict[str, Any]:
    """A refusal part of a message item."""
    return {"type": "refusal", "refusal": text}


def reasoning_part(text: str) -> dict[str, Any]:
    """A text part of a reasoning item."""
    return {"type": "reasoning_text", "text": text}


def message_item(
    response_id: str, index: int, parts: list[dict[str, Any]], status: str
) -> dict[str, Any]:
    """A message item with these parts. `index` is the item's position in the output."""
    return {
        "id": item_id("msg", response_id, index),
        "type": "message",
        "status": status,
        "role": "assistant",
        "content": parts,
    }


def reasoning_item(
    response_id: str, index: int, parts: list[dict[str, Any]], status: str
) -> dict[str, Any]:
    """A reasoning item with these parts."""
    return {
        "id": item_id("rs", response_id, index),
        "type": "reasoning",
        "status": status,
        "summary": [],
        "content": parts,
    }


def call_item(
    response_id: str,
    index: int,
    call_id: str | None,
    tool: CalledTool,
    arguments: str,
    status: str,
) -> dict[str, Any]:
    """A call item of a function or of a free-form tool."""
    made = item_id("ctc" if tool.is_custom else "fc", response_id, index)
    kind = (
        {"type": "custom_tool_call", "input": custom_input(arguments) if arguments else ""}
        if tool.is_custom
        else {"type": "function_call", "arguments": arguments}
    )
    place = {"namespace": tool.namespace} if tool.namespace is not None else {}
    said = {"status": status, "call_id": call_id or made, "name": tool.name}
    return {"id": made, **said, **place, **kind}


def item_id(prefix: str, response_id: str, index: int) -> str:
    """The id of an item, derived from the response's id and the item's position."""
    return f"{prefix}_{response_id.removeprefix('resp_')}_{index}"


def response_fields(
    request: BridgedRequest,
    response_id: str,
    created_at: int,
    status: str,
    output: Sequence[Mapping[str, Any]] = (),
    **fields: Any,
) -> dict[str, Any]:
    """The fields of a response, with those that repeat its request."""
    made: dict[str, Any] = {
        "id": response_id,
        "object": "response",
        "created_at": created_at,
        "status": status,
        "model": request.model,
        "output": list(output),
        **request.echo,
        **fields,
    }
    fill_required(made, {})
    return made


def tier_of(answer: ChatCompletion | ChatCompletionChunk) -> Any:
    """The `service_tier` that a host reports for an answer, unchecked.

    None where it reports none.
    """
    return (answer.model_extra or {}).get("service_tier")


def final_fields(
    finish_reason: str | None, usage: Usage | None, tier: Any, completed_at: int
) -> dict[str, Any]:
    """The fields that a complete response gets at its end.

    `completed_at` is Unix time in seconds. `tier` is what `tier_of` read: the tier that served the
    answer, which may differ from the requested one.
    """
    used = usage_of(usage) if usage is not None else None
    return final_fields_with(finish_reason, used, tier, completed_at)


def final_fields_with(
    finish_reason: str | None, usage: Mapping[str, Any] | None, tier: Any, completed_at: int
) -> dict[str, Any]:
    """As `final_fields`, with the usage under this API's names (`usage_fields`)."""
    reason = incomplete_reason(finish_reason)
    return {
        "status": INCOMPLETE if reason else COMPLETED,
        "completed_at": None if reason else completed_at,
        "incomplete_details": {"reason": reason} if reason else None,
        **({"usage": usage} if usage is not None else {}),
        **({"service_tier": tier} if isinstance(tier, str) and tier else {}),
    }


def usage_of(usage: Usage) -> dict[str, Any]:
    """Chat's usage under the field names of this API."""
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    fields = usage_fields(
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        cached=(given.cached_tokens if given else 0) or 0,
        thought=(made.reasoning_tokens if made else 0) or 0,
    )
    return {**fields, "estimated": True} if usage.is_estimate else fields


def usage_fields(
    prompt: int, completion: int, total: int, *, cached: int, thought: int
) -> dict[str, Any]:
    """Tokens under the names of this API.

    `cached` are those of the prompt that came from a cache, `thought` those of the completion that
    were thoughts.
    """
    return {
        "input_tokens": prompt,
        "input_tokens_details": {"cached_tokens": cached},
        "output_tokens": completion,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": total,
    }


def failure_fields(code: str, message: str) -> dict[str, Any]:
    """The fields that a failed response gets at its end.

    OpenAI's schema allows few error codes, so the message names the real one.
    """
    return {"error": {"code": _ERROR_CODES.get(code, _OTHER_ERROR), "message": message}}
