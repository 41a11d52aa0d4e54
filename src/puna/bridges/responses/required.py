"""Fills in the fields that every response must have.

Clients that check answers against a schema refuse a response without them. Source:
`ResponseResource` of the Open Responses document, version 2026-04-24, which requires them; for the
defaults the OpenAI API reference, "Create a model response".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

_DEFAULTS: Mapping[str, Any] = {
    "background": False,
    "frequency_penalty": 0.0,
    "metadata": {},
    "parallel_tool_calls": True,
    "presence_penalty": 0.0,
    "service_tier": "default",
    "temperature": 1.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_logprobs": 0,
    "top_p": 1.0,
    "truncation": "disabled",
}
"""What stands for a field that nobody said; none of them may be null."""

_NULLABLE = (
    "completed_at",
    "error",
    "incomplete_details",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "reasoning",
    "safety_identifier",
    "usage",
)
_NOT_REPEATED = frozenset(("completed_at", "error", "incomplete_details", "usage"))
"""What no request says."""

_OF_A_FUNCTION = ("description", "parameters", "strict")


def fill_required(response: dict[str, Any], said: Mapping[str, Any]) -> None:
    """Add the required fields that a response lacks: from its request, else the default, else null.

    Args:
        response: changed in place. Existing values stay, but a null where none is allowed is
            replaced by the default.
        said: the request's parameters by their names in this API.
    """
    for name, default in _DEFAULTS.items():
        if response.get(name) is None:
            given = said.get(name)
            response[name] = default if given is None else given
    for name in _NULLABLE:
        if name not in response:
            response[name] = None if name in _NOT_REPEATED else said.get(name)
    if isinstance(response["reasoning"], Mapping):
        response["reasoning"] = {"effort": None, "summary": None, **response["reasoning"]}
    if isinstance(response["text"], Mapping):
        response["text"] = {**_DEFAULTS["text"], **response["text"]}
    if isinstance(response["tools"], list):
        response["tools"] = [_with_nulls(tool) for tool in response["tools"]]


def _with_nulls(tool: Any) -> Any:
    """A tool as responses repeat it: each field of a function is present, null where not given."""
    if not isinstance(tool, Mapping) or cast("Mapping[str, Any]", tool).get("type") != "function":
        return cast("Any", tool)
    return {**dict.fromkeys(_OF_A_FUNCTION), **tool}
