"""What a model narrows of its host's rules: the catalogue's facts as quirks."""

from __future__ import annotations

from dataclasses import replace

from puna.catalog.facts import ModelFacts
from puna.dialects.quirks import Quirks

_UNSUPPORTED = {
    "function_calling": frozenset(
        ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
    ),
    "parallel_function_calling": frozenset(("parallel_tool_calls",)),
}
"""The parameters that a model without a feature does not take."""

_TOOL_STREAMING = "streamed_function_calling"
_FORMATS = frozenset(("text", "json_object", "json_schema"))


def narrowed(quirks: Quirks, facts: ModelFacts | None) -> Quirks:
    """The rules of the host for one of its models; the same object where the model adds none."""
    if facts is None or not (facts.lacks or facts.tool_choices):
        return quirks
    unsupported = (names for word, names in _UNSUPPORTED.items() if word in facts.lacks)
    return replace(
        quirks,
        unsupported_params=quirks.unsupported_params.union(*unsupported),
        tool_choices=_common(quirks.tool_choices, _choices(facts)),
        response_formats=_common(quirks.response_formats, _formats(facts)),
        lacks_tool_streaming=quirks.lacks_tool_streaming or _TOOL_STREAMING in facts.lacks,
    )


def _choices(facts: ModelFacts) -> frozenset[str] | None:
    if facts.tool_choices is not None:
        return facts.tool_choices
    return frozenset(("auto",)) if "tool_choice" in facts.lacks else None


def _formats(facts: ModelFacts) -> frozenset[str] | None:
    return _FORMATS - {"json_schema"} if "response_schema" in facts.lacks else None


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What both allow; None allows all."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
