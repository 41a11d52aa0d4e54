"""The parameters of the Responses API, and their names in chat.

Source: OpenAI API reference, "Create a model response".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from puna.types.model_request import ParamChecks
from puna.types.requests import PARAMS
from puna.types.schema import strict_json_schema

_OBJECT, _TEXT, _LIST = PARAMS["stream_options"], PARAMS["user"], PARAMS["tools"]

RESPONSE_PARAMS: ParamChecks = {
    **{
        name: PARAMS[name]
        for name in (
            "parallel_tool_calls",
            "prompt_cache_key",
            "prompt_cache_retention",
            "safety_identifier",
            "service_tier",
            "stream_options",
            "temperature",
            "tool_choice",
            "tools",
            "top_logprobs",
            "top_p",
            "user",
        )
    },
    "include": _LIST,
    "instructions": _TEXT,
    "max_output_tokens": PARAMS["max_tokens"],
    "max_tool_calls": PARAMS["max_tokens"],
    "reasoning": _OBJECT,
    "text": _OBJECT,
    "truncation": _TEXT,
}
"""The parameters of this API: what each must be, and how an error says so."""

_FROM_CHAT: Mapping[str, tuple[str, str]] = {
    "max_completion_tokens": ("max_output_tokens", ""),
    "max_tokens": ("max_output_tokens", ""),
    "reasoning_effort": ("reasoning", "effort"),
    "response_format": ("text", "format"),
    "verbosity": ("text", "verbosity"),
}
"""Chat's parameters that this API has under other names."""


def from_chat(fields: Mapping[str, Any]) -> dict[str, Any]:
    """Rename fields that a deployment gives by their chat names to their names in this API."""
    own = {name: value for name, value in fields.items() if name not in _FROM_CHAT}
    for name, value in fields.items():
        if name in _FROM_CHAT and value is not None:
            outer, inner = _FROM_CHAT[name]
            said = flat_format(value) if name == "response_format" else value
            own[outer] = {**(own.get(outer) or {}), inner: said} if inner else said
    return own


def chat_only_params(names: Iterable[str]) -> frozenset[str]:
    """Those of these parameters that chat has and the Responses API has under no name."""
    return frozenset(
        name
        for name in names
        if name in PARAMS and name not in RESPONSE_PARAMS and name not in _FROM_CHAT
    )


def flat_format(wanted: Any) -> Any:
    """Convert a `response_format` to the form of `text.format`, where the schema is not nested."""
    if isinstance(wanted, type):
        wanted = strict_json_schema(wanted)
    inner = wanted.get("json_schema") if isinstance(wanted, Mapping) else None
    return {"type": "json_schema", **inner} if isinstance(inner, Mapping) else wanted
