"""Items of the Responses API as messages of chat."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.responses_requests import CALL, read, refused

from puna.errors import NotFoundError


@pytest.mark.case(93, 95)
def test_a_text_is_one_message_of_the_user_after_the_instructions() -> None:
    request = read("hi", instructions="Be short.")
    assert request.messages == (
        {"role": "system", "content": "Be short."},
        {"role": "user", "content": "hi"},
    )
    assert request.fields == {}


@pytest.mark.case(95)
def test_all_kinds_of_items_become_messages_and_neighbouring_calls_one_of_them() -> None:
    given = [
        {"role": "developer", "content": "D"},
        {
            "type": "message",
            "role": "user",
            "content": [
                {"type": "input_text", "text": "see"},
                {"type": "input_image", "image_url": "data:image/png;base64,AA", "detail": "low"},
            ],
        },
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "xx"},
        {"role": "assistant", "content": [{"type": "output_text", "text": "Looking."}]},
        CALL,
        {"type": "reasoning", "summary": []},
        {"type": "custom_tool_call", "call_id": "c2", "name": "apply_patch", "input": "*** é"},
        {"type": "function_call_output", "call_id": "c1", "output": "warm"},
        {
            "type": "custom_tool_call_output",
            "call_id": "c2",
            "output": [{"type": "input_text", "text": "do"}, {"type": "input_text", "text": "ne"}],
        },
        {"role": "user", "content": [{"type": "input_text", "text": "go on"}]},
    ]
    assert read(given).messages == (
        {"role": "system", "content": "D"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "see"},
                {
                    "type": "image_url",
                    "image_url": {"url": "data:image/png;base64,AA", "detail": "low"},
                },
            ],
        },
        {
            "role": "assistant",
            "content": "Looking.",
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "get_weather", "arguments": "{}"},
                },
                {
                    "id": "c2",
                    "type": "function",
                    "function": {"name": "apply_patch", "arguments": '{"input": "*** é"}'},
                },
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "warm"},
        {"role": "tool", "tool_call_id": "c2", "content": "done"},
        {"role": "user", "content": "go on"},
    )


@pytest.mark.case(95)
def test_a_call_after_an_output_is_a_message_of_its_own() -> None:
    output = {"type": "function_call_output", "call_id": "c1", "output": "x"}
    roles = [m["role"] for m in read([CALL, output, {**CALL, "call_id": "c2"}]).messages]
    assert roles == ["assistant", "tool", "assistant"]


@pytest.mark.case(110)
@pytest.mark.parametrize(
    ("given", "param"),
    [
        ("", "input"),
        ([], "input"),
        (None, "input"),
        (7, "input"),
        ({"role": "user"}, "input"),
        (["hi"], "input[0]"),
        ([{"type": "wat"}], "input[0].type"),
        ([{}], "input[0].type"),
        ([{"role": "nobody", "content": "x"}], "input[0].role"),
        ([{"role": "user"}], "input[0].content"),
        ([{"role": "user", "content": [{"type": "input_file"}]}], "input[0].content[0].type"),
        ([{"role": "user", "content": [{"type": "input_text"}]}], "input[0].content[0].text"),
        ([{"role": "user", "content": ["x"]}], "input[0].content[0].type"),
        (
            [{"role": "user", "content": [{"type": "input_image", "file_id": "f"}]}],
            "input[0].content[0].file_id",
        ),
        (
            [{"role": "user", "content": [{"type": "input_image"}]}],
            "input[0].content[0].image_url",
        ),
        ([{**CALL, "arguments": {}}], "input[0].arguments"),
        ([{**CALL, "call_id": None}], "input[0].call_id"),
        (
            [{"type": "function_call_output", "call_id": "none", "output": ""}],
            "input[0].call_id",
        ),
    ],
)
def test_wrong_input_is_refused_with_its_path(given: Any, param: str) -> None:
    error = refused(given)
    assert (error.param, error.status_code) == (param, 400)


def test_a_reference_to_an_item_that_is_not_stored_is_not_found() -> None:
    with pytest.raises(NotFoundError, match="the item `x`, which is not stored") as raised:
        read([CALL, {"type": "item_reference", "id": "x"}])
    error = raised.value
    assert (error.param, error.status_code) == ("input[1].id", 404)


def test_what_another_models_service_did_is_left_out_and_told() -> None:
    search = {"type": "web_search_call", "status": "completed", "id": "ws_1"}
    request = read([{"role": "user", "content": "a"}, search, search])
    assert request.messages == ({"role": "user", "content": "a"},)
    assert request.left_out == ("input.web_search_call",)


def test_what_an_answer_said_of_itself_is_sent_back_without_a_word() -> None:
    part = {"type": "output_text", "text": "a", "annotations": [], "logprobs": []}
    said = {"type": "message", "id": "m", "status": "completed", "role": "assistant"}
    call = {**CALL, "id": "fc_1", "status": "completed"}
    assert read([{**said, "content": [part]}, call]).left_out == ()
