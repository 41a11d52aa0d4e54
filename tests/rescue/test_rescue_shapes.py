"""Rules about single shapes that the samples do not show."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NoReturn

import pytest
from tests.support.rescue import pieces_of
from tests.support.rescued import TOOLS

from puna.rescue.stream import Piece, Rescued, find_calls
from puna.rescue.tools import FoundCall, KnownTools


def made(text: str) -> list[tuple[str, str]]:
    return [(call.name, call.arguments) for call in find_calls(text, TOOLS).calls]


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "arguments": {}}',
        '[{"name": "f", "arguments": {}}]',
        "[f()]",
        "f()",
        " \n f()",
        '```\n{"name": "f", "arguments": {}}\n```',
        "<|python_tag|>f()",
        "<function=f>{}</function>",
        '<tool_call>{"name": "f", "arguments": {}}</tool_call>',
    ],
)
def test_each_shape_is_a_call(text: str) -> None:
    assert find_calls(text, TOOLS) == Rescued("", (FoundCall("f", "{}"),))


@pytest.mark.parametrize("text", ["f", "", " ", "f (x)", "I call f()", "f\n(1)", "(f())"])
def test_a_text_without_the_signs_of_a_call_is_not_looked_into(text: str) -> None:
    class Unread(Sequence[object]):
        """Tools that must not be read."""

        def __len__(self) -> int:
            raise AssertionError

        def __getitem__(self, index: object) -> NoReturn:
            raise AssertionError

    assert find_calls(text, KnownTools(Unread())) == Rescued(text)
    assert pieces_of([text], TOOLS) in ([], [Piece(text, text)])


@pytest.mark.parametrize(
    "text",
    [
        "[f() f()]",
        "[f(x=1 + 1)]",
        "[f(x=open('a'))]",
        "[f(x=y)]",
        "[f(x=f'{1}')]",
        "[f(x={1})]",
        "[f(x={1: 2})]",
        "[f(x=b'a')]",
        "[f(x=1j)]",
        "[f(x=...)]",
        "[f(x=1e999)]",
        "[f(x=1, x=2)]",
        "[f(from=1, from=2)]",
        "[f(**{'x': 1})]",
        "[f(x=*y)]",
        "[f(x={**y})]",
        "[f(x=lambda: 1)]",
        "[f(x='\\x1')]",
        "[f(x=1)(y=2)]",
        "[f(x=1) for x in y]",
        "[f(x=" + "[" * 500 + "]" * 500 + ")]",
        "f(x=1)\ng(y=2)",
        "f(x=1) gives 2",
        "f (x=1)",
        "ff(x=1)",
        "f.calls(x=1)",
        '{"name": "f", "arguments": [1]}',
        '{"name": "f", "arguments": "1"}',
        '{"name": "f", "arguments": "no json"}',
        '{"name": "f", "arguments": null}',
        '{"name": "f"}',
        '{"name": "f", "arguments": {}, "parameters": {}}',
        '{"name": "f", "arguments": {"x": NaN}}',
        '{"name": "f", "arguments": {"x": 1e999}}',
        '{"type": "object", "name": "f", "arguments": {}}',
        '{"type": "function", "function": "f", "arguments": {}}',
        '{"name": "f", "function": {"name": "f", "arguments": {}}}',
        '{"function": {"name": "f", "arguments": {}, "strict": true}}',
        '{"name": ["f"], "arguments": {}}',
        '[{"name": "f", "arguments": {}}, {"name": "h", "arguments": {}}]',
        '[{"name": "f", "arguments": {}}, 1]',
        '{"tool_calls": []}',
        '{"name": "f", "arguments": {}]',
        '{"name": "f", "arguments": ' + '{"a": ' * 3000 + "1" + "}" * 3001,
        '`<function=f>{"x": 1}</function>`',
        "Write `[f()]` and ``<tool_call>``",
        '```\n<function=f>{"x": 1}</function>\n```',
        '```json\n{"name": "f", "arguments": {}}\n``` and more',
        '```python\n{"name": "f", "arguments": {}}\n```',
        '```json {"name": "f", "arguments": {}}```',
        "<function=h>{}</function>",
        "<function=f>[1]</function>",
        "<function=f>{} and so on",
        "<function=f></function>",
        "<function=ff>{}</function>",
        "<|python_tag|>h()",
        "<|python_tag|>f()\nprint(1)",
        "<|python_tag|>x = f()",
        "<tool_call>f()</tool_call>",
        '<tool_call>{"name": "f", "arguments": {}} is a call',
        "x [f()]",
        "- [f()]",
        "[f](https://example.com)",
        '"name": "f", "arguments": {}',
    ],
)
def test_what_only_looks_like_a_call_is_left_alone(text: str) -> None:
    assert find_calls(text, TOOLS) == Rescued(text)


@pytest.mark.parametrize(
    "text",
    [
        '{"name": "f", "arguments": {}};',
        '{"name": "f", "arguments": {}}<|eot_id|>',
        '\n\n {"name": "f", "arguments": {}} \n<|eom_id|>\n',
        '{"name": "f", "arguments": {}',
        '{"name": "f", "arguments": {}<|eot_id|>',
        '{"id": "1", "type": "function", "function": {"name": "f", "arguments": {}}}',
        '{"parameters": {}, "name": "f"}',
        "```json\n[f()]\n```\n",
        "```tool_call\r\n[f()]\r\n```",
        "<function=f>{}",
        "<function=f>{}<function>",
        "<function=f {}></function>",
        '<function="f">{}</function>',
        "<function=f>{</function>",
        "<function=f>{}<|eot_id|>",
        '<tool_call>{"name": "f", "arguments": {}}',
        '<tool_call>\n{"name": "f", "arguments": {}}<|eot_id|>',
        "<|python_tag|>[f()]\n<|eom_id|>",
        "<|python_tag|> f()",
        "<|python_tag|>f.call()",
    ],
)
def test_small_slips_are_forgiven(text: str) -> None:
    rescued = find_calls(text, TOOLS)
    assert [(call.name, call.arguments) for call in rescued.calls] == [("f", "{}")]
    assert rescued.text == ""


def test_several_tagged_calls_follow_each_other() -> None:
    text = (
        'One.<function=f>{}<function=g>{}</function>\n<tool_call>[{"name": "f", "arguments": {}}]'
    )
    rescued = find_calls(text, TOOLS)
    assert [call.name for call in rescued.calls] == ["f", "g", "f"]
    assert rescued.text == "One."


def test_a_second_item_that_is_no_call_stays_text() -> None:
    rescued = find_calls('{"name": "f", "arguments": {}}\n{"name": "h"}', TOOLS)
    assert [call.name for call in rescued.calls] == ["f"]
    assert rescued.text == '\n{"name": "h"}'


def test_names_may_hold_what_python_would_not_allow() -> None:
    assert made("[get-weather(x=1)]") == [("get-weather", '{"x": 1}')]


def test_half_a_surrogate_pair_stays_json() -> None:
    ((_, arguments),) = made('{"name": "f", "arguments": {"x": "\\ud800"}}')
    assert arguments.encode() == b'{"x": "\\ud800"}'


def test_a_message_of_brackets_is_read_in_a_line() -> None:
    text = '{"name": "f", "arguments": {\n' * 3_000
    assert find_calls(text, TOOLS) == Rescued(text)
    text = "[f(\n" * 3_000
    assert find_calls(text, TOOLS) == Rescued(text)
    text = '{"name": "f", "x": 1}\n' * 3_000
    assert find_calls(text, TOOLS) == Rescued(text)
