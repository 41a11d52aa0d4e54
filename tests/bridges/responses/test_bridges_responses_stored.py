"""Stored responses: written and read again, with their items found by their ids."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.bridges.responses.stored import StoredResponse

ASKED = {"type": "message", "id": "msg_0", "role": "user", "content": "hi"}
SAID = {"type": "message", "id": "msg_1", "role": "assistant", "content": []}
STORED = StoredResponse(
    "resp_1", "k", (ASKED, SAID), {"id": "resp_1", "output": [SAID, {"id": 5}]}, (ASKED,)
)


def test_what_is_written_is_read_again() -> None:
    text = STORED.to_json()
    assert StoredResponse.from_json("resp_1", "k", text) == STORED
    assert json.loads(text)


def test_items_are_known_by_the_ids_that_are_texts() -> None:
    assert STORED.item_ids == ("msg_0", "msg_1")
    assert STORED.items_by_id() == {"msg_0": ASKED, "msg_1": SAID}


@pytest.mark.parametrize(
    "value", [5, [], [[], {}], [[], [], []], [[5], {}, []], [[], {}, {}], {"a": 1}]
)
def test_another_text_is_an_error(value: Any) -> None:
    with pytest.raises((ValueError, TypeError)):
        StoredResponse.from_json("resp_1", "k", json.dumps(value))
