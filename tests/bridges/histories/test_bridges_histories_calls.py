"""Arguments of earlier calls as every host reads them, and calls as texts where none are taken."""

from __future__ import annotations

import json
from datetime import date
from typing import Any

import pytest

from puna.bridges.histories.calls import calls_as_text, fit_arguments

HI = {"role": "user", "content": "hi"}
RESULT = {"role": "tool", "tool_call_id": "c", "content": "5 degrees"}


def called(arguments: Any) -> dict[str, Any]:
    function = {"name": "get", "arguments": arguments}
    return {"role": "assistant", "content": None, "tool_calls": [{"id": "c", "function": function}]}


def fitted(arguments: Any, *, accepts_any: bool = False) -> tuple[Any, list[str]]:
    dropped: dict[str, None] = {}
    message = fit_arguments(called(arguments), dropped, accepts_any=accepts_any)
    return message["tool_calls"][0]["function"]["arguments"], list(dropped)


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("{}", "{}"),
        (None, "{}"),
        ("", "{}"),
        (" null ", "{}"),
        ({"a": "é"}, '{"a":"é"}'),
        ({"day": date(2026, 12, 1)}, '{"day":"2026-12-01"}'),
    ],
)
def test_arguments_become_the_text_of_an_object(arguments: Any, text: str) -> None:
    assert fitted(arguments) == (text, [])


@pytest.mark.parametrize("arguments", ["{", "[1]", "5", [1]])
def test_what_is_no_object_is_wrapped_and_told_unless_the_host_takes_any(arguments: Any) -> None:
    wrapped, told = fitted(arguments)
    (inner,) = json.loads(wrapped).values()
    assert inner == (arguments if isinstance(arguments, str) else json.dumps(arguments))
    assert told == ["messages[].tool_calls[].function.arguments"]
    assert fitted(arguments, accepts_any=True) == (inner, [])


def test_a_message_that_fits_is_the_same() -> None:
    message = called('{"a": 1}')
    assert fit_arguments(message, {}, accepts_any=False) is message


def test_calls_and_results_become_texts_and_other_messages_stay() -> None:
    dropped: dict[str, None] = {}
    told = calls_as_text([HI, called('{"a": 1}'), RESULT, HI], dropped)
    assert [message["role"] for message in told] == ["user", "assistant", "user", "user"]
    assert told[1]["content"][-1]["text"] == '[called `get` with {"a": 1}]'
    assert [part["text"] for part in told[2]["content"]] == ["[result of `get`]", "5 degrees"]
    assert (told[0], told[3]) == (HI, HI)
    assert list(dropped) == ["messages[].tool_calls"]


def test_a_result_of_a_call_that_is_not_there_stays() -> None:
    assert calls_as_text([RESULT], {}) == [RESULT]
