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
TOOLS: Any = [openai.pydantic_function_tool(Weather, name="get_weather")]


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
    whole = client.chat.completions.parse(model=model, messages=HI, tools=TOOLS)
    with client.chat.completions.stream(model=model, messages=HI, tools=TOOLS) as stream:
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
    ask: Any = {"model": model, "tools": TOOLS}
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


@pytest.mark.parametrize("form", ["base64", "float"])
def test_vectors_come_in_order(client: openai.OpenAI, hosts: Upstream, row: str, form: str) -> None:
    """The SDK asks for base64, and these hosts give numbers: the gateway makes one of the other."""
    options: Any = {"encoding_format": form} if form == "float" else {}
    answer = client.embeddings.create(model=f"{row}/vectors", input=["a", "b"], **options)
    assert hosts.requests[-1].json["encoding_format"] == form
    assert [one.embedding for one in answer.data] == [[*VECTOR, 0.0], [*VECTOR, 1.0]]
    assert answer.usage.prompt_tokens == 7


@pytest.mark.case(118)
def test_models_are_listed_and_retrieved(client: openai.OpenAI, row: str, model: str) -> None:
    assert model in [one.id for one in client.models.list()]
    assert client.models.retrieve(model).owned_by == row
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("nobody/none")
    assert caught.value.code == "model_not_found"


@pytest.mark.case(113)
@pytest.mark.anyio
async def test_the_asynchronous_client_streams(served: Served, model: str) -> None:
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
        client.chat.completions.stream(model=model, messages=HI) as stream,
    ):
        completion = await stream.get_final_completion()
    assert completion.choices[0].message.content == TEXT


@pytest.mark.case(92, 113, 118)
@pytest.mark.parametrize("path", ["", "/v1", "/v1/"])
def test_an_address_with_and_without_its_version_serves_everything(
    served: Served, path: str
) -> None:
    model = f"{ROWS[0]}/{LISTED}"
    with openai.OpenAI(api_key=KEY, base_url=served.url + path, max_retries=0) as client:
        chat = client.chat.completions.create(model=model, messages=HI)
        text = client.completions.create(model=model, prompt="Once")
        vectors = client.embeddings.create(model=f"{ROWS[0]}/vectors", input="a")
        models = client.models.list()
    assert chat.choices[0].message.content == text.choices[0].text == TEXT
    assert vectors.data[0].embedding == [*VECTOR, 0.0]
    assert model in [one.id for one in models]
