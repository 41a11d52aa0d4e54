"""Converts `reasoning_effort` to the Messages API's settings for thinking.

Models since Claude 4.6 are given an effort; older ones a budget in tokens. Source: Anthropic's
pages "Thinking" and "Effort", the types of its SDK; the budgets are LiteLLM's; read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.errors import BadRequestError
from puna.types.display import display

Fields = dict[str, Any]

_EFFORTS = {
    "minimal": "low",
    "low": "low",
    "medium": "medium",
    "high": "high",
    "xhigh": "xhigh",
    "max": "max",
}
_BUDGETS = {"low": 1_024, "medium": 2_048, "high": 4_096, "xhigh": 8_192, "max": 16_384}
_LEAST = 1_024
_NAME = "reasoning_effort"


def thinking_of(params: Mapping[str, Any], max_tokens: int, *, by_budget: bool) -> Fields:
    """`thinking` and `output_config` for a `reasoning_effort`; a given `thinking` wins over it.

    `by_budget` is whether the model takes a token budget.

    Raises:
        BadRequestError: the effort is unknown, or `max_tokens` leaves no room for the budget.
    """
    effort = params.get(_NAME)
    own = {"thinking": dict(params["thinking"])} if "thinking" in params else {}
    if effort is None:
        return own
    if effort == "none":
        return own or {"thinking": {"type": "disabled"}}
    if effort not in _EFFORTS:
        raise BadRequestError(
            f"`{_NAME}` must be none, {', '.join(_EFFORTS)}, not `{display(effort)}`.",
            param=_NAME,
        )
    level = _EFFORTS[effort]
    if not by_budget:
        return {"thinking": {"type": "adaptive"}, "output_config": {"effort": level}, **own}
    if own:
        return own
    if max_tokens <= _LEAST:
        raise BadRequestError(
            f"`{_NAME}` needs `max_tokens` above {_LEAST} with this model, for its thoughts count: "
            f"it is `{max_tokens}`. Raise it, or leave `{_NAME}` out.",
            param="max_tokens",
        )
    budget = min(_BUDGETS[level], max_tokens - 1)
    return {"thinking": {"type": "enabled", "budget_tokens": budget}}
