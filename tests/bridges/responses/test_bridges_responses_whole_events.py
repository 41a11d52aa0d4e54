"""A whole response as events: each event with all of its fields, in its order."""

from __future__ import annotations

from typing import Any

from puna.bridges.responses.whole_events import events_of
from puna.types.responses import Response

PART = {"type": "output_text", "text": "Hi", "annotations": [{"type": "x"}], "logprobs": [1]}
NO = {"type": "refusal", "refusal": "No"}
MESSAGE = {
    "type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
    "content": [PART, NO],
}  # fmt: skip
CALL = {
    "type": "function_call", "id": "fc_1", "call_id": "call_1", "name": "f",
    "arguments": '{"a":1}', "status": "completed",
}  # fmt: skip
CUSTOM = {
    "type": "custom_tool_call", "id": "ctc_1", "call_id": "call_2", "name": "g", "input": "x",
    "status": "completed",
}  # fmt: skip
SEARCH = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"q": "x"}}


def told_of(*items: dict[str, Any], status: str = "completed") -> list[dict[str, Any]]:
    """What the events say, but for the responses in the first two and the last."""
    response = Response.model_validate(
        {"id": "resp_1", "created_at": 1, "model": "m", "status": status, "output": list(items)}
    )
    events = [event.model_dump(mode="json", exclude_unset=True) for event in events_of(response)]
    assert [event.pop("sequence_number") for event in events] == list(range(len(events)))
    created, in_progress, *middle, last = events
    assert created["type"] == "response.created"
    assert in_progress["type"] == "response.in_progress"
    assert created["response"] == in_progress["response"]
    assert created["response"]["status"] == "in_progress"
    assert (created["response"]["output"], created["response"]["usage"]) == ([], None)
    assert last["type"] == f"response.{status}"
    assert last["response"]["output"] == list(items)
    return middle


def test_a_message_begins_empty_and_each_part_is_told_piece_whole_and_part() -> None:
    place = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
    second = {**place, "content_index": 1}
    begun = {**PART, "text": "", "annotations": [], "logprobs": []}
    assert told_of(MESSAGE) == [
        {
            "type": "response.output_item.added",
            "item": {**MESSAGE, "status": "in_progress", "content": []},
            "output_index": 0,
        },
        {"type": "response.content_part.added", **place, "part": begun},
        {"type": "response.output_text.delta", **place, "logprobs": [1], "delta": "Hi"},
        {"type": "response.output_text.done", **place, "logprobs": [1], "text": "Hi"},
        {"type": "response.content_part.done", **place, "part": PART},
        {"type": "response.content_part.added", **second, "part": {**NO, "refusal": ""}},
        {"type": "response.refusal.delta", **second, "delta": "No"},
        {"type": "response.refusal.done", **second, "refusal": "No"},
        {"type": "response.content_part.done", **second, "part": NO},
        {"type": "response.output_item.done", "item": MESSAGE, "output_index": 0},
    ]


def test_calls_begin_without_their_words_and_other_items_as_they_are() -> None:
    fc, ctc = {"item_id": "fc_1", "output_index": 0}, {"item_id": "ctc_1", "output_index": 1}
    begun = {"status": "in_progress"}
    word, custom = "response.function_call_arguments", "response.custom_tool_call_input"
    assert told_of(CALL, CUSTOM, SEARCH, status="incomplete") == [
        {
            "type": "response.output_item.added",
            "item": {**CALL, **begun, "arguments": ""},
            "output_index": 0,
        },
        {"type": f"{word}.delta", **fc, "delta": '{"a":1}'},
        {"type": f"{word}.done", **fc, "name": "f", "arguments": '{"a":1}'},
        {"type": "response.output_item.done", "item": CALL, "output_index": 0},
        {
            "type": "response.output_item.added",
            "item": {**CUSTOM, **begun, "input": ""},
            "output_index": 1,
        },
        {"type": f"{custom}.delta", **ctc, "delta": "x"},
        {"type": f"{custom}.done", **ctc, "input": "x"},
        {"type": "response.output_item.done", "item": CUSTOM, "output_index": 1},
        {"type": "response.output_item.added", "item": SEARCH, "output_index": 2},
        {"type": "response.output_item.done", "item": SEARCH, "output_index": 2},
    ]


def test_items_without_words_have_no_pieces() -> None:
    kinds = [
        event["type"] for event in told_of({**CALL, "arguments": ""}, {**MESSAGE, "content": []})
    ]
    assert kinds == [
        "response.output_item.added",
        "response.function_call_arguments.done",
        "response.output_item.done",
        "response.output_item.added",
        "response.output_item.done",
    ]
