from __future__ import annotations

import json
import math
from typing import Any

import pytest
from hypothesis import given
from tests.support.anything import anything
from tests.support.contexts import KEY, NOW, context_for

from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_replies import mend_arguments, mend_text
from puna.errors import APIError, InternalServerError, MalformedReplyError, RateLimitError
from puna.types.chat import ChatCompletion, Choice
from puna.wire.http import HTTPReply

MADE_ID = "chatcmpl-00000000000000000000000000000001"


def read(body: Any) -> ChatCompletion:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return OpenAIChat().read_reply(HTTPReply(200, {}, raw), context_for())


def answer(message: Any = None, finish: Any = "stop", **more: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": "Hi"} if message is None else message
    return {"choices": [{"index": 0, "message": said, "finish_reason": finish}], **more}


def choice_of(message: Any, finish: Any = "stop") -> Choice:
    return read(answer(message, finish)).choices[0]


@pytest.mark.case(8)
def test_what_the_host_says_of_itself_is_kept_and_what_it_leaves_out_is_made() -> None:
    given = read(answer(id="up", created=17, model="x", object="y", system_fingerprint="fp"))
    assert (given.id, given.created, given.object) == ("up", 17, "chat.completion")
    assert (given.model, given.system_fingerprint) == ("meta_llama/m", "fp")
    for odd in ({}, {"id": "", "created": 0}, {"id": 7, "created": "x", "system_fingerprint": 3}):
        made = read(answer(**odd))
        assert (made.id, made.created, made.system_fingerprint) == (MADE_ID, int(NOW), None)
    assert read(answer(created=17.9)).created == 17
    assert read(b'{"created": 1e999, "choices": [{"message": {"content": "a"}}]}').created == NOW


@pytest.mark.case(10)
@pytest.mark.parametrize(
    "usage", [None, {}, "x", {"prompt_tokens": None, "total_tokens": "3"}, {"prompt_tokens": True}]
)
def test_usage_that_says_nothing_counts_as_missing(usage: Any) -> None:
    assert read(answer(usage=usage)).usage is None
    assert read(answer()).usage is None


@pytest.mark.case(10)
@pytest.mark.parametrize(
    "count", [-1, -0.5, 2**53 + 1, 10**400, 1e300, math.inf, -math.inf, math.nan]
)
@pytest.mark.parametrize("name", ["prompt_tokens", "completion_tokens", "total_tokens"])
def test_usage_beyond_belief_counts_as_missing(name: str, count: float) -> None:
    usage = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7, name: count}
    assert read(answer(usage=usage)).usage is None
    assert read(answer(usage={**usage, name: 2**53})).usage is not None


def test_usage_is_made_of_whole_numbers() -> None:
    usage = read(
        answer(
            usage={
                "prompt_tokens": 11.0,
                "completion_tokens": None,
                "prompt_tokens_details": {"cached_tokens": "x", "x_text": {"a": 1}},
                "completion_tokens_details": {"reasoning_tokens": 2.0},
            }
        )
    ).usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (11, 0, 11)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.model_dump() == {
        "cached_tokens": None,
        "audio_tokens": None,
        "cache_creation_tokens": None,
        "x_text": {"a": 1},
    }
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 2
    assert usage.is_estimate is False
    odd = read(answer(usage={"total_tokens": 9, "prompt_tokens_details": "x"})).usage
    assert odd is not None
    assert (odd.total_tokens, odd.prompt_tokens_details) == (9, None)


@pytest.mark.case(66, 67)
@pytest.mark.parametrize("calls", [None, [], "x", [None], {}])
def test_no_call_is_none_and_not_an_empty_list(calls: Any) -> None:
    choice = choice_of({"content": "Hi", "tool_calls": calls})
    assert choice.message.tool_calls is None
    assert (choice.message.content, choice.finish_reason) == ("Hi", "stop")


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.case(66, 68)
@pytest.mark.parametrize(
    ("finish", "expected"),
    [
        ("stop", "tool_calls"),
        (None, "tool_calls"),
        ("tool_calls", "tool_calls"),
        ("length", "length"),
    ],
)
@pytest.mark.parametrize("content", ["", None])
def test_content_is_none_and_stop_is_tool_calls_where_there_are_calls(
    finish: str | None, expected: str, content: str | None
) -> None:
    choice = choice_of({"content": content, "tool_calls": [CALL]}, finish)
    assert choice.message.content is None
    assert choice.finish_reason == expected
    assert choice.message.role == "assistant"


def test_text_beside_calls_is_kept() -> None:
    assert (
        choice_of({"content": "Let me see", "tool_calls": [CALL]}).message.content == "Let me see"
    )


@pytest.mark.case(71)
def test_calls_without_id_or_type_get_unique_ones() -> None:
    calls = choice_of(
        {"tool_calls": [{"function": {"name": "f"}}, {"id": 7, "function": {"name": "f"}}]}
    ).message.tool_calls
    assert calls is not None
    assert [call.id for call in calls] == [
        "call_00000000000000000000000000000001_0_0",
        "call_00000000000000000000000000000001_0_1",
    ]
    assert {call.type for call in calls} == {"function"}


@pytest.mark.case(66)
@pytest.mark.parametrize(
    "call", [{}, {"function": {}}, {"function": {"name": ""}}, {"function": 1}]
)
def test_a_call_without_a_name_is_no_answer(call: dict[str, Any]) -> None:
    good = {"id": "c", "function": {"name": "f", "arguments": "{}"}}
    with pytest.raises(MalformedReplyError, match="names no function") as raised:
        choice_of({"tool_calls": [good, call]})
    assert raised.value.is_retryable


def test_a_call_of_another_type_needs_no_function() -> None:
    call = {"id": "c", "type": "custom", "custom": {"name": "f", "input": "x"}}
    calls = choice_of({"tool_calls": [call]}).message.tool_calls
    assert calls is not None
    (read_call,) = calls
    assert (read_call.type, (read_call.model_extra or {})["custom"]["name"]) == ("custom", "f")


@pytest.mark.case(72, 73)
@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"ort": "Köln", "n": None}, '{"ort": "Köln", "n": null}'),
        ([1], "[1]"),
        ("", ""),
        (None, ""),
        ('{"x": "San Fr', '{"x": "San Fr'),
        (True, "true"),
    ],
)
def test_arguments_are_text_and_never_touched_where_they_are(given: Any, text: str) -> None:
    assert mend_arguments(given) == text
    calls = choice_of({"tool_calls": [{"function": {"name": "f", "arguments": given}}]})
    assert calls.message.tool_calls is not None
    # Clients read the arguments as JSON: none at all are an empty object (llm#1521).
    assert calls.message.tool_calls[0].function.arguments == (text or "{}")


@pytest.mark.case(76)
def test_a_legacy_function_call_is_mended_or_dropped() -> None:
    call = choice_of({"content": None, "function_call": {"name": "f", "arguments": {"a": 1}}})
    assert call.message.function_call is not None
    assert call.message.function_call.arguments == '{"a": 1}'
    assert choice_of({"content": "x", "function_call": {}}).message.function_call is None


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        (None, None),
        ({"type": "text", "text": "a"}, "a"),
        ({"text": {"text": "a"}}, "a"),
        ({"type": "image"}, ""),
        ([{"text": "a"}, "b", None, {"text": None}], "ab"),
        ([], ""),
        (True, "true"),
        (7, "7"),
    ],
)
def test_content_in_parts_becomes_text_and_never_python_source(
    content: Any, text: str | None
) -> None:
    assert mend_text(content) == text
    assert choice_of({"content": content}).message.content == text


@pytest.mark.case(23)
def test_choices_keep_their_order_and_get_the_index_they_lack() -> None:
    made = read(
        {
            "choices": [
                {"message": {"content": c}, "index": i} for c, i in [("a", None), ("b", True)]
            ]
        }
    )
    assert [(c.index, c.message.content) for c in made.choices] == [(0, "a"), (1, "b")]


def test_a_text_choice_in_a_chat_answer_is_understood() -> None:
    assert read({"choices": [{"text": "Hi"}]}).choices[0].message.content == "Hi"


@pytest.mark.case(120)
def test_fields_that_only_this_host_sends_pass_through() -> None:
    made = read(answer({"content": "a", "x_message": 1}, x_extra={"k": 1})).model_dump()
    assert made["x_extra"] == {"k": 1}
    assert made["choices"][0]["message"]["x_message"] == 1


@pytest.mark.case(148)
@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        ({"error": {"message": "slow", "code": 429}}, RateLimitError, "slow"),
        ({"error": "odd"}, InternalServerError, "odd"),
        ({"title": "Oh", "detail": "no"}, InternalServerError, "Oh: no"),
        (b'{"choices": [', MalformedReplyError, "broken JSON (status 200)"),
        (b"", MalformedReplyError, "an empty body"),
        (b" \n", MalformedReplyError, "an empty body"),
        (b"[]", MalformedReplyError, "no object"),
        (b"null", MalformedReplyError, "no object"),
        (b"<html><title>Hi</title>", MalformedReplyError, "a web page, “Hi”"),
        (b"<oops/>", MalformedReplyError, "<oops/>"),
        ({"choices": []}, MalformedReplyError, "`choices` is empty"),
        ({"choices": None}, MalformedReplyError, "missing or null"),
        ({}, MalformedReplyError, "missing or null"),
        ({"choices": ["x"]}, MalformedReplyError, "no object"),
        ({"choices": [{"message": None}]}, MalformedReplyError, "without a message"),
        ({"choices": [{"message": "x", "text": "y"}]}, MalformedReplyError, "without a message"),
        ({"choices": [{}]}, MalformedReplyError, "without a message"),
        (answer({"content": "a", "refusal": 7}), MalformedReplyError, "choices.0.message.refusal"),
    ],
)
def test_a_success_without_a_completion_is_a_typed_error(
    body: Any, kind: type[APIError], said: str
) -> None:
    with pytest.raises(APIError) as raised:
        read(body)
    assert type(raised.value) is kind
    assert said in str(raised.value)
    assert raised.value.status_code >= 400
    assert (raised.value.provider, raised.value.model) == ("meta_llama", "meta_llama/m")


@pytest.mark.case(140)
def test_the_body_of_a_broken_success_is_kept_without_the_key() -> None:
    with pytest.raises(MalformedReplyError) as raised:
        read(b"{" + b"x" * 985 + KEY.encode() * 3)
    assert raised.value.body is not None
    assert raised.value.body.startswith("{xxx")
    assert len(raised.value.body) <= 1_000
    assert KEY[:6] not in raised.value.body


KEYS = [
    "id",
    "created",
    "model",
    "choices",
    "message",
    "index",
    "finish_reason",
    "text",
    "content",
    "role",
    "tool_calls",
    "function",
    "name",
    "arguments",
    "function_call",
    "usage",
    "prompt_tokens",
    "prompt_tokens_details",
    "cached_tokens",
    "logprobs",
]
ANYTHING = anything(KEYS, most=5)


@given(ANYTHING, ANYTHING, ANYTHING)
@pytest.mark.case(148)
def test_any_json_is_a_completion_or_a_typed_error(body: Any, message: Any, usage: Any) -> None:
    for given_body in (body, answer(message, usage=usage), {"choices": [message]}):
        try:
            completion = read(given_body)
        except APIError:
            continue
        assert completion.choices
        assert completion.model_dump_json()
