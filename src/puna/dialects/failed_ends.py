"""Finish reasons that mean a failure, and finish reasons under other names than OpenAI's.

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
"""The finish reason for one that is no word: it is told, but nobody knows what it means."""


def finish_word(given: Any, names: Mapping[str, str]) -> str | None:
    """Why a choice ended, as OpenAI says it; None where nothing is told.

    `names` are the host's own words. A word that nobody knows is passed on, never taken for `stop`.
    """
    if isinstance(given, dict):  # SGLang's own protocol
        given = cast("dict[str, Any]", given).get("type") or UNKNOWN_END
    if not given:
        return None
    if not isinstance(given, str):
        return UNKNOWN_END
    word = names.get(given, given)
    if word in _OWN:
        return word
    lower = word.lower()
    return lower if lower in _OWN else _OTHER_NAMES.get(lower, word)


def is_failed_end(reason: Any) -> bool:
    """Whether a reason to stop says that the host failed."""
    return isinstance(reason, str) and reason.lower() in FAILED_ENDS


def failed_choice(choice: Mapping[str, Any]) -> dict[str, Any] | None:
    """The error object of a choice that failed, as the body of an error; None for any other."""
    told, finish = choice.get("error"), choice.get("finish_reason")
    if type(finish) is str and finish in _OWN and not (told or choice.get("native_finish_reason")):
        return None
    if isinstance(finish, dict):
        fields = cast("dict[str, Any]", finish)
        told, finish = told or fields.get("message"), fields.get("type")
    words = (finish, choice.get("native_finish_reason")) if finish else ()
    word = next((word for word in words if is_failed_end(word)), None)
    if word is None and not choice.get("error"):
        return None
    return failed_end(word or "error", told)


def failed_end(word: Any, told: Any = None) -> dict[str, Any]:
    """An error body for an answer whose finish reason is a failure.

    `word` is that reason, `told` the host's own error where it gave one.
    """
    if told and told is not True:
        return {"error": told}
    return {"error": {"message": f"the answer ended with `{word}`", "code": str(word).lower()}}
