"""The `openai` package through the gateway, over what three hosts really say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.support.provider_suite import FIXTURES, load
from tests.support.replayed import KEY, LISTED, ROWS, VECTOR
from tests.support.server import Served
from tests.support.upstream import Upstream

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

HI: Any = [{"role": "user", "content": "hi"}]
TEXT = "Hello there"
PARIS = {"location": "Paris"}


class Person(BaseModel):
    name: str
    age: int


class Weather(BaseModel):
    location: str


ALICE = Person(name="Alice", age=31)
CHAT_TOOLS: Any = [openai.pydantic_function_tool(Weather, name="get_weather")]
TOOLS: Any = [
    {"type": "function", "name": "get_weather", "parameters": Weather.model_json_schema()}
]


@pytest.fixture(params=ROWS)
def row(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def model(row: str) -> str:
    return f"{row}/{LISTED}"


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as made:
        yield made


def told_tokens(row: str) -> list[int]:
    tokens: list[int] = load(FIXTURES / row / "chat.json")["expects"]["tokens"]
    return tokens


@pytest.mark.case(113)
def test_chat_is_created(client: openai.OpenAI, row: str, model: str) -> None:
    answer = client.chat.completions.create(model=model, messages=HI)
    assert answer.choices[0].message.content == TEXT
    assert answer.choices[0].finish_reason == "stop"
    assert answer.model == model
    assert answer.usage is not None
    usage = answer.usage
    assert [usage.prompt_tokens, usage.completion_tokens, usage.total_tokens] == told_tokens(row)


@pytest.mark.case(113)
def test_chat_is_streamed_by_the_helper(client: openai.OpenAI, model: str) -> None:
    with client.chat.completions.stream(
        model=model, messages=HI, stream_options={"include_usage": True}
    ) as stream:
        texts = [event.delta for event in stream if event.type == "content.delta"]
        final = stream.get_final_completion()
    assert "".join(texts) == final.choices[0].message.content == TEXT
    assert final.usage is not None
    assert final.usage.total_tokens > 0


@pytest.mark.case(113)
def test_a_tool_call_is_parsed_whole_and_streamed(client: openai.OpenAI, model: str) -> None:
    whole = client.chat.completions.parse(model=model, messages=HI, tools=CHAT_TOOLS)
    with client.chat.completions.stream(model=model, messages=HI, tools=CHAT_TOOLS) as stream:
        events = list(stream)
        final = stream.get_final_completion()
    for message in (whole.choices[0].message, final.choices[0].message):
        (call,) = message.tool_calls or []
        assert call.function.name == "get_weather"
        assert call.function.parsed_arguments == Weather(location="Paris")
    (done,) = (event for event in events if event.type == "tool_calls.function.arguments.done")
    assert json.loads(done.arguments) == PARIS


@pytest.mark.case(113)
def test_a_tool_loop_of_chat_ends_in_text(
    client: openai.OpenAI, hosts: Upstream, model: str
) -> None:
    ask: Any = {"model": model, "tools": CHAT_TOOLS}
    first: Any = client.chat.completions.create(messages=HI, **ask).choices[0].message
    result: Any = {"role": "tool", "tool_call_id": first.tool_calls[0].id, "content": "sunny"}
    second = client.chat.completions.create(messages=[*HI, first, result], **ask)
    assert second.choices[0].message.content == TEXT
    sent = hosts.requests[-1].json["messages"]
    assert sent[-2]["tool_calls"][0]["id"] == sent[-1]["tool_call_id"] == first.tool_calls[0].id


@pytest.mark.case(82)
def test_chat_is_parsed_into_a_pydantic_class(client: openai.OpenAI, row: str) -> None:
    ask: Any = {"model": f"{row}/person", "messages": HI, "response_format": Person}
    assert client.chat.completions.parse(**ask).choices[0].message.parsed == ALICE
    with client.chat.completions.stream(**ask) as stream:
        final: Any = stream.get_final_completion()
    assert final.choices[0].message.parsed == ALICE


@pytest.mark.case(92)
def test_completions_are_created_and_streamed(client: openai.OpenAI, model: str) -> None:
    answer = client.completions.create(model=model, prompt="Once")
    assert answer.choices[0].text == TEXT
    stream = client.completions.create(model=model, prompt="Once", stream=True)
    assert "".join(chunk.choices[0].text for chunk in stream) == TEXT


@pytest.mark.case(93)
def test_a_response_is_created(client: openai.OpenAI, row: str, model: str) -> None:
    response = client.responses.create(model=model, input="hi", instructions="Be brief.")
    assert response.output_text == TEXT
    assert (response.status, response.model) == ("completed", model)
    assert response.usage is not None
    usage = response.usage
    assert [usage.input_tokens, usage.output_tokens, usage.total_tokens] == told_tokens(row)


@pytest.mark.case(99)
def test_a_response_is_streamed_by_the_helper(client: openai.OpenAI, model: str) -> None:
    with client.responses.stream(model=model, input="hi") as stream:
        events = list(stream)
        final = stream.get_final_response()
    texts = [event.delta for event in events if event.type == "response.output_text.delta"]
    assert "".join(texts) == final.output_text == TEXT
    assert [event.sequence_number for event in events] == list(range(len(events)))


@pytest.mark.case(96)
def test_a_tool_loop_of_responses_ends_in_text(client: openai.OpenAI, model: str) -> None:
    with client.responses.stream(model=model, input="hi", tools=TOOLS) as stream:
        first = stream.get_final_response()
    (call,) = first.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("get_weather", PARIS)
    second = client.responses.create(
        model=model,
        previous_response_id=first.id,
        tools=TOOLS,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "sunny"}],
    )
    assert second.output_text == TEXT


@pytest.mark.case(93)
def test_a_response_is_parsed_into_a_pydantic_class(client: openai.OpenAI, row: str) -> None:
    ask: Any = {"model": f"{row}/person", "input": "who?", "text_format": Person}
    assert client.responses.parse(**ask).output_parsed == ALICE
    with client.responses.stream(**ask) as stream:
        final: Any = stream.get_final_response()
    assert final.output_parsed == ALICE


def test_vectors_come_in_order(client: openai.OpenAI, row: str) -> None:
    answer = client.embeddings.create(model=f"{row}/vectors", input=["a", "b"])
    assert [one.embedding for one in answer.data] == [[*VECTOR, 0.0], [*VECTOR, 1.0]]
    assert answer.usage.prompt_tokens == 7


@pytest.mark.case(118)
def test_models_are_listed_and_retrieved(client: openai.OpenAI, row: str, model: str) -> None:
    assert model in [one.id for one in client.models.list()]
    assert client.models.retrieve(model).owned_by == row


@pytest.mark.case(151)
@pytest.mark.parametrize(
    ("fixture", "kind"),
    [
        ("error_401", openai.AuthenticationError),
        ("error_403", openai.PermissionDeniedError),
        ("error_404_html", openai.NotFoundError),
        ("error_429", openai.RateLimitError),
        ("error_context_overflow", openai.APIStatusError),  # by its code: hosts differ in status
    ],
)
def test_a_hosts_error_is_the_matching_class(
    client: openai.OpenAI, row: str, fixture: str, kind: type[openai.APIStatusError]
) -> None:
    once = {"num_retries": 0}
    for ask in (
        lambda: client.chat.completions.create(
            model=f"{row}/{fixture}", messages=HI, extra_body=once
        ),
        lambda: client.responses.create(model=f"{row}/{fixture}", input="hi", extra_body=once),
    ):
        with pytest.raises(kind) as caught:
            ask()
        assert isinstance(caught.value.code, str)
        is_overflow = caught.value.code == "context_length_exceeded"
        assert is_overflow == (fixture == "error_context_overflow")
        for words in load(FIXTURES / row / f"{fixture}.json")["expects"]["says"]:
            assert words in caught.value.message


@pytest.mark.case(113)
@pytest.mark.anyio
async def test_the_asynchronous_client_streams_chat_and_responses(
    served: Served, model: str
) -> None:
    async with openai.AsyncOpenAI(
        api_key=KEY, base_url=f"{served.url}/v1", max_retries=0
    ) as client:
        async with client.chat.completions.stream(model=model, messages=HI) as chat:
            completion = await chat.get_final_completion()
        async with client.responses.stream(model=model, input="hi") as responses:
            response = await responses.get_final_response()
    assert completion.choices[0].message.content == response.output_text == TEXT
