"""Items of earlier turns that go to a host again: nothing refers to what it would have stored."""

from __future__ import annotations

import pytest

from puna.bridges.responses.resending import items_to_resend, with_maker

SECRET = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
FOUND = {"type": "web_search_call", "id": "ws_1", "status": "completed"}


def test_encrypted_thoughts_go_to_the_deployment_that_made_them_only() -> None:
    stored = with_maker(SECRET, "a")
    assert items_to_resend([stored, SAID], "a") == ([SECRET, SAID], ())
    assert items_to_resend([stored, SAID], "b") == ([SAID], ("input.reasoning",))


def test_thoughts_that_the_caller_sends_itself_go_to_any() -> None:
    assert items_to_resend([SECRET], "b") == ([SECRET], ())


def test_thoughts_that_are_not_encrypted_are_left_out_and_told_once() -> None:
    plain = {"type": "reasoning", "id": "rs_1", "summary": [{"text": "hm"}]}
    assert items_to_resend([plain, plain, SAID], "a") == ([SAID], ("input.reasoning",))


@pytest.mark.parametrize("item", [SAID, FOUND])
def test_only_ids_that_a_host_does_not_look_up_are_kept(item: dict[str, object]) -> None:
    assert with_maker(item, "a") == item
    ((sent,), _) = items_to_resend([item], "a")
    assert ("id" in sent) is (item is SAID)
