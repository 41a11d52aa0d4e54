"""Adjusts a host's quirks to one of its models, by the catalogue's facts and the model's family."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from puna.bridges.histories.rules import CHAT, MessageRules, ThoughtRule
from puna.catalog.facts import ModelFacts
from puna.dialects.quirks import Quirks

_UNSUPPORTED = {
    "function_calling": frozenset(
        ("tools", "tool_choice", "parallel_tool_calls", "functions", "function_call")
    ),
    "parallel_function_calling": frozenset(("parallel_tool_calls",)),
}
"""The parameters that a model without a feature does not take."""

_KNOWN_MODELS = 256
_TOOL_STREAMING = "streamed_function_calling"
_FORMATS = frozenset(("text", "json_object", "json_schema"))


_REASONING = ThoughtRule(kept=frozenset(("reasoning_content",)), field="reasoning_content")
_NEEDED = ThoughtRule(
    kept=frozenset(("reasoning_content",)), field="reasoning_content", is_needed=True
)
_FAMILIES = {
    # "The reasoning_content in the thinking mode must be passed back to the API": DeepSeek's page
    # "Thinking Mode".
    "deepseek": _NEEDED,
    # "reasoning_content is missing in assistant tool call message": Moonshot's page on thinking.
    "kimi": _NEEDED,
    # "Preserved thinking": Z.ai's page "Thinking Mode".
    "glm": _REASONING,
    # Xiaomi's page on MiMo wants it back in turns with calls.
    "mimo": _NEEDED,
    # MiniMax's page "Interleaved thinking": either field.
    "minimax": ThoughtRule(
        kept=frozenset(("reasoning_content", "reasoning_details")), field="reasoning_content"
    ),
    # The templates of both read it: Qwen's model card ("preserved thinking"), gpt-oss's template.
    "qwen": _REASONING,
    "qwq": _REASONING,
    "gpt-oss": _REASONING,
}
"""What models whose names hold a text want back of their thoughts, at hosts of which no more is
known: their templates read the field."""


def with_family(quirks: Quirks, model: str) -> Quirks:
    """A host's quirks with the message rules of the model's family, unless its row has its own."""
    if quirks.messages is not None:
        return quirks
    rules = _family_rules(model)
    return quirks if rules is None else replace(quirks, messages=rules)


@lru_cache(_KNOWN_MODELS)
def _family_rules(model: str) -> MessageRules | None:
    """The message rules of a model's family; None for an unknown family."""
    name = model.lower()
    for text, thoughts in _FAMILIES.items():
        if text in name:
            return replace(CHAT, thoughts=thoughts)
    return None


def narrow_quirks(quirks: Quirks, facts: ModelFacts | None) -> Quirks:
    """A host's quirks limited to what one model can do; the same object where nothing changes."""
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
    """The kinds of `tool_choice` that work with a model; None for all."""
    if facts.tool_choices is not None:
        return facts.tool_choices
    return frozenset(("auto",)) if "tool_choice" in facts.lacks else None


def _formats(facts: ModelFacts) -> frozenset[str] | None:
    """The `response_format` types that work with a model; None for all."""
    return _FORMATS - {"json_schema"} if "response_schema" in facts.lacks else None


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    """What both sets allow; None allows everything."""
    if one is None or other is None:
        return other if one is None else one
    return one & other
