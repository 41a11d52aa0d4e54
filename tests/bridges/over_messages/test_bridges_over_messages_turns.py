"""Messages of chat as turns of the Messages API."""

from __future__ import annotations

from tests.support.chats import PNG_URL
from tests.support.over_messages import CALL, EPHEMERAL, HI, PNG, build, spoken, turns


def test_system_messages_that_lead_are_the_system() -> None:
    messages = [
        {"role": "system", "content": "a"},
        {"role": "developer", "content": [{"type": "text", "text": "b", **EPHEMERAL}]},
        *HI,
        {"role": "developer", "content": "c"},
    ]
    body, _ = build(messages)
    assert body["system"] == [
        {"type": "text", "text": "a"},
        {"type": "text", "text": "b", **EPHEMERAL},
    ]
    assert body["messages"] == [*HI, {"role": "system", "content": "c"}]
    assert build([messages[0], *HI])[0]["system"] == "a"


def test_results_and_the_words_after_them_are_one_turn() -> None:
    image = {"type": "image_url", "image_url": {"url": PNG_URL}}
    found = turns(
        spoken(tool_calls=[CALL, {**CALL, "id": "d"}]),
        {"role": "tool", "tool_call_id": "c", "content": "one", **EPHEMERAL},
        {"role": "tool", "tool_call_id": "d", "content": [image], "is_error": True},
        {"role": "user", "content": "go on"},
        {"role": "user", "content": "now"},
    )
    assert found[1:] == [
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "c", "content": "one", **EPHEMERAL},
                {
                    "type": "tool_result",
                    "tool_use_id": "d",
                    "content": [{"type": "image", "source": PNG}],
                    "is_error": True,
                },
                {"type": "text", "text": "go on"},
            ],
        },
        {"role": "user", "content": "now"},
    ]


def test_an_empty_result_is_a_result_and_an_empty_message_no_turn() -> None:
    empty = {"role": "tool", "tool_call_id": "c", "content": ""}
    result = {"type": "tool_result", "tool_use_id": "c"}
    assert turns(empty) == [{"role": "user", "content": [result]}]
    assert turns(spoken(content="")) == []
