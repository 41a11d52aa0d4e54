"""Mends what OpenAI-compatible hosts send, so that the public types can be strict.

Every function changes the given dict in place: it was just decoded and nobody else holds it.
"""

from __future__ import annotations

import json
from typing import Any, cast

from puna.dialects.base import ReadContext
from puna.errors import MalformedReplyError

_TOOL_CALLS = "tool_calls"


def mend_completion(data: dict[str, Any], context: ReadContext) -> None:
    """A whole reply: sets id, object, created and model; mends each choice.

    `finish_reason` becomes `tool_calls` where a choice holds calls and the host said `stop`:
    hosts of Llama differ, callers branch on it.

    Raises:
        MalformedReplyError: there is no list of choices.
    """
    mend_envelope(data, context)
    data["object"] = "chat.completion"
    choices = data.get("choices")
    if not isinstance(choices, list) or not choices:
        raise MalformedReplyError(
            f"{context.target.provider} answered without any choice (`choices` is "
            f"{'empty' if choices == [] else 'missing or null'}).",
            provider=context.target.provider,
            model=context.model,
        )
    for position, choice in enumerate(cast("list[Any]", choices)):
        if not isinstance(choice, dict):
            raise MalformedReplyError(
                f"{context.target.provider} answered with a choice that is no object.",
                provider=context.target.provider,
                model=context.model,
            )
        _mend_choice(cast("dict[str, Any]", choice), position, context)


def mend_envelope(data: dict[str, Any], context: ReadContext) -> None:
    """The fields around the choices, alike in whole replies and chunks."""
    if not data.get("id") or not isinstance(data["id"], str):
        data["id"] = context.made_id
    created = data.get("created")
    data["created"] = int(created) if isinstance(created, int | float) else int(context.now)
    data["model"] = context.model
    usage = data.get("usage")
    if isinstance(usage, dict):
        _mend_usage(cast("dict[str, Any]", usage))
    elif "usage" in data:
        del data["usage"]


def mend_text(content: Any) -> str | None:
    """Content that came as parts, joined: some hosts answer with a list or one object."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, dict):
        return str(cast("dict[str, Any]", content).get("text") or "")
    if isinstance(content, list):
        return "".join(mend_text(part) or "" for part in cast("list[Any]", content))
    return str(content)


def mend_arguments(arguments: Any) -> str:
    """Arguments as JSON text. An object is written as JSON; nothing at all is an empty string."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None:
        return ""
    return json.dumps(arguments, ensure_ascii=False)


def _mend_choice(choice: dict[str, Any], position: int, context: ReadContext) -> None:
    if not isinstance(choice.get("index"), int):
        choice["index"] = position
    message = choice.get("message")
    if not isinstance(message, dict):
        if message is not None or not isinstance(choice.get("text"), str):
            raise MalformedReplyError(
                f"{context.target.provider} answered with a choice without a message.",
                provider=context.target.provider,
                model=context.model,
            )
        message = {"content": choice.pop("text")}
        choice["message"] = message
    message = cast("dict[str, Any]", message)
    if not isinstance(message.get("role"), str):
        message["role"] = "assistant"
    if "content" in message:
        message["content"] = mend_text(message["content"])
    calls = message.get(_TOOL_CALLS)
    if not isinstance(calls, list) or not calls:
        message.pop(_TOOL_CALLS, None)
        return
    message[_TOOL_CALLS] = [
        _mend_call(call, f"{context.made_id}_{choice['index']}_{i}")
        for i, call in enumerate(cast("list[Any]", calls))
        if isinstance(call, dict)
    ]
    message["content"] = message.get("content") or None
    if choice.get("finish_reason") in ("stop", None):
        choice["finish_reason"] = _TOOL_CALLS


def _mend_call(call: dict[str, Any], made_id: str) -> dict[str, Any]:
    function = call.get("function")
    fields = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
    return {
        **call,
        "id": call.get("id") or made_call_id(made_id),
        "type": call.get("type") or "function",
        "function": {**fields, "arguments": mend_arguments(fields.get("arguments"))},
    }


def made_call_id(made_id: str) -> str:
    """A tool-call id from an answer's made id and the call's place in the answer."""
    return "call_" + made_id.removeprefix("chatcmpl-").replace("-", "")


def _mend_usage(usage: dict[str, Any]) -> None:
    for name in ("prompt_tokens", "completion_tokens"):
        value = usage.get(name)
        usage[name] = int(value) if isinstance(value, int | float) else 0
    if not isinstance(usage.get("total_tokens"), int):
        usage["total_tokens"] = usage["prompt_tokens"] + usage["completion_tokens"]
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if name in usage and not isinstance(usage[name], dict):
            del usage[name]
