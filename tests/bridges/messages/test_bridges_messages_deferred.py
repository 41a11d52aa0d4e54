"""Tools that are offered once something refers to them, for hosts without a search of tools."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.messages.deferred import plain_tools, replace_tools

HI = {"role": "user", "content": "hi"}
CHOICE = {"type": "function", "function": {"name": "later"}}


def tool(name: str, **fields: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": name}, **fields}


NOW, LATER = tool("now"), tool("later", defer_loading=True)


def names(tools: list[Any]) -> list[str]:
    return [one["function"]["name"] for one in tools]


@pytest.mark.parametrize(
    ("messages", "choice", "offered"),
    [
        ([HI], None, ["now"]),
        ([HI], "auto", ["now"]),
        ([HI], CHOICE, ["now", "later"]),
        (
            [{"role": "tool", "content": [{"type": "tool_reference", "tool_name": "later"}]}],
            None,
            ["now", "later"],
        ),
        (
            [{"role": "assistant", "tool_calls": [{"function": {"name": "later"}}]}],
            None,
            ["now", "later"],
        ),
    ],
)
def test_a_deferred_tool_is_offered_once_it_is_named(
    messages: list[dict[str, Any]], choice: Any, offered: list[str]
) -> None:
    tools, removed = plain_tools([NOW, LATER], messages, choice)
    assert names(tools) == offered
    assert all(set(one) == {"type", "function"} for one in tools)
    assert removed == ("tools.defer_loading",)


def test_fields_that_chat_has_not_are_told_by_their_names() -> None:
    tools, removed = plain_tools([tool("a", cache_control={}, eager=True)], [HI])
    assert tools == [tool("a")]
    assert removed == ("cache_control", "tools.eager")


def test_where_no_tool_is_left_nothing_is_said_of_tools() -> None:
    params = {"tools": [LATER], "tool_choice": "required", "parallel_tool_calls": False, "n": 1}
    assert replace_tools(params, []) == ({"n": 1}, ("tool_choice",))
    assert replace_tools({**params, "tool_choice": "auto"}, []) == ({"n": 1}, ())
    assert replace_tools(params, [NOW]) == ({**params, "tools": [NOW]}, ())
    assert replace_tools({"n": 1}, []) == ({"n": 1}, ())
