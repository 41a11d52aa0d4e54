"""Items of a response of which only the pieces came."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.responses.streamed_items import StreamedItems
from puna.types.responses import ResponseEvent


def items_of(name: str, **end: Any) -> list[dict[str, Any]]:
    """What is known of an item whose text came as `name`."""
    items = StreamedItems()
    for number, delta in enumerate(("a", "b")):
        items.add(
            ResponseEvent(
                type=f"{name}.delta",
                sequence_number=number,
                item_id="i",
                output_index=0,
                delta=delta,
            )
        )
    if end:
        items.add(ResponseEvent(type=f"{name}.done", sequence_number=9, output_index=0, **end))
    return items.complete([])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "response.output_text",
            {"type": "message", "role": "assistant", "text": "ab"},
        ),
        ("response.refusal", {"type": "message", "role": "assistant", "refusal": "ab"}),
        ("response.reasoning_text", {"type": "reasoning", "summary": [], "text": "ab"}),
        (
            "response.function_call_arguments",
            {"type": "function_call", "arguments": "ab", "name": ""},
        ),
        (
            "response.custom_tool_call_input",
            {"type": "custom_tool_call", "input": "ab", "name": ""},
        ),
    ],
)
def test_pieces_become_an_item_of_their_kind(name: str, expected: dict[str, Any]) -> None:
    (item,) = items_of(name)
    flat = {**item, **(item.pop("content", None) or [{}])[0], "type": item["type"]}
    assert flat.pop("id") == f"{expected['type']}_0"
    assert flat.pop("status") == "completed"
    assert {key: flat[key] for key in expected} == expected


def test_the_whole_text_of_an_end_counts_more_than_the_pieces() -> None:
    (item,) = items_of("response.function_call_arguments", arguments="whole")
    assert item["arguments"] == "whole"
    (item,) = items_of("response.function_call_arguments", arguments="")
    assert item["arguments"] == "ab"
