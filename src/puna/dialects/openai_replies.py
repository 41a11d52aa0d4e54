"""Corrects what OpenAI-compatible hosts send, so that the public types can be strict.

Every function changes the given dict in place: it was just decoded, and nobody else holds it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any, cast

from typing_extensions import TypeIs

from puna.dialects.base import ReadContext
from puna.dialects.error_replies import read_error_frame
from puna.dialects.finish_reasons import failed_choice_error, normalize_finish_reason
from puna.errors import MalformedReplyError
from puna.rescue.tools import MOST_CALLS
from puna.types.common import CompletionTokensDetails, PromptTokensDetails
from puna.types.counts import read_count, read_counts

_TOOL_CALLS = "tool_calls"


MOST_CHOICES = 1_024
"""Of one answer, and of one choice of it: no model means more, and each is looked at for others."""


def mend_completion(data: dict[str, Any], context: ReadContext) -> None:
    """Correct a whole reply: set id, object, created and model, and correct each choice.

    `finish_reason` becomes `tool_calls` where a choice holds calls and the host said `stop`, since
    hosts of Llama differ and callers branch on it.

    Raises:
        MalformedReplyError: there is no list of choices.
        APIError: a choice says that the host failed.
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
    if len(cast("list[Any]", choices)) > MOST_CHOICES:
        raise too_many_error("choices", MOST_CHOICES, context)
    for position, choice in enumerate(cast("list[Any]", choices)):
        if not isinstance(choice, dict):
            raise MalformedReplyError(
                f"{context.target.provider} answered with a choice that is no object.",
                provider=context.target.provider,
                model=context.model,
            )
        _mend_choice(cast("dict[str, Any]", choice), position, context)


def mend_envelope(data: dict[str, Any], context: ReadContext) -> None:
    """Correct the fields around the choices, of a whole reply or a chunk."""
    if not data.get("id") or not isinstance(data["id"], str):
        data["id"] = context.made_id
    data["created"] = read_count(data.get("created")) or int(context.now)
    data["model"] = context.model
    if not isinstance(data.get("system_fingerprint"), str):
        data.pop("system_fingerprint", None)
    usage, parent = data.get("usage"), context.target.quirks.usage_parent
    if parent is not None and not usage:
        usage = _find_usage(data, parent)
    if isinstance(usage, dict) and _convert_counts(cast("dict[str, Any]", usage)):
        data["usage"] = usage
    else:
        data.pop("usage", None)


def _find_usage(data: dict[str, Any], parent: str) -> Any:
    """A copy of the usage that a host puts under the field `parent`."""
    found = data.get(parent)
    return deepcopy(cast("dict[str, Any]", found).get("usage")) if isinstance(found, dict) else None


def mend_text(content: Any) -> str | None:
    """A content as one text; some hosts answer with a list of parts or one object."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, dict):
        return mend_text(cast("dict[str, Any]", content).get("text")) or ""
    if isinstance(content, list):
        return "".join(mend_text(part) or "" for part in cast("list[Any]", content))
    return json.dumps(content)


def mend_arguments(arguments: Any) -> str:
    """A call's arguments as JSON text: an object is serialized, nothing becomes an empty string."""
    if isinstance(arguments, str):
        return arguments
    if arguments is None:
        return ""
    return json.dumps(arguments, ensure_ascii=False)


def mend_function_call(fields: dict[str, Any]) -> None:
    """Correct the legacy `function_call` of a message or delta, or remove it."""
    call = fields.get("function_call")
    if isinstance(call, dict) and call:
        call["arguments"] = mend_arguments(call.get("arguments"))
    else:
        fields.pop("function_call", None)


def mend_logprobs(given: Any) -> None:
    """Add the list `refusal` to log probabilities: most hosts send `content` only."""
    if isinstance(given, dict) and given:
        cast("dict[str, Any]", given).setdefault("content", None)
        cast("dict[str, Any]", given).setdefault("refusal", None)


def _mend_choice(choice: dict[str, Any], position: int, context: ReadContext) -> None:
    """Correct one choice of a whole reply."""
    failed = failed_choice_error(choice)
    if failed is not None:
        raise read_error_frame(failed, context)
    if not is_index(choice.get("index")):
        choice["index"] = position
    mend_logprobs(choice.get("logprobs"))
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
    message["content"] = mend_text(message.get("content"))
    mend_function_call(message)
    if not isinstance(message.get("annotations"), list):  # vLLM says null, where OpenAI says none
        message.pop("annotations", None)
    given = message.pop(_TOOL_CALLS, None)
    names = context.target.quirks.rename_finish_reasons
    choice["finish_reason"] = normalize_finish_reason(choice.get("finish_reason"), names)
    calls = [call for call in given if isinstance(call, dict)] if isinstance(given, list) else []
    if not calls:
        return
    _check_calls(calls, context)
    message[_TOOL_CALLS] = with_unique_ids(
        [_mend_call(call) for call in calls], f"{context.made_id}_{choice['index']}"
    )
    message["content"] = message.get("content") or None
    if choice.get("finish_reason") in ("stop", None):
        choice["finish_reason"] = _TOOL_CALLS


def _check_calls(calls: Sequence[Mapping[str, Any]], context: ReadContext) -> None:
    """Raise where an answer has too many calls, or one without a name."""
    if len(calls) > MOST_CALLS:
        raise too_many_error("tool calls", MOST_CALLS, context)
    if any(is_nameless(call) for call in calls):
        raise nameless_call_error(context)


def _mend_call(call: dict[str, Any]) -> dict[str, Any]:
    """Correct one call of a whole reply."""
    given_id = call.get("id")
    function = call.get("function")
    fields = cast("dict[str, Any]", function) if isinstance(function, dict) else {}
    return {
        **call,
        "id": given_id if isinstance(given_id, str) and given_id.strip() else None,
        "type": call.get("type") or "function",
        "function": {**fields, "arguments": mend_arguments(fields.get("arguments")) or "{}"},
    }


def with_unique_ids(calls: Sequence[dict[str, Any]], made_id: str) -> list[dict[str, Any]]:
    """The calls of a whole answer, each with an id of its own.

    A complete repetition of a call under the same id is dropped (LocalAI#9722). Another call under
    an id that is used already, or without an id, gets a generated one.
    """
    apart: list[dict[str, Any]] = []
    known: dict[str, dict[str, Any]] = {}
    for call in calls:
        given = call["id"]
        if given is not None and known.setdefault(given, call) is not call:
            if {**call, "index": None} == {**known[given], "index": None}:
                continue
            given = None
        apart.append({**call, "id": given or make_call_id(f"{made_id}_{len(apart)}")})
    return apart


def is_nameless(call: Mapping[str, Any]) -> bool:
    """Whether a complete function call has no name, so that nobody can run it."""
    function = call.get("function")
    if isinstance(function, Mapping):
        return not cast("Mapping[str, Any]", function).get("name")
    return bool(call.get("type", "function") == "function")


def nameless_call_error(context: ReadContext) -> MalformedReplyError:
    """The error for a call without a name; it is retryable."""
    return MalformedReplyError(
        f"{context.target.provider} answered with a tool call that names no function.",
        provider=context.target.provider,
        model=context.model,
    )


def too_many_error(what: str, most: int, context: ReadContext) -> MalformedReplyError:
    """The error for an answer with more than `most` of something (`what`)."""
    return MalformedReplyError(
        f"{context.target.provider} answered with more than {most} {what}.",
        provider=context.target.provider,
        model=context.model,
    )


def is_index(value: Any) -> TypeIs[int]:
    """Whether a value is a valid index of a choice or a call."""
    return isinstance(value, int) and not isinstance(value, bool)


def make_call_id(made_id: str) -> str:
    """A generated tool-call id, from an answer's id and the call's position in it."""
    return "call_" + made_id.removeprefix("chatcmpl-").replace("-", "")


def _convert_counts(usage: dict[str, Any]) -> bool:
    """Convert the counts of a usage to ints; False where the usage is empty or a count is absurd.

    If one count is absurd the others cannot be trusted either.
    """
    asked, made, total = read_counts(usage, _COUNTS)
    if asked is None and made is None and total is None:
        return False
    usage["prompt_tokens"] = asked or 0
    usage["completion_tokens"] = made or 0
    usage["total_tokens"] = (asked or 0) + (made or 0) if total is None else total
    for name, kinds in _DETAILS.items():
        details = usage.get(name)
        if not isinstance(details, dict):
            usage.pop(name, None)
            continue
        for kind in kinds:
            count = read_count(details.pop(kind, None))
            if count is not None:
                details[kind] = count
    return True


_COUNTS = ("prompt_tokens", "completion_tokens", "total_tokens")
_DETAILS = {
    "prompt_tokens_details": tuple(PromptTokensDetails.model_fields),
    "completion_tokens_details": tuple(CompletionTokensDetails.model_fields),
}
