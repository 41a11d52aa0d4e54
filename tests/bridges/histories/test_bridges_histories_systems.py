"""System messages stand where a host accepts them, and lose no word."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import HELLO
from tests.support.sent_histories import TARGETS, build

from puna.bridges.histories.rules import CHAT, OPENAI
from puna.bridges.histories.systems import fit_systems

HI = {"role": "user", "content": "hi"}
A = {"role": "system", "content": "A."}
B = {"role": "developer", "content": "B."}


def fitted(*messages: dict[str, Any]) -> list[dict[str, Any]]:
    return list(fit_systems(messages, CHAT, {}))


def test_leading_ones_become_one_with_a_blank_line_between() -> None:
    assert fitted(A, B, HI) == [{"role": "system", "content": "A.\n\nB."}, HI]


def test_a_later_one_becomes_a_user_message_that_says_what_it_was() -> None:
    late = {"role": "user", "content": "[system message]\nA."}
    assert fitted(HI, A) == [HI, late]
    assert fitted(A, HI, A) == [A, HI, late]


def test_parts_stay_parts() -> None:
    parts = [{"type": "text", "text": "C."}]
    joined = fitted(A, {"role": "system", "content": parts}, HI)[0]["content"]
    assert [part["text"] for part in joined] == ["A.", "C."]


def test_fields_that_a_joined_message_cannot_have_are_told() -> None:
    dropped: dict[str, None] = {}
    fit_systems([{**A, "name": "boss"}, B, HI], CHAT, dropped)
    assert list(dropped) == ["messages[].name"]


@pytest.mark.parametrize("messages", [[A, B, HI, A], [HI, B]])
def test_a_host_that_accepts_them_anywhere_gets_them_as_they_are(messages: list[Any]) -> None:
    assert fit_systems(messages, OPENAI, {}) == messages
    without = fit_systems(messages, replace(OPENAI, accepts_developer=False), {})
    assert [m["role"] for m in without] == [
        m["role"].replace("developer", "system") for m in messages
    ]
    assert [m["content"] for m in without] == [m["content"] for m in messages]


def test_instructions_stand_at_the_head_where_a_template_takes_no_others() -> None:
    messages = [
        {"role": "system", "content": "A."},
        {"role": "developer", "content": "B."},
        *HELLO,
        {"role": "system", "content": "C."},
    ]
    built = build(TARGETS["hosted_vllm"], messages)
    assert json.loads(built.http.body)["messages"] == [
        {"role": "system", "content": "A.\n\nB."},
        *HELLO,
        {"role": "user", "content": "[system message]\nC."},
    ]
    assert built.dropped_params == ()
    assert json.loads(build(TARGETS["openai"], messages).http.body)["messages"] == messages
