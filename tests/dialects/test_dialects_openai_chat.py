from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from pydantic import BaseModel
from tests.support.contexts import HELLO, KEY, context_for, request_for, target_for

from puna.bridges.histories.rules import OPENAI
from puna.dialects.base import BuiltRequest, Target
from puna.dialects.openai_chat import OpenAIChat
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.dialects.quirks import Quirks
from puna.dialects.table import DIALECTS
from puna.errors import BadRequestError, RateLimitError, UnsupportedParamsError
from puna.providers.base import resolve_target
from puna.providers.meta_llama import PROVIDER as META_LLAMA
from puna.providers.table import PROVIDERS
from puna.types.chat import ChatCompletion
from puna.types.requests import ChatRequest, make_chat_request
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, Timeouts

assert META_LLAMA.own_quirks is not None
LLAMA = target_for(quirks=META_LLAMA.own_quirks)
IMAGE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
SCHEMA = {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}}


def build(request: ChatRequest, target: Target | None = None) -> BuiltRequest:
    return OpenAIChat().build_request(request, target or target_for(), Timeouts(total_s=7.0))


def body_of(request: ChatRequest, target: Target | None = None) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(build(request, target).http.body)
    return loaded


@pytest.mark.case(2)
def test_a_plain_request_has_model_and_messages_and_nothing_more() -> None:
    built = build(request_for())
    assert built.http.method == "POST"
    assert built.http.url == "http://up.test/v1/chat/completions"
    assert dict(built.http.headers) == {
        "accept": "application/json",
        "content-type": "application/json",
        "authorization": f"Bearer {KEY}",
    }
    assert json.loads(built.http.body) == {"model": "m", "messages": HELLO}
    assert (built.http.timeouts, built.http.is_stream) == (Timeouts(total_s=7.0), False)
    assert built.dropped_params == ()


@pytest.mark.case(41, 47)
def test_a_stream_is_asked_for_as_one() -> None:
    built = build(request_for(stream=True, stream_options={"include_usage": True}))
    body = json.loads(built.http.body)
    assert (body["stream"], body["stream_options"]) == (True, {"include_usage": True})
    assert built.http.headers["accept"] == "text/event-stream"
    assert built.http.is_stream


def test_a_host_that_tells_is_asked_for_the_usage_of_a_stream() -> None:
    asks = target_for(asks_usage=True)
    asked = {"include_usage": True}
    assert body_of(request_for(stream=True), asks)["stream_options"] == asked
    wish = {"include_usage": False, "x": 1}
    body = body_of(request_for(stream=True, stream_options=wish), asks)
    assert body["stream_options"] == {"include_usage": True, "x": 1}
    assert "stream_options" not in body_of(request_for(), asks)
    assert "stream_options" not in body_of(request_for(stream=True))
    unwanted = replace(request_for(stream=True), unwanted_params=frozenset({"stream_options"}))
    assert "stream_options" not in body_of(unwanted, asks)


@pytest.mark.parametrize(
    ("model", "base", "asks"),
    [
        ("openai/gpt-4o", None, True),
        ("openai/gpt-4o", "https://api.openai.com/v1/", True),
        ("openai/llama", "http://host/v1", False),
        ("openai/gpt-4o", "https://api.openai.com.example/v1", False),
        ("litellm_proxy/m", "http://host/v1", False),
        ("meta_llama/Llama-3.3-8B-Instruct", None, False),
    ],
)
def test_only_a_hosts_own_word_is_taken_for_it(model: str, base: str | None, asks: bool) -> None:  # noqa: FBT001 - a parametrised case
    name, _, upstream = model.partition("/")
    target = resolve_target(PROVIDERS[name], upstream, {}, api_key=Secret("k"), api_base=base)
    assert target.asks_usage == asks


def test_stream_options_without_a_stream_are_left_out_and_reported() -> None:
    built = build(request_for(stream_options={"include_usage": True}))
    assert b"stream" not in built.http.body
    assert built.dropped_params == ("stream_options",)


@pytest.mark.case(13, 15, 16, 24, 25)
def test_parameters_are_sent_with_their_exact_values_and_zeros_too() -> None:
    given: dict[str, Any] = {
        "temperature": 0,
        "top_p": 0.0,
        "max_tokens": 1,
        "seed": 0,
        "n": 2,
        "stop": ["a", "b"],
        "user": "u",
        "logprobs": False,
        "presence_penalty": -1.5,
        "logit_bias": {"1": -100},
        "top_k": 0,
        "repetition_penalty": 1.1,
    }
    body = body_of(request_for(**given), LLAMA)
    assert body == {"model": "m", "messages": HELLO, **given}
    assert body_of(request_for(stop="x"), LLAMA)["stop"] == "x"


@pytest.mark.case(17)
@pytest.mark.parametrize("given", ["", None, " "])
def test_an_empty_authorization_does_not_remove_the_key(given: str | None) -> None:
    headers: Any = {"Authorization": given, "X-One": "1"}
    request = make_chat_request("m", HELLO, {}, headers=headers)
    assert build(request).http.headers["authorization"] == f"Bearer {KEY}"
    assert build(request).http.headers["x-one"] == "1"
    keyless = build(request, target_for(api_key=None)).http.headers
    assert "authorization" not in keyless


@pytest.mark.case(17)
def test_an_authorization_of_the_callers_own_is_sent_in_the_keys_place() -> None:
    request = make_chat_request("m", HELLO, {}, headers={"Authorization": "Basic x"})
    built = build(request, target_for(headers={"x-host": "1", "authorization": "y"}))
    assert built.http.headers["authorization"] == "Basic x"
    assert built.http.headers["x-host"] == "1"
    assert KEY not in repr(built)


@pytest.mark.case(7)
def test_without_a_key_there_is_no_authorization() -> None:
    assert "authorization" not in build(request_for(), target_for(api_key=None)).http.headers


def test_a_query_of_the_target_is_appended() -> None:
    built = build(request_for(), target_for(query={"api-version": "1 2"}))
    assert built.http.url == "http://up.test/v1/chat/completions?api-version=1+2"


@pytest.mark.case(20)
def test_developer_becomes_system_where_the_host_knows_no_other_word() -> None:
    request = request_for(messages=[{"role": "developer", "content": "Be brief"}, *HELLO])
    assert body_of(request, LLAMA)["messages"][0]["role"] == "system"
    own = target_for(quirks=Quirks(messages=OPENAI))
    assert body_of(request, own)["messages"][0]["role"] == "developer"
    assert body_of(request)["messages"][0]["role"] == "system"  # most templates know no other
    assert request.messages[0]["role"] == "developer"


@pytest.mark.case(26)
@pytest.mark.parametrize("name", ["reasoning_effort", "thinking", "verbosity"])
def test_what_the_host_cannot_do_is_refused_dropped_or_forced(name: str) -> None:
    value: Any = {"type": "enabled"} if name == "thinking" else "low"
    with pytest.raises(UnsupportedParamsError) as raised:
        build(request_for(**{name: value}), LLAMA)
    assert raised.value.param == name
    assert raised.value.model == "meta_llama/m"
    for words in (f"`{name}`", "`meta_llama/m`", "drop_params", "allowed_openai_params"):
        assert words in str(raised.value)

    dropped = build(make_chat_request("m", HELLO, {name: value}, drop_params=True), LLAMA)
    assert dropped.dropped_params == (name,)
    assert name.encode() not in dropped.http.body

    allowed = make_chat_request("m", HELLO, {name: value}, allowed_params=[name])
    assert body_of(allowed, LLAMA)[name] == value


@pytest.mark.case(26)
def test_unwanted_parameters_are_never_sent_and_reported() -> None:
    request = make_chat_request(
        "m", HELLO, {"top_p": 1, "top_k": 2, "n": 1}, unwanted_params=["top_p", "top_k", "seed"]
    )
    built = build(request)
    assert json.loads(built.http.body) == {"model": "m", "messages": HELLO, "n": 1}
    assert built.dropped_params == ("top_p", "top_k")


@pytest.mark.case(82, 83, 84)
def test_response_formats_of_the_llama_host_are_json_schema_and_silently_text_only() -> None:
    assert body_of(request_for(response_format=SCHEMA), LLAMA)["response_format"] == SCHEMA
    text = build(request_for(response_format={"type": "text"}), LLAMA)
    assert b"response_format" not in text.http.body
    assert text.dropped_params == ("response_format",)
    json_object = {"type": "json_object"}
    with pytest.raises(UnsupportedParamsError, match=r"of type `json_object`.*knows json_schema"):
        build(request_for(response_format=json_object), LLAMA)
    dropped = make_chat_request("m", HELLO, {"response_format": json_object}, drop_params=True)
    assert build(dropped, LLAMA).dropped_params == ("response_format",)
    assert body_of(request_for(response_format=json_object))["response_format"] == json_object


@pytest.mark.case(80)
def test_an_image_for_a_model_that_reads_text_is_refused_by_its_path() -> None:
    request = request_for(
        messages=[{"role": "user", "content": [{"type": "text", "text": "?"}, IMAGE]}]
    )
    reads_text = target_for(input_modalities=frozenset(("text",)))
    with pytest.raises(BadRequestError, match="reads text only") as raised:
        build(request, reads_text)
    assert raised.value.param == "messages[0].content[1]"
    assert "base64" not in str(raised.value)
    build(request_for(), reads_text)
    sees = target_for(input_modalities=frozenset(("text", "image")))
    assert body_of(request, sees)["messages"] == list(request.messages)


@pytest.mark.case(81)
@pytest.mark.parametrize(("count", "is_fine"), [(9, True), (10, False)])
def test_nine_images_go_and_ten_do_not(count: int, is_fine: bool) -> None:  # noqa: FBT001
    request = request_for(messages=[{"role": "user", "content": [IMAGE] * count}])
    if is_fine:
        assert len(body_of(request, LLAMA)["messages"][0]["content"]) == 9
        return
    with pytest.raises(BadRequestError, match="at most 9 images") as raised:
        build(request, LLAMA)
    assert raised.value.param == "messages[0].content[9]"
    build(request, target_for(quirks=Quirks()))


@pytest.mark.case(65, 75)
def test_tools_go_unchanged() -> None:
    body = body_of(request_for(tools=[TOOL], tool_choice="auto"), LLAMA)
    assert (body["tools"], body["tool_choice"]) == ([TOOL], "auto")


@pytest.mark.case(74)
def test_an_answer_goes_back_with_standard_keys_only() -> None:
    answer = ChatCompletion.model_validate(
        {
            "id": "c",
            "created": 1,
            "model": "m",
            "choices": [
                {
                    "message": {
                        "role": "assistant",
                        "content": None,
                        "reasoning_content": "hm",
                        "provider_specific_fields": {"refusal": None},
                        "tool_calls": [
                            {"id": "c1", "index": 0, "function": {"name": "f", "arguments": "{}"}}
                        ],
                    }
                }
            ],
        }
    )
    message = answer.choices[0].message
    tool = {"role": "tool", "tool_call_id": "c1", "content": "4"}
    for sent in (message, message.model_dump(), dict(message)):
        body = body_of(request_for(messages=[*HELLO, sent, tool]))
        assert body["messages"][1:] == [
            {
                "role": "assistant",
                "tool_calls": [
                    {
                        "id": "c1",
                        "type": "function",
                        "function": {"name": "f", "arguments": "{}"},
                    }
                ],
            },
            tool,
        ]


class Point(BaseModel):
    x: int
    y: int | None = None


class Odd(dict[str, Any]):
    pass


@pytest.mark.case(21)
def test_any_text_is_written_as_utf_8() -> None:
    text = "Grüße 🦙 \x00 \u2028 end"
    request = request_for(messages=[{"role": "user", "content": text}], x_extra=Point(x=1))
    body = build(request).http.body
    assert text.replace("\x00", "\\u0000").encode() in body
    assert json.loads(body)["messages"][0]["content"] == text
    assert json.loads(body)["x_extra"] == {"x": 1}


@pytest.mark.case(21)
@pytest.mark.parametrize(
    ("field", "said"),
    [
        (math.nan, "Out of range float"),
        (math.inf, "Out of range float"),
        (object(), "`object` is not a JSON value"),
        (b"bytes", "`bytes` is not a JSON value"),
        (Point, "is not a JSON value"),
        ({(1, 2): 3}, "keys must be str"),
        pytest.param(10**5000, "cannot be written as JSON", id="huge"),
    ],
)
def test_what_json_cannot_hold_is_a_clear_error_before_sending(field: Any, said: str) -> None:
    with pytest.raises(BadRequestError, match=said):
        build(request_for(x_extra=[field]))
    circle: list[Any] = []
    circle.append(circle)
    with pytest.raises(BadRequestError, match="cannot be written as JSON"):
        build(request_for(x_extra=circle))


def test_mappings_and_sets_are_written_as_what_they_are() -> None:
    from types import MappingProxyType

    body = body_of(request_for(a=MappingProxyType({"b": 1}), c=frozenset((1,)), d=Odd(e=(1,))))
    assert (body["a"], body["c"], body["d"]) == ({"b": 1}, [1], {"e": [1]})


@pytest.mark.case(22)
def test_a_prompt_of_1_mb_and_10_000_messages_is_built() -> None:
    messages = [{"role": "user", "content": "x" * 100}] * 10_000
    assert len(build(request_for(messages=messages)).http.body) > 1_000_000


def test_errors_and_streams_are_read_by_the_same_dialect() -> None:
    dialect = DIALECTS["openai_chat"]
    context = context_for()
    assert isinstance(dialect.stream_reader(context), OpenAIStreamReader)
    assert type(dialect.read_error(HTTPReply(429, {}), context)) is RateLimitError
