"""Thoughts that go back, and how much a model may think."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.over_messages import CALL, HI, build, spoken, turns

from puna.bridges.over_messages.request import ModelTraits
from puna.errors import BadRequestError

BUDGET = ModelTraits(default_max_tokens=8_000, uses_thinking_budget=True)
THOUGHT = {"type": "thinking", "thinking": "hm", "signature": "c2ln"}


def test_what_was_thought_goes_back_as_it_came() -> None:
    hidden = {"type": "redacted_thinking", "data": "eHg="}
    unsigned = {"type": "thinking", "thinking": "a", "signature": ""}
    messages = [
        *HI,
        spoken(
            content="abc",
            refusal="No.",
            tool_calls=[{**CALL, "function": {"name": "f"}}],
            thinking_blocks=[THOUGHT, unsigned, hidden],
        ),
    ]
    body, left_out = build(messages)
    assert body["messages"][1]["content"] == [
        THOUGHT,
        hidden,
        {"type": "text", "text": "abc"},
        {"type": "text", "text": "No."},
        {"type": "tool_use", "id": "c", "name": "f", "input": {}},
    ]
    assert left_out == ("messages.thinking",)


@pytest.mark.parametrize(
    ("order", "kinds"),
    [
        ([2, "tool_use", "thinking", 1], ["text", "tool_use", "thinking", "text"]),
        (None, ["thinking", "text", "tool_use"]),
        ([3, "tool_use"], ["thinking", "text", "tool_use"]),  # another answer's
        ([3, "tool_use", "thinking", "tool_use"], ["thinking", "text", "tool_use"]),
        ([9, "tool_use", "thinking"], ["text", "tool_use", "thinking"]),  # the text stays whole
        (["x"], ["thinking", "text", "tool_use"]),
        ([True, 2, "tool_use", "thinking"], ["thinking", "text", "tool_use"]),
    ],
)  # fmt: skip
def test_blocks_go_back_in_the_order_in_which_they_came(order: Any, kinds: list[str]) -> None:
    message = spoken(content="abc", tool_calls=[CALL], thinking_blocks=[THOUGHT], block_order=order)
    (turn,) = turns(message)
    assert [block["type"] for block in turn["content"]] == kinds


# How much it thinks


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"reasoning_effort": "none"}, {"thinking": {"type": "disabled"}}),
        ({"reasoning_effort": "minimal"},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "low"}}),
        ({"reasoning_effort": "max"},
         {"thinking": {"type": "adaptive"}, "output_config": {"effort": "max"}}),
        ({"thinking": {"type": "disabled"}, "reasoning_effort": "low"},
         {"thinking": {"type": "disabled"}, "output_config": {"effort": "low"}}),
        ({"thinking": {"type": "enabled", "budget_tokens": 2_000}},
         {"thinking": {"type": "enabled", "budget_tokens": 2_000}}),
    ],
)  # fmt: skip
def test_effort_is_told_to_models_that_decide_themselves(
    params: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, _ = build(**params)
    assert {name: body.get(name) for name in fields} == fields


@pytest.mark.parametrize(
    ("effort", "limit", "thinking"),
    [
        ("low", None, {"type": "enabled", "budget_tokens": 1_024}),
        ("high", None, {"type": "enabled", "budget_tokens": 4_096}),
        ("max", None, {"type": "enabled", "budget_tokens": 7_999}),
        ("medium", 1_500, {"type": "enabled", "budget_tokens": 1_499}),
        ("none", None, {"type": "disabled"}),
    ],
)
def test_others_get_a_budget_below_the_limit(effort: str, limit: Any, thinking: Any) -> None:
    body, _ = build(reasoning_effort=effort, max_tokens=limit, traits=BUDGET)
    assert body["thinking"] == thinking
    assert "output_config" not in body


def test_a_budget_of_the_callers_own_stays() -> None:
    own = {"type": "enabled", "budget_tokens": 5_000}
    assert build(thinking=own, reasoning_effort="low", traits=BUDGET)[0]["thinking"] == own


def test_a_limit_that_leaves_no_room_for_thoughts_is_refused() -> None:
    with pytest.raises(BadRequestError, match="above 1024") as raised:
        build(reasoning_effort="low", max_tokens=1_024, traits=BUDGET)
    assert raised.value.param == "max_tokens"
