"""Results stand behind their calls."""

from __future__ import annotations

import json

from tests.support.contexts import HELLO
from tests.support.sent_histories import SESSION, TARGETS, build


def test_a_message_between_a_call_and_its_result_moves_behind_it() -> None:
    """opencodex#1292, DSCodex#9."""
    call, result = SESSION[1], {**SESSION[2], "content": "done"}
    between = {"role": "user", "content": "Hurry."}
    sent = json.loads(build(TARGETS["groq"], [*HELLO, call, between, result]).http.body)
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "tool", "user"]
    assert sent["messages"][3] == between
