"""Normalizes finish reasons, and detects those that mean a failure.

A finish reason such as `error`, or an `error` inside a choice, says that the host failed: what came
before is no answer. Seen at OpenRouter (bifrost#5425; `native_finish_reason`: pi#8511), vLLM and
SGLang (`abort`), DeepSeek (`insufficient_system_resource`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

FAILED_ENDS = frozenset((
    "abort", "aborted", "canceled", "cancelled", "error", "failed", "failure",
    "insufficient_system_resource", "internal_error", "internal_server_error", "malformed_response",
    "network_error", "overloaded", "overloaded_error", "server_error", "service_unavailable",
    "timeout", "unavailable", "upstream_error",
))  # fmt: skip

_OTHER_NAMES: Mapping[str, str] = {
    "end_turn": "stop",
    "eos": "stop",
    "eos_token": "stop",
    "stop_sequence": "stop",
    "max_new_tokens": "length",
    "max_output_tokens": "length",
    "max_tokens": "length",
    "model_length": "length",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
}
"""Of Anthropic, Mistral, TGI and servers that hand on the words of an engine."""
_OWN = frozenset(("stop", "length", "tool_calls", "content_filter", "function_call"))
UNKNOWN_END = "unknown"
"""The finish reason for a value that is not a string: the answer ended for an unknown reason."""


def normalize_finish_reason(given: Any, names: Mapping[str, str]) -> str | None:
    """A host's finish reason in OpenAI's terms; None where it gives none.

    `names` maps the host's own reasons to OpenAI's. An unknown reason is passed through, and never
    taken for `stop`.
    """
    if isinstance(given, dict):  # SGLang's own protocol
        given = cast("dict[str, Any]", given).get("type") or UNKNOWN_END
    if not given:
        return None
    if not isinstance(given, str):
        return UNKNOWN_END
    reason = names.get(given, given)
    if reason in _OWN:
        return reason
    lower = reason.lower()
    return lower if lower in _OWN else _OTHER_NAMES.get(lower, reason)


def is_failure_reason(reason: Any) -> bool:
    """Whether a finish reason means that the host failed."""
    return isinstance(reason, str) and reason.lower() in FAILED_ENDS


def failed_choice_error(choice: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error body for a choice whose finish reason is a failure; None for any other choice."""
    error, finish = choice.get("error"), choice.get("finish_reason")
    if type(finish) is str and finish in _OWN and not (error or choice.get("native_finish_reason")):
        return None
    if isinstance(finish, dict):
        fields = cast("dict[str, Any]", finish)
        error, finish = error or fields.get("message"), fields.get("type")
    words = (finish, choice.get("native_finish_reason")) if finish else ()
    reason = next((reason for reason in words if is_failure_reason(reason)), None)
    if reason is None and not choice.get("error"):
        return None
    return failure_body(reason or "error", error)


def failure_body(reason: Any, error: Any = None) -> dict[str, Any]:
    """The error body for an answer whose finish `reason` is a failure.

    It is the host's own `error` if it gave one.
    """
    if error and error is not True:
        return {"error": error}
    return {"error": {"message": f"the answer ended with `{reason}`", "code": str(reason).lower()}}
