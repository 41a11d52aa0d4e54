"""Thoughts that a host sent beside a message or a delta."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.reasoning import reasoning_of, thinking_blocks_of
from puna.types.chat import Delta, Message


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({}, ""),
        ({"reasoning_content": "hm"}, "hm"),
        ({"reasoning": "hm"}, "hm"),
        ({"reasoning_content": "a", "reasoning": "b"}, "a"),
        ({"reasoning_content": "", "reasoning": "b"}, "b"),
        ({"reasoning_content": None, "reasoning": {"text": "b"}}, ""),
    ],
)
def test_the_text_is_found_under_both_names(fields: dict[str, Any], text: str) -> None:
    assert reasoning_of(Message.model_validate({"role": "assistant", **fields})) == text
    assert reasoning_of(Delta.model_validate(fields)) == text


@pytest.mark.parametrize("given", [None, "hm", {"type": "thinking"}, [], [None, 5]])
def test_what_is_no_list_of_blocks_is_none(given: Any) -> None:
    assert thinking_blocks_of(Delta.model_validate({"thinking_blocks": given})) == []


def test_blocks_stay_as_they_are() -> None:
    blocks = [{"type": "thinking", "thinking": "hm", "signature": "x", "more": [1]}]
    assert thinking_blocks_of(Delta.model_validate({"thinking_blocks": [*blocks, 5]})) == blocks
