"""Which tools a text may call, and with which arguments."""

from __future__ import annotations

from tests.support.rescue import tools_named
from tests.support.rescued import TOOLS

from puna.rescue.stream import find_calls
from puna.rescue.tools import KnownTools


def test_a_tool_with_properties_of_its_own_may_be_given_some() -> None:
    schema = {"type": "object", "properties": {"type": {}, "properties": {}}}
    tools = [{"type": "function", "function": {"name": "f", "parameters": schema}}]
    text = '{"name": "f", "parameters": {"type": "object", "properties": {"a": 1}}}'
    assert len(find_calls(text, KnownTools(tools)).calls) == 1
    assert find_calls(text, TOOLS).calls == ()


def test_only_functions_are_tools() -> None:
    tools = [{"type": "web_search"}, "f", {"type": "function", "function": {"name": ""}}]
    assert KnownTools([*tools, *tools_named("g")]).schemas.keys() == {"g"}
