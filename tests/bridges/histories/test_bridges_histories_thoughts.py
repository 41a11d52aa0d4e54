"""Earlier reasoning goes back in the field that a host reads, or is named as left out."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.histories.rules import NO_THOUGHTS, REASONING_CONTENT, ThoughtRule
from puna.bridges.histories.thoughts import blocks_as_thoughts, fit_thoughts, has_thoughts

SAID = {"role": "assistant", "content": "Oslo."}
CALLED = {"role": "assistant", "tool_calls": [{"id": "c"}]}
NEEDED = ThoughtRule(
    kept=frozenset(("reasoning_content",)), field="reasoning_content", is_needed=True
)


def fitted(message: dict[str, Any], rule: ThoughtRule) -> tuple[dict[str, Any], list[str]]:
    dropped: dict[str, None] = {}
    return fit_thoughts(message, rule, dropped), list(dropped)


@pytest.mark.parametrize(
    "thought",
    [
        {"reasoning_content": "hm"},
        {"reasoning": "hm"},
        {"thinking": "hm"},
        {"reasoning": [{"text": "h"}, {"text": "m"}]},
        {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "text", "text": "Oslo."}]},
    ],
)
def test_thoughts_get_the_name_under_which_the_host_reads_them(thought: dict[str, Any]) -> None:
    message, dropped = fitted({**SAID, **thought}, REASONING_CONTENT)
    assert message["reasoning_content"] == "hm"
    assert not dropped
    without, told = fitted({**SAID, **thought}, NO_THOUGHTS)
    assert not has_thoughts(without)
    assert len(told) == 1


def test_a_message_without_thoughts_stays_as_it_is() -> None:
    assert fitted(SAID, REASONING_CONTENT) == (SAID, [])
    assert fitted(CALLED, REASONING_CONTENT) == (CALLED, [])


def test_a_host_that_needs_the_field_beside_calls_gets_it_empty() -> None:
    assert fitted(CALLED, NEEDED) == ({**CALLED, "reasoning_content": ""}, [])
    assert fitted(SAID, NEEDED) == (SAID, [])


def test_blocks_become_a_text_and_a_signature_is_told_as_lost() -> None:
    dropped: dict[str, None] = {}
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "c2ln"}]
    message = blocks_as_thoughts({**SAID, "thinking_blocks": blocks}, REASONING_CONTENT, dropped)
    assert message == {**SAID, "reasoning_content": "hm"}
    assert list(dropped) == ["messages.thinking"]
    unsigned = {**SAID, "thinking_blocks": [{"type": "thinking", "thinking": "hm"}]}
    dropped.clear()
    assert blocks_as_thoughts(unsigned, REASONING_CONTENT, dropped)["reasoning_content"] == "hm"
    assert not dropped
