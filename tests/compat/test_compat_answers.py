"""Whole answers: what goes out, and how the answer can be read."""

from __future__ import annotations

import copy
import json
import pickle
from typing import Any

import pytest
from tests.support.drop_in import BOTH, HI, KEY, MODEL, NAME, DropIn
from tests.support.upstream import TEXT, Reply, Upstream, completion_body

import litellm
from litellm.types.utils import (
    ChatCompletionDeltaToolCall,
    Delta,
    Function,
    LlmProviders,
    ModelResponseBase,
    ModelResponseStream,
    StreamingChoices,
    TextChoices,
)

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "get_weather",
            "parameters": {"type": "object", "properties": {"location": {"type": "string"}}},
        },
    }
]


@pytest.mark.case(1, 2)
@BOTH
def test_the_request_holds_only_what_was_given(face: DropIn, upstream: Upstream) -> None:
    answer = face.ask(upstream)

    (sent,) = upstream.requests
    assert (sent.method, sent.path) == ("POST", "/compat/v1/chat/completions")
    assert sent.headers["authorization"] == f"Bearer {KEY}"
    assert sent.json == {"model": NAME, "messages": HI}
    assert answer.choices[0].message.content == TEXT


@pytest.mark.case(8, 9)
@BOTH
def test_an_answer_can_be_read_in_every_way_of_litellm(face: DropIn, upstream: Upstream) -> None:
    answer = face.ask(upstream)

    assert (answer.id, answer.created, answer.object) == (
        "cmpl-up-1",
        1747000000,
        "chat.completion",
    )
    assert answer.model == MODEL
    assert answer.system_fingerprint == "fp_x"
    usage = answer.usage
    assert usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (11, 4, 15)
    assert answer["choices"][0]["message"]["content"] == TEXT
    assert answer["usage"]["total_tokens"] == 15
    assert answer.get("model") == MODEL
    assert answer.get("nothing", "else") == "else"
    assert "id" in answer
    assert "nothing" not in answer
    assert answer.model_extra == {"x_extra": {"k": 1}}
    dumped = answer.model_dump()
    assert answer.json() == answer.dict() == answer.to_dict() == dumped
    assert json.loads(answer.model_dump_json()) == json.loads(answer.to_json()) == dumped
    assert list(dumped) == [
        "id",
        "created",
        "model",
        "object",
        "system_fingerprint",
        "choices",
        "usage",
        "x_extra",
    ]
    assert dumped["choices"][0]["message"] == {
        "content": TEXT,
        "role": "assistant",
        "tool_calls": None,
        "function_call": None,
        "provider_specific_fields": {"refusal": None},
    }
    answer["note"] = "mine"
    assert answer.note == "mine"  # type: ignore[attr-defined]


def test_a_missing_field_is_a_missing_attribute() -> None:
    message = litellm.Message(content="x")

    for name in ("reasoning_content", "audio", "thinking_blocks", "annotations", "images"):
        assert not hasattr(message, name)
        assert name not in message
        assert message.get(name, "else") == "else"
        assert getattr(message, name, None) is None
    assert message.get("tool_calls", "else") is None
    with pytest.raises(AttributeError):
        message["reasoning_content"]
    assert litellm.Message(content="x", reasoning_content="so").reasoning_content == "so"


@BOTH
def test_reasoning_content_arrives(face: DropIn, upstream: Upstream) -> None:
    said = {"content": "4", "reasoning_content": "2 and 2"}
    upstream.plays(Reply.json(completion_body(said)))

    message = face.ask(upstream).choices[0].message

    assert message.reasoning_content == "2 and 2"
    assert not message.get("provider_specific_fields")


@pytest.mark.case(34)
@BOTH
def test_hidden_params_tell_how_the_call_went(face: DropIn, upstream: Upstream) -> None:
    answer = face.ask(upstream, litellm_call_id="call-7")

    hidden = answer._hidden_params
    assert hidden["response_cost"] is None
    assert hidden["api_base"] == upstream.url
    assert hidden["custom_llm_provider"] == "meta_llama"
    assert hidden["litellm_call_id"] == "call-7"
    assert hidden["litellm_model_name"] == MODEL
    assert hidden["model_id"] is None
    assert hidden["additional_headers"]["x-ratelimit-remaining-requests"] == "99"
    assert hidden["additional_headers"]["llm_provider-x-vendor-foo"] == "bar"
    assert hidden["additional_headers"]["llm_provider-x-ratelimit-remaining-requests"] == "99"
    assert "x-vendor-foo" not in hidden["additional_headers"]
    assert answer._response_ms is not None
    assert answer._response_ms > 0
    assert hidden["_response_ms"] == answer._response_ms
    assert (answer._response_headers or {})["x-request-id"] == "req_up_1"
    assert KEY not in repr(hidden)


@pytest.mark.case(33)
def test_a_price_of_the_call_gives_its_cost(upstream: Upstream) -> None:
    answer = litellm.completion(
        MODEL,
        HI,
        api_base=upstream.url,
        input_cost_per_token=0.001,
        output_cost_per_token=0.01,
    )

    assert answer._hidden_params["response_cost"] == pytest.approx(0.051)


@pytest.mark.case(10)
@BOTH
def test_usage_that_the_host_left_out_is_counted_and_marked(
    face: DropIn, upstream: Upstream
) -> None:
    upstream.plays(Reply.json(completion_body(usage=None)))

    usage = face.ask(upstream).usage

    assert usage is not None
    assert usage.prompt_tokens > 0
    assert usage.completion_tokens > 0
    assert usage["estimated"] is True


@pytest.mark.case(65, 66)
@BOTH
def test_tool_calls_go_out_unchanged_and_come_back_as_a_list(
    face: DropIn, upstream: Upstream
) -> None:
    answer = face.ask(upstream, tools=TOOLS, tool_choice="auto")

    assert upstream.requests[0].json["tools"] == TOOLS
    assert upstream.requests[0].json["tool_choice"] == "auto"
    message = answer.choices[0].message
    assert message.content is None
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert (call.id, call.type, call.function.name) == ("call_1", "function", "get_weather")
    assert isinstance(call.function.arguments, str)
    assert call["function"]["name"] == "get_weather"
    assert answer.choices[0].finish_reason == "tool_calls"
    assert isinstance(call, litellm.ChatCompletionMessageToolCall)


@pytest.mark.case(67)
@BOTH
def test_no_tool_called_is_none(face: DropIn, upstream: Upstream) -> None:
    assert face.ask(upstream).choices[0].message.tool_calls is None


@pytest.mark.case(74)
@pytest.mark.parametrize("as_dict", [True, False])
def test_an_answer_can_be_sent_back_as_it_is(upstream: Upstream, *, as_dict: bool) -> None:
    ask: dict[str, Any] = {"api_base": upstream.url, "api_key": KEY}
    said = litellm.completion(MODEL, HI, tools=TOOLS, **ask).choices[0].message
    result = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}

    litellm.completion(MODEL, [*HI, said.model_dump() if as_dict else said, result], **ask)

    returned = upstream.requests[1].json["messages"][1]
    assert set(returned) <= {"role", "content", "tool_calls"}
    assert returned["tool_calls"][0]["function"]["name"] == "get_weather"


@pytest.mark.case(35)
@BOTH
def test_nothing_that_the_caller_gave_is_changed(face: DropIn, upstream: Upstream) -> None:
    given: dict[str, Any] = {
        "messages": copy.deepcopy(HI),
        "tools": copy.deepcopy(TOOLS),
        "metadata": {"a": 1},
        "extra_headers": {"x-mine": "1"},
        "headers": {"x-more": "2"},
    }
    before = copy.deepcopy(given)
    litellm.headers = {"x-all": "3"}

    face.ask(upstream, **given)

    assert given == before
    assert upstream.requests[0].headers["x-all"] == "3"


def test_an_empty_response_can_be_made() -> None:
    made = litellm.ModelResponse(stream=True)  # type: ignore[call-arg]

    assert made.id.startswith("chatcmpl-")
    assert made.created > 0
    assert made.model is None
    assert not hasattr(made, "usage")
    assert made.choices[0].finish_reason == "stop"
    assert made.choices[0].message.content is None
    assert "stream" not in made
    made.usage = litellm.Usage(prompt_tokens=1, completion_tokens=2, total_tokens=3)
    assert made.model_dump()["usage"]["total_tokens"] == 3
    assert litellm.ModelResponse.model_validate(made) is made


def test_the_parts_can_be_made_by_keyword() -> None:
    function = Function(name="f", arguments={"a": 1})  # type: ignore[arg-type]
    assert function.arguments == '{"a": 1}'
    assert Function(name="f", arguments=None).arguments == ""  # type: ignore[arg-type]
    call = litellm.ChatCompletionMessageToolCall(function=function)
    assert call.type == "function"
    assert call.id
    piece = ChatCompletionDeltaToolCall(function=function, index=0)
    assert piece.id is None
    choice = litellm.Choices(message=litellm.Message(tool_calls=[call]))
    assert choice.message.tool_calls == [call]
    assert not hasattr(choice, "logprobs")
    assert StreamingChoices(delta=Delta(content="x")).delta.content == "x"
    assert Delta().audio is None
    assert TextChoices(text="x").text == "x"
    assert litellm.TextCompletionResponse().usage.total_tokens == 0
    usage = litellm.Usage(prompt_tokens=None, reasoning_tokens=3)  # type: ignore[arg-type, call-arg]
    assert usage.prompt_tokens == 0
    assert usage.completion_tokens_details is not None
    assert usage.completion_tokens_details.reasoning_tokens == 3
    same = litellm.Usage.model_validate(usage)
    assert same is usage


def test_response_classes_live_where_litellm_keeps_them() -> None:
    import litellm.main
    import litellm.utils

    for cls in (litellm.ModelResponse, litellm.Message, litellm.Usage, ModelResponseStream):
        assert cls.__module__ == "litellm.types.utils"
    assert litellm.utils.ModelResponse is litellm.main.ModelResponse is litellm.ModelResponse
    assert issubclass(litellm.ModelResponse, ModelResponseBase)
    assert "meta_llama" in list[object](LlmProviders)


def test_answers_can_be_pickled_and_copied(upstream: Upstream) -> None:
    answer = litellm.completion(MODEL, HI, api_base=upstream.url)

    for twin in (pickle.loads(pickle.dumps(answer)), copy.deepcopy(answer)):  # noqa: S301 - ours
        assert twin == answer
        assert twin._hidden_params == answer._hidden_params
        assert not hasattr(twin.choices[0].message, "audio")


@pytest.mark.case(4, 5)
def test_base_and_key_come_from_the_environment_at_call_time(
    upstream: Upstream, environ: dict[str, str]
) -> None:
    environ["LLAMA_API_KEY"] = "sk-from-environ"
    environ["LLAMA_API_BASE"] = upstream.url + "/"

    litellm.completion(model=MODEL, messages=HI)

    assert upstream.requests[0].headers["authorization"] == "Bearer sk-from-environ"


@pytest.mark.case(6, 7)
def test_no_key_is_an_authentication_error_and_nothing_is_sent(environ: dict[str, str]) -> None:
    environ["OPENAI_API_KEY"] = "sk-openai"

    with pytest.raises(litellm.AuthenticationError, match="LLAMA_API_KEY") as caught:
        litellm.completion(model=MODEL, messages=HI)

    assert caught.value.status_code == 401
    assert "sk-openai" not in str(caught.value)


@pytest.mark.case(115)
@BOTH
def test_a_litellm_proxy_model_goes_to_the_gateway(face: DropIn, upstream: Upstream) -> None:
    model = f"litellm_proxy/{MODEL}"

    answer = face.ask(model=model, api_base=upstream.origin, api_key="proxy-key")

    (sent,) = upstream.requests
    assert sent.path == "/chat/completions"
    assert sent.json["model"] == MODEL
    assert sent.headers["authorization"] == "Bearer proxy-key"
    assert answer.model == model
    assert answer._hidden_params["custom_llm_provider"] == "litellm_proxy"


@pytest.mark.case(11)
def test_the_default_client_serves_two_event_loops(upstream: Upstream) -> None:
    import asyncio

    async def ask() -> str | None:
        answer = await litellm.acompletion(MODEL, HI, api_base=upstream.url)
        return answer.choices[0].message.content

    assert [asyncio.run(ask()), asyncio.run(ask())] == [TEXT, TEXT]
