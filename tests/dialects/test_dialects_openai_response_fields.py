"""Odd types in a host's responses, and items that only its events hold."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import NOW, target_for

from puna.bridges.responses.native import NativeResponse
from puna.dialects.base import ReadContext
from puna.dialects.openai_responses import OpenAIResponses
from puna.types.response_request import ResponsesRequest, make_responses_request
from puna.types.responses import Response
from puna.wire.http import HTTPReply

MADE = "resp_00000000000000000000000000000001"
BEGUN = {"id": MADE, "object": "response", "created_at": 5, "model": "gpt"}
DIALECT = OpenAIResponses()
ITEM: dict[str, Any] = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "output_text", "text": "Hello", "annotations": []}],
}
CALL: dict[str, Any] = {
    "type": "function_call",
    "id": "fc_1",
    "call_id": "call_1",
    "name": "f",
    "arguments": '{"a":1}',
    "status": "completed",
}
GOOD: dict[str, Any] = {
    "id": "resp_1",
    "object": "response",
    "created_at": 7,
    "status": "completed",
    "output": [ITEM, CALL],
    "usage": {"input_tokens": 3, "output_tokens": 2, "total_tokens": 5},
}


def context() -> ReadContext[ResponsesRequest]:
    request = make_responses_request("gpt", {"input": "hi"})
    return ReadContext(target_for(provider="openai"), "gpt", MADE, NOW, request)


def read_whole(body: Any) -> Response:
    return DIALECT.read_reply(HTTPReply(200, {}, json.dumps(body).encode()), context())


def read_stream(*events: dict[str, Any]) -> Response:
    """The last event's response as a caller gets it; the stream must be good."""
    reader = DIALECT.stream_reader(context())
    told = NativeResponse(BEGUN, lambda: 8.5)
    frames = "".join(f"data: {json.dumps(event)}\n\n" for event in events).encode()
    for event in (*reader.feed(frames), *reader.close()):
        told.convert(event)
    assert reader.error is None
    (last,) = told.finish()
    assert last.response is not None
    assert last.response == told.response
    return last.response


def done(item: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"type": "response.output_item.done", "item": item, **fields}


def ended(output: Any, **fields: Any) -> dict[str, Any]:
    response = {**GOOD, "output": output, **fields}
    return {"type": "response.completed", "response": response}


ODD: list[tuple[str, Any]] = [
    ("created_at", 1741290958.25),
    ("created_at", "1741290958"),
    ("created_at", None),
    ("completed_at", 1741290958.5),
    ("status", None),
    ("status", 7),
    ("object", None),
    ("error", {}),
    ("incomplete_details", {}),
    ("incomplete_details", {"reason": None}),
    ("usage", {"input_tokens": 3.0, "output_tokens": 2, "input_tokens_details": None}),
    ("usage", {"input_tokens": 3, "output_tokens": 2, "output_tokens_details": None}),
    ("usage", None),
    ("usage", {"input_tokens": "x", "output_tokens": 2}),
    ("tools", None),
    ("text", None),
    ("temperature", None),
    ("metadata", None),
    ("reasoning", {"effort": "low"}),
]


@pytest.mark.parametrize(("name", "value"), ODD)
def test_an_odd_type_does_not_turn_a_good_answer_into_a_failure(name: str, value: Any) -> None:
    whole = read_whole({**GOOD, name: value})
    streamed = read_stream(ended([ITEM, CALL], **{name: value}))
    for response in (whole, streamed):
        assert response.output_text == "Hello"
        assert [item.type for item in response.output] == ["message", "function_call"]
        assert (response.status, response.error) == ("completed", None)
        assert response.incomplete_details is None
        assert isinstance(response.created_at, int)


def test_a_time_and_counts_keep_what_they_say() -> None:
    usage = {"input_tokens": 3.0, "output_tokens": 2, "input_tokens_details": {"cached_tokens": 1}}
    response = read_whole({**GOOD, "created_at": 1741290958.75, "usage": usage})
    assert response.created_at == 1741290958
    assert response.to_dict()["usage"] == {
        "input_tokens": 3,
        "output_tokens": 2,
        "total_tokens": 5,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens_details": {"reasoning_tokens": 0},
    }
    assert read_whole({**GOOD, "created_at": None}).created_at == int(NOW)


@pytest.mark.parametrize(
    ("odd", "text"),
    [
        ({**ITEM, "id": None}, "Hello"),
        ({**ITEM, "id": 7, "status": None, "role": None}, "Hello"),
        ({**ITEM, "type": None}, "Hello"),
        ({**ITEM, "content": "Hello"}, "Hello"),
        ({**ITEM, "content": [None, {"text": "Hello"}]}, "Hello"),
        (
            {**ITEM, "content": [{"type": "output_text", "text": "Hello", "annotations": None}]},
            "Hello",
        ),
        ({**ITEM, "content": None}, ""),
    ],
)
def test_an_odd_message_is_a_message(odd: dict[str, Any], text: str) -> None:
    response = read_whole({**GOOD, "output": [None, odd]})
    (item,) = response.to_dict()["output"]
    assert (response.output_text, item["type"], item["role"]) == (text, "message", "assistant")
    assert isinstance(item["id"], str)
    assert isinstance(item["status"], str)


@pytest.mark.parametrize(
    ("odd", "arguments"),
    [
        ({**CALL, "arguments": {"a": 1}}, '{"a": 1}'),
        ({**CALL, "arguments": None}, ""),
        ({**CALL, "id": None, "status": None}, '{"a":1}'),
    ],
)
def test_an_odd_call_is_a_call(odd: dict[str, Any], arguments: str) -> None:
    (item,) = read_whole({**GOOD, "output": [odd]}).to_dict()["output"]
    assert (item["type"], item["call_id"], item["name"]) == ("function_call", "call_1", "f")
    assert (item["arguments"], item["status"]) == (arguments, "completed")


@pytest.mark.parametrize("output", [[], None])
def test_items_that_were_done_count_when_the_last_output_is_empty(output: Any) -> None:
    """picoclaw#2674: the service behind Codex's login ends with `output: []`."""
    response = read_stream(done(ITEM, output_index=0), done(CALL, output_index=1), ended(output))
    assert response.to_dict()["output"] == [ITEM, CALL]
    assert (response.status, response.completed_at) == ("completed", 8)


@pytest.mark.parametrize("place", [None, "1", 1.0, [], "x"])
def test_items_count_by_their_order_where_no_place_is_told(place: Any) -> None:
    events = [done(ITEM), done(CALL, output_index=place), ended([])]
    assert [item.type for item in read_stream(*events).output] == ["message", "function_call"]


def test_what_was_only_streamed_counts_when_no_item_was_said_to_be_done() -> None:
    added = {"type": "response.output_item.added", "output_index": 1}
    call = {**CALL, "arguments": "", "status": "in_progress"}
    written = {"type": "response.function_call_arguments.delta", "output_index": 1}
    said = {"type": "response.output_text.delta", "output_index": 0, "content_index": 0}
    response = read_stream(
        {**said, "delta": "Hel"},
        {**said, "delta": "lo"},
        {**added, "item": call},
        {**written, "delta": '{"a"'},
        {**written, "delta": ":1}"},
        ended([]),
    )
    assert response.output_text == "Hello"
    assert response.to_dict()["output"][1] == CALL


def test_the_hosts_own_output_is_not_touched_where_it_says_something() -> None:
    other = {**ITEM, "content": [{"type": "output_text", "text": "Other", "annotations": []}]}
    response = read_stream(done(ITEM, output_index=0), done(CALL, output_index=1), ended([other]))
    assert response.to_dict()["output"] == [other]


def test_an_item_that_lost_its_content_in_the_last_event_gets_it_back() -> None:
    empty = {**ITEM, "content": []}
    response = read_stream(done(ITEM, output_index=0), ended([empty, CALL]))
    assert response.to_dict()["output"] == [ITEM, CALL]


def test_a_failed_response_gets_whole_items_only() -> None:
    reader = DIALECT.stream_reader(context())
    told = NativeResponse(BEGUN, lambda: 8.5)
    said = {"type": "response.output_text.delta", "output_index": 1, "delta": "Hel"}
    failed = {"type": "response.failed", "response": {**GOOD, "status": "failed", "output": []}}
    for event in reader.feed(
        "".join(f"data: {json.dumps(one)}\n\n" for one in (done(ITEM), said, failed)).encode()
    ):
        told.convert(event)
    assert told.response is not None
    assert told.response.to_dict()["output"] == [ITEM]
    assert told.response.completed_at is None


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2)
    ),
    max_leaves=4,
)
NOT_THE_ANSWER = sorted(
    {*GOOD, "completed_at", "previous_response_id"} - {"output", "error", "status"}
)


@given(st.sampled_from(NOT_THE_ANSWER), JSON)
def test_whatever_stands_beside_the_answer_it_is_read(name: str, value: Any) -> None:
    assert read_whole({**GOOD, name: value}).output_text == "Hello"
    assert read_stream(ended([ITEM], **{name: value})).output_text == "Hello"


@given(
    st.sampled_from(("output_index", "content_index", "item_id", "delta", "text", "part", "other")),
    JSON,
)
def test_whatever_an_events_fields_hold_the_stream_goes_on(name: str, value: Any) -> None:
    odd = {"type": "response.odd.event", name: value}
    assert read_stream(odd, done(ITEM), ended([])).output_text == "Hello"


@given(st.sampled_from(("id", "status", "role", "call_id")), JSON)
def test_whatever_an_items_fields_hold_it_says_the_same(name: str, value: Any) -> None:
    response = read_whole({**GOOD, "output": [{**ITEM, name: value}, {**CALL, name: value}]})
    assert response.output_text == "Hello"
    assert [item.type for item in response.output] == ["message", "function_call"]
