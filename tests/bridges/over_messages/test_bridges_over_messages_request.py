"""Chat requests as requests of the Messages API."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.chats import PNG_URL
from tests.support.over_messages import HI, SCHEMA, build, spoken

from puna.errors import BadRequestError, UnsupportedParamsError
from puna.types.messages_extras import MessagesExtras

# What is mapped


def test_a_text_alone_stays_short_and_a_limit_is_always_told() -> None:
    assert build() == ({"max_tokens": 64, "messages": HI}, ())


@pytest.mark.parametrize(
    ("params", "fields"),
    [
        ({"max_tokens": 5}, {"max_tokens": 5}),
        ({"max_completion_tokens": 6}, {"max_tokens": 6}),
        ({"stop": "a"}, {"stop_sequences": ["a"]}),
        ({"stop": ["a", "b"]}, {"stop_sequences": ["a", "b"]}),
        ({"stop": []}, {}),
        (
            {"temperature": 1, "top_p": 0.5, "top_k": 3},
            {"temperature": 1, "top_p": 0.5, "top_k": 3},
        ),
        ({"user": "u"}, {"metadata": {"user_id": "u"}}),
        ({"user": "u", "metadata": {"a": 1}}, {"metadata": {"a": 1, "user_id": "u"}}),
        ({"n": 1, "stream_options": {"include_usage": True}}, {}),
        ({"service_tier": "auto"}, {"service_tier": "auto"}),
        ({"response_format": {"type": "text"}}, {}),
        ({"container": "c"}, {"container": "c"}),
    ],
)
def test_parameters_have_their_own_names_there(
    params: dict[str, Any], fields: dict[str, Any]
) -> None:
    body, left_out = build(**params)
    assert body == {"max_tokens": 64, "messages": HI, **fields}
    assert left_out == ()


def test_what_the_caller_said_in_the_same_api_wins() -> None:
    own = {"thinking": {"type": "disabled"}, "output_config": {"effort": "high"}, "x": 1}
    wanted = {"type": "json_schema", "json_schema": {"schema": SCHEMA, "description": "d"}}
    body, left_out = build(
        reasoning_effort="low", response_format=wanted, extras=MessagesExtras(own)
    )
    assert body["thinking"] == {"type": "disabled"}
    assert body["output_config"] == {
        "effort": "high",
        "format": {"type": "json_schema", "schema": SCHEMA},
    }
    assert body["x"] == 1
    assert left_out == ("response_format.json_schema.description",)


# What is refused or left out


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"service_tier": "flex"}, "service_tier"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": [{"role": "user", "content": [
            {"type": "text", "text": "a"}, {"type": "input_audio", "input_audio": {}}]}]},
         "messages[0].content[1]"),
    ],
)  # fmt: skip
def test_what_the_api_has_not_is_refused_or_dropped(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(UnsupportedParamsError) as raised:
        build(**fields)
    assert raised.value.param == param
    assert build(**fields, drop_params=True)[1] == (param,)


def test_fields_that_change_no_answer_are_left_out_and_told() -> None:
    part = {"type": "image_url", "image_url": {"url": PNG_URL, "detail": "low"}}
    _, left_out = build([{"role": "user", "name": "ann", "content": [part]}])
    assert left_out == ("messages[].name", "messages.image_url.detail")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 1.5}, "temperature"),
        ({"reasoning_effort": "huge"}, "reasoning_effort"),
        ({"messages": [{"role": "system", "content": "a"}]}, "messages"),
        ({"messages": [{"role": "function", "name": "f", "content": "a"}]}, "messages[0].role"),
        ({"messages": [*HI, spoken(tool_calls=[
            {"id": "c", "function": {"name": "f", "arguments": "{"}}])]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [*HI, spoken(tool_calls=[
            {"id": "c", "function": {"name": "f", "arguments": "[1]"}}])]},
         "messages[1].tool_calls[0].function.arguments"),
        ({"messages": [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "ftp://x"}}]}]},
         "messages[0].content[0].image_url.url"),
        ({"messages": [{"role": "user", "content": [{"type": "file", "file": {"file_id": "f"}}]}]},
         "messages[0].content[0].file.file_data"),
        ({"messages": [{"role": "user", "content": [{"type": "file"}]}]},
         "messages[0].content[0].file.file_data"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_by_its_path(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        build(**fields)
    assert raised.value.param == param
    assert f"`{param}`" in str(raised.value)
