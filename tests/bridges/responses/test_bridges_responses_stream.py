"""Streamed answers of chat as events of the Responses API."""

from __future__ import annotations

import pytest
from tests.support.bridged_responses import (
    CUSTOM,
    answer,
    check_order,
    chunk,
    ended,
    piece,
    request,
    streamed,
)

from puna.bridges.responses.reply import response_of
from puna.bridges.responses.stream import ResponseStream
from puna.wire.fold import unfold


@pytest.mark.case(98, 99)
def test_a_text_comes_in_openais_order_of_events() -> None:
    events = streamed([chunk({"role": "assistant", "content": "Hel"}), chunk({"content": "lo"})])
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    check_order(events)


@pytest.mark.case(100)
def test_the_first_events_repeat_the_request() -> None:
    asked = request(instructions="I", temperature=0.5, store=False, tool_choice="auto")
    events = streamed([chunk({"content": "x"})], asked)
    for event in (*events[:2], events[-1]):
        response = event.response
        assert response is not None
        assert response["instructions"] == "I"
        assert (response["temperature"], response["store"]) == (0.5, False)
        assert (response["tools"], response["tool_choice"]) == ([CUSTOM], "auto")
        assert (response.id, response.model) == ("resp_7", "m")
    assert events[0].response is not None
    assert (events[0].response.status, events[0].response.output) == ("in_progress", [])


@pytest.mark.case(101)
def test_a_text_and_then_a_call_are_items_0_and_1_closed_in_order() -> None:
    events = streamed(
        [
            chunk({"role": "assistant", "content": "Looking."}),
            piece(0, "", id="c1", name="f"),
            piece(0, '{"a"'),
            piece(0, ":1}"),
        ]
    )
    check_order(events)
    told = [(e.type.removeprefix("response."), e.output_index) for e in events[2:-1]]
    assert told[5:] == [
        ("output_item.done", 0),
        ("output_item.added", 1),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.delta", 1),
        ("function_call_arguments.done", 1),
        ("output_item.done", 1),
    ]


def test_mixed_pieces_of_two_calls_come_as_one_call_after_the_other() -> None:
    events = streamed(
        [
            piece(0, '{"a"', id="c1", name="f"),
            piece(1, '{"b"', id="c2", name="g"),
            piece(0, ":1}"),
            piece(1, ":2}"),
        ]
    )
    check_order(events)
    assert events[-1].response is not None
    assert [i["arguments"] for i in events[-1].response.output] == ['{"a":1}', '{"b":2}']


def test_a_call_of_a_tool_in_a_namespace_is_told_by_both_names() -> None:
    inner = [{"type": "function", "name": "find"}, {"type": "custom", "name": "edit"}]
    asked = request(tools=[{"type": "namespace", "name": "crm", "tools": inner}])
    stream = ResponseStream(asked, "resp_7", 9, ended)
    events = stream.convert(piece(0, "{}", id="c1", name="crm__find"))
    events += stream.convert(piece(1, '{"input":"x"}', id="c2", name="crm__edit"))
    events += stream.finish()
    check_order(events)
    assert {e["name"] for e in events if e.type == "response.function_call_arguments.done"} == {
        "find"
    }
    assert stream.response is not None
    found, edited = stream.response.output
    assert (found["name"], found["namespace"], found["arguments"]) == ("find", "crm", "{}")
    assert (edited["name"], edited["namespace"], edited["input"]) == ("edit", "crm", "x")


def test_a_free_form_call_is_told_in_one_piece() -> None:
    events = streamed([piece(0, '{"inp', id="c1", name="apply_patch"), piece(0, 'ut":"*** x"}')])
    check_order(events)
    assert [event.type.removeprefix("response.") for event in events[2:-1]] == [
        "output_item.added",
        "custom_tool_call_input.delta",
        "custom_tool_call_input.done",
        "output_item.done",
    ]


@pytest.mark.case(102)
def test_a_stream_that_breaks_ends_with_a_failed_response() -> None:
    stream = ResponseStream(request(), "resp_7", 9, ended)
    events = stream.convert(chunk({"content": "Hel"}))
    events += stream.fail("stream_interrupted", "it broke")
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert (last.type, last.response) == ("response.failed", stream.response)
    assert last.response is not None
    assert last.response.error is not None
    assert (last.response.error.code, last.response.error.message) == (
        "server_error",
        "it broke",
    )
    assert last.response.output_text == "Hel"


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("rate_limit_exceeded", "rate_limit_exceeded"),
        ("content_policy_violation", "invalid_prompt"),
        ("context_length_exceeded", "context_length_exceeded"),
        ("whatever a host says", "server_error"),
    ],
)
def test_a_failure_is_told_by_a_code_that_clients_know(code: str, told: str) -> None:
    response = ResponseStream(request(), "resp_7", 9, ended).fail(code, "it broke")[-1].response
    assert response is not None
    assert response.error is not None
    assert response.error.code == told


def test_an_answer_without_anything_is_an_empty_message() -> None:
    events = streamed([chunk({"role": "assistant", "content": ""}, "stop")])
    check_order(events)
    response = events[-1].response
    assert response is not None
    assert (len(response.output), response.output_text) == (1, "")
    assert (
        response.output
        == response_of(request(), "resp_7", 9, answer(content=""), completed_at=12).output
    )


def test_log_probabilities_are_told() -> None:
    told = [{"token": "x", "logprob": -0.5, "top_logprobs": []}]
    whole = answer(content="x")
    whole.choices[0].logprobs = {"content": told}
    (item,) = response_of(request(), "resp_7", 9, whole, completed_at=12).output
    assert item["content"][0]["logprobs"] == told
    events = streamed(list(unfold(whole)))
    assert events[-1].response is not None
    assert events[-1].response.output == [item]
