"""Turns of the Messages API as messages of chat."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.messages_requests import HI, PNG, PNG_PART, plain, read, turn

from puna.bridges.histories.fit import fit_history
from puna.bridges.histories.rules import CHAT
from puna.bridges.messages.request import MessagesRequest


def fitted(asked: MessagesRequest) -> tuple[list[Any], tuple[str, ...]]:
    """The same, fitted to what every host of chat takes."""
    messages, left_out = plain(asked)
    dropped = dict.fromkeys(left_out)
    return list(fit_history(messages, CHAT, dropped)), tuple(dropped)


def test_the_blocks_of_system_become_one_message_in_their_order() -> None:
    system = [
        {"type": "text", "text": "one", "cache_control": {"type": "ephemeral"}},
        {"type": "text", "text": ""},
        {"type": "text", "text": "two"},
    ]
    asked = read(system=system)
    assert asked.messages[0]["content"] == [system[0], system[2]]
    messages, left_out = plain(asked)
    assert messages[0] == {"role": "system", "content": "one\n\ntwo"}
    assert left_out == ("cache_control",)


@pytest.mark.parametrize("system", ["", [], None])
def test_an_empty_system_gives_no_message(system: Any) -> None:
    assert read(system=system).messages == HI


def test_tool_use_becomes_calls_and_results_come_before_the_users_text() -> None:
    asked = read(
        messages=[
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "hm", "signature": "s"},
                    {"type": "redacted_thinking", "data": "x"},
                    {"type": "text", "text": "Looking."},
                    {"type": "tool_use", "id": "t1", "name": "f", "input": {"a": "é"}},
                    {"type": "tool_use", "id": "t2", "name": "g", "input": {}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t1", "content": "one"},
                    {
                        "type": "tool_result",
                        "tool_use_id": "t2",
                        "is_error": True,
                        "content": [
                            {"type": "text", "text": "broken"},
                            {"type": "image", "source": PNG},
                        ],
                    },
                    {"type": "text", "text": "Go on."},
                ],
            },
        ]
    )
    messages, left_out = fitted(asked)
    assert messages == [
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "t1",
                    "type": "function",
                    "function": {"name": "f", "arguments": '{"a":"é"}'},
                },
                {"id": "t2", "type": "function", "function": {"name": "g", "arguments": "{}"}},
            ],
        },
        {"role": "tool", "tool_call_id": "t1", "content": "one"},
        {
            "role": "tool",
            "tool_call_id": "t2",
            "content": "Error: broken\n\n[image: in the next message]",
        },
        {"role": "user", "content": [PNG_PART, {"type": "text", "text": "Go on."}]},
    ]
    assert left_out == ("messages.thinking",)


@pytest.mark.parametrize("content", [{}, {"content": None}, {"content": []}, {"content": ""}])
def test_a_result_may_be_empty(content: dict[str, Any]) -> None:
    asked = turn([{"type": "tool_result", "tool_use_id": "t", **content}])
    assert asked.messages == [{"role": "tool", "tool_call_id": "t", "content": ""}]


def test_a_turn_of_thinking_alone_is_left_out() -> None:
    thinking = [{"type": "thinking", "thinking": "hm", "signature": ""}]
    asked = read(messages=[*HI, {"role": "assistant", "content": thinking}, *HI])
    assert fitted(asked) == ([*HI, *HI], ("messages.thinking",))


def test_an_assistant_that_said_nothing_gives_no_message() -> None:
    empty = {"role": "assistant", "content": [{"type": "text", "text": ""}]}
    assert read(messages=[*HI, empty, *HI]).messages == [*HI, *HI]


def test_what_another_models_own_tools_did_is_left_out_and_told() -> None:
    content = [
        {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}},
        {"type": "web_search_tool_result", "tool_use_id": "s", "content": []},
        {"type": "text", "text": "Found."},
    ]
    asked = read(messages=[*HI, {"role": "assistant", "content": content}])
    assert asked.messages[1] == {"role": "assistant", "content": "Found."}
    assert asked.dropped_params == (
        "messages.server_tool_use",
        "messages.web_search_tool_result",
    )


def test_a_system_turn_stays_where_it_is() -> None:
    asked = read(messages=[*HI, {"role": "system", "content": "Now in French."}])
    assert asked.messages[1] == {"role": "system", "content": "Now in French."}
