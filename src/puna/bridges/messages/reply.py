"""Converts a chat completion to an Anthropic message."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.bridges.block_order import BLOCK_ORDER, put_in_order, read_order, split_text
from puna.bridges.call_arguments import BROKEN_INPUT, parse_call_arguments
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages_only import EXTRA_FIELDS, MESSAGE_FIELDS
from puna.bridges.plain_answers import PlainAnswer
from puna.bridges.reasoning import reasoning_of, thinking_blocks_of
from puna.types.chat import ChatCompletion, Choice, Delta, DeltaToolCall, Message, ToolCall
from puna.types.common import Usage

_NULL = "null"
_STOP_REASONS: Mapping[str, str] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
    "pause_turn": "pause_turn",
}


def message_of(request: MessagesRequest, answer: ChatCompletion) -> dict[str, Any]:
    """Convert a chat completion to a message. Its first choice counts; the API has no others."""
    choice = answer.choices[0]
    return {
        **message_head(request, answer.id, answer.model),
        "content": content_of(request, choice.message),
        **_choice_stop_fields(request, choice),
        **messages_only_fields(choice.message),
        "usage": usage_of(answer.usage),
    }


def plain_message_of(request: MessagesRequest, answer: PlainAnswer) -> dict[str, Any]:
    """As `message_of`, for an answer of texts and calls that the fast lane has read."""
    choice, usage = answer.choices[0], answer.usage
    said = choice.message
    content = [text_block(said.content)] if said.content else []
    for call in said.tool_calls or ():
        function = call.function
        given = parse_arguments(function.arguments)
        content.append(tool_block(request, call.id, function.name, given))
    return {
        **message_head(request, answer.id, answer.model),
        "content": content,
        **stop_reason_fields(request, choice.finish_reason, choice.stop_reason, is_refusal=False),
        "usage": usage_fields(
            usage.prompt_tokens,
            usage.completion_tokens,
            cached=usage.cached_tokens,
            thought=usage.reasoning_tokens,
        ),
    }


def content_of(request: MessagesRequest, said: Message | Delta) -> list[dict[str, Any]]:
    """Convert the content of a chat message or delta to blocks, in the order they were produced.

    Opaque thinking blocks stay unchanged; other reasoning becomes one thinking block.
    """
    thought = reasoning_of(said)
    thoughts = thinking_blocks_of(said) or ([thinking_block(thought)] if thought else [])
    order = read_order((said.model_extra or {}).get(BLOCK_ORDER))
    texts = [*split_text(said.content or "", order), *([said.refusal] if said.refusal else [])]
    calls = [_convert_call(request, call) for call in said.tool_calls or ()]
    return put_in_order(order, thoughts, [text_block(text) for text in texts], calls)


def messages_only_fields(said: Message | Delta) -> dict[str, Any]:
    """The fields of a message from a host of the Messages API that chat does not have."""
    others = (said.model_extra or {}).get(EXTRA_FIELDS)
    fields = others.get(MESSAGE_FIELDS) if isinstance(others, Mapping) else None
    return dict(fields) if isinstance(fields, Mapping) else {}


def message_head(request: MessagesRequest, chat_id: str, model: str) -> dict[str, Any]:
    """The message in the event `message_start`: no content yet, usage zero.

    The id is the host's if it has the form of this API, else the request's `made_id`.
    """
    made = request.made_id or chat_id.removeprefix("chatcmpl-")
    return {
        "id": chat_id if chat_id.startswith("msg_") else f"msg_{made}",
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": [],
        **stop_fields(None),
        "usage": usage_of(None),
    }


def thinking_block(text: str) -> dict[str, Any]:
    """A thinking block with this text and an empty signature: no chat host signs its reasoning."""
    return {"type": "thinking", "thinking": text, "signature": ""}


def text_block(text: str) -> dict[str, Any]:
    """A text block with this text."""
    return {"type": "text", "text": text, "citations": None}


def tool_block(
    request: MessagesRequest, call_id: str | None, name: str | None, given: Mapping[str, Any]
) -> dict[str, Any]:
    """A `tool_use` block, under the tool name that the caller knows."""
    known = request.tool_names.get(name or "", name or "")
    return {
        "type": "tool_use",
        "id": call_id or "",
        "name": known,
        "input": dict(given),
        "caller": {"type": "direct"},
    }


def parse_arguments(text: str) -> dict[str, Any]:
    """A call's JSON arguments as the object that `input` must be; empty text is an empty object.

    Text that is no JSON object is wrapped under `INVALID_JSON`, so that the client sees what the
    model wrote and can answer it with an error.
    """
    if text.strip() == _NULL:
        return {}
    arguments = parse_call_arguments(text)
    return arguments if arguments is not None else {BROKEN_INPUT: text}


def stop_reason_fields(
    request: MessagesRequest, finish_reason: str | None, matched: object, *, is_refusal: bool
) -> dict[str, Any]:
    """The fields that say why a message ended, from chat's finish reason.

    `matched` is the stop sequence that some hosts report: chat says `stop` both for it and for a
    natural end.
    """
    if is_refusal:
        return stop_fields("refusal")
    if finish_reason == "stop" and isinstance(matched, str) and matched in request.stop_sequences:
        return stop_fields("stop_sequence", matched)
    if finish_reason is None:
        return stop_fields("end_turn")
    # A word that nobody knows is passed on: it may not look like an answer that is complete.
    return stop_fields(_STOP_REASONS.get(finish_reason, finish_reason))


def stop_fields(reason: str | None, sequence: str | None = None) -> dict[str, Any]:
    """`stop_reason`, `stop_sequence`, and null for the other fields that Anthropic requires."""
    return {
        "stop_reason": reason,
        "stop_sequence": sequence,
        "stop_details": None,
        "container": None,
    }


def usage_of(usage: Usage | None) -> dict[str, Any]:
    """Convert chat's usage to Anthropic's counting; all zero for None."""
    if usage is None:
        return usage_fields(0, 0)
    details, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return usage_fields(
        usage.prompt_tokens,
        usage.completion_tokens,
        cached=(details.cached_tokens or 0) if details is not None else 0,
        written=(details.cache_creation_tokens or 0) if details is not None else 0,
        thought=made.reasoning_tokens if made is not None else None,
    )


def usage_fields(
    prompt: int, completion: int, *, cached: int = 0, written: int = 0, thought: int | None = None
) -> dict[str, Any]:
    """Tokens in Anthropic's counting, where cached tokens are not part of the input tokens.

    `cached` and `written` are tokens of the prompt that were read from a cache and written to it,
    `thought` are tokens of the completion that were reasoning. All fields are present, as
    Anthropic's schema requires.
    """
    cached = min(cached, prompt)
    written = min(written, prompt - cached)
    return {
        "input_tokens": prompt - cached - written,
        "cache_creation_input_tokens": written,
        "cache_creation": None,
        "cache_read_input_tokens": cached,
        "output_tokens": completion,
        "output_tokens_details": {"thinking_tokens": thought} if thought is not None else None,
        "server_tool_use": None,
        "service_tier": None,
        "inference_geo": None,
    }


def _convert_call(request: MessagesRequest, call: ToolCall | DeltaToolCall) -> dict[str, Any]:
    """Convert a tool call to a `tool_use` block."""
    name = call.function.name if call.function is not None else None
    arguments = call.function.arguments if call.function is not None else None
    return tool_block(request, call.id, name, parse_arguments(arguments or ""))


def _choice_stop_fields(request: MessagesRequest, choice: Choice) -> dict[str, Any]:
    """The fields that say why a choice ended."""
    return stop_reason_fields(
        request,
        choice.finish_reason,
        (choice.model_extra or {}).get("stop_reason"),
        is_refusal=bool(choice.message.refusal),
    )
