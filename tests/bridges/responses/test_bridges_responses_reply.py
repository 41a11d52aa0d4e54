"""Whole answers of chat as responses."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.bridged_responses import answer, call, chunk, request, streamed

from puna.bridges.responses.reply import response_of
from puna.wire.fold import unfold


@pytest.mark.case(93)
def test_a_text_is_a_complete_response() -> None:
    response = response_of(request(), "resp_7", 9, answer(content="Hello"), completed_at=12)
    assert (response.id, response.object, response.status) == ("resp_7", "response", "completed")
    assert (response.output_text, response.created_at, response.model) == ("Hello", 9, "m")
    assert response.usage is not None
    assert response.usage.to_dict() == {
        "input_tokens": 3,
        "input_tokens_details": {"cached_tokens": 1},
        "output_tokens": 2,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 5,
    }


@pytest.mark.case(96)
def test_calls_of_functions_and_of_free_form_tools_are_items() -> None:
    calls = [call("c1", "f", '{"a":1}'), call("c2", "apply_patch", '{"input":"*** x\\n"}')]
    response = response_of(
        request(), "resp_7", 9, answer("tool_calls", tool_calls=calls), completed_at=12
    )
    assert response.status == "completed"
    assert [item.to_dict() for item in response.output] == [
        {
            "id": "fc_7_0",
            "status": "completed",
            "call_id": "c1",
            "name": "f",
            "type": "function_call",
            "arguments": '{"a":1}',
        },
        {
            "id": "ctc_7_1",
            "status": "completed",
            "call_id": "c2",
            "name": "apply_patch",
            "type": "custom_tool_call",
            "input": "*** x\n",
        },
    ]


@pytest.mark.parametrize("arguments", ["plain text", "7", '{"other":"x"}', '{"input":3}', ""])
def test_a_free_form_call_that_keeps_to_no_form_gives_its_own_text(arguments: str) -> None:
    calls = [call("c", "apply_patch", arguments)]
    (item,) = response_of(request(), "resp_7", 9, answer(tool_calls=calls), completed_at=12).output
    assert item["input"] == arguments


@pytest.mark.parametrize(
    ("told", "asked", "expected"),
    [
        ("priority", None, "priority"),
        ("default", "auto", "default"),
        (None, None, "default"),
        (None, "flex", "default"),  # it is not sent over chat
        ("", None, "default"),
        (7, None, "default"),
    ],
)
def test_the_tier_is_the_one_in_which_the_host_says_that_it_answered(
    told: Any, asked: str | None, expected: str
) -> None:
    given = request(**({"service_tier": asked} if asked else {}))
    whole = answer(content="Hi").model_copy(update={"service_tier": told})
    made = response_of(given, "resp_7", 9, whole, completed_at=12)
    assert made.to_dict()["service_tier"] == expected
    chunks = [chunk({"content": "Hi"}), chunk({}, "stop")]
    said = [chunks[0].model_copy(update={"service_tier": told}), chunks[1]]
    last = streamed(said, given)[-1].response
    assert last is not None
    assert last.to_dict()["service_tier"] == expected


@pytest.mark.case(97)
@pytest.mark.parametrize(
    ("finish_reason", "why"),
    [("length", "max_output_tokens"), ("content_filter", "content_filter")],
)
def test_an_answer_that_was_cut_is_incomplete(finish_reason: str, why: str) -> None:
    cut = answer(finish_reason, content="Hel")
    response = response_of(request(), "resp_7", 9, cut, completed_at=12)
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == why
    assert response.output[-1].status == "incomplete"
    events = streamed(list(unfold(cut, wants_usage=True)))
    assert events[-1].type == "response.incomplete"
    assert events[-1].response == response
