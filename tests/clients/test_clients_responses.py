"""The Responses API of the `openai` package through the gateway, over hosts that speak chat."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.support.provider_suite import FIXTURES, load
from tests.support.replayed import KEY, LISTED, ROWS
from tests.support.server import Served
from tests.support.upstream import Reply, Upstream, completion_body

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

TEXT = "Hello there"
TOOLS: Any = [
    {"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False}
    for name in ("get_weather", "get_time")
]


class Person(BaseModel):
    name: str
    age: int


ALICE = Person(name="Alice", age=31)


@pytest.fixture
def client(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as made:
        yield made


@pytest.mark.case(93, 94)
def test_a_response_is_created(client: openai.OpenAI, row: str, model: str) -> None:
    response = client.responses.create(model=model, input="hi", instructions="Be brief.")
    assert response.output_text == TEXT
    assert (response.status, response.object, response.model) == ("completed", "response", model)
    assert response.id.startswith("resp_")
    assert response.instructions == "Be brief."
    assert response.parallel_tool_calls is True
    assert response.usage is not None
    usage = response.usage
    told = load(FIXTURES / row / "chat.json")["expects"]["tokens"]
    assert [usage.input_tokens, usage.output_tokens, usage.total_tokens] == told


@pytest.mark.case(98, 99)
def test_a_response_is_streamed(client: openai.OpenAI, model: str) -> None:
    events = list(client.responses.create(model=model, input="hi", stream=True))
    with client.responses.stream(model=model, input="hi") as stream:
        helped = list(stream)
        final = stream.get_final_response()
    texts = [event.delta for event in helped if event.type == "response.output_text.delta"]
    assert "".join(texts) == final.output_text == TEXT
    for given in (events, helped):
        assert [event.sequence_number for event in given] == list(range(len(given)))
        assert given[-1].type == "response.completed"
        assert given[-1].response.output_text == TEXT


@pytest.mark.case(96, 103)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_loop_with_two_tools(
    client: openai.OpenAI,
    hosts: Upstream,
    row: str,
    is_stored: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    ask: Any = {"model": f"{row}/two_calls", "tools": TOOLS, "store": is_stored}
    asked: Any = [{"role": "user", "content": "Weather and time?"}]
    with client.responses.stream(**ask, input=asked) as stream:
        first = stream.get_final_response()
    calls = [item for item in first.output if item.type == "function_call"]
    named = [(call.name, json.loads(call.arguments)) for call in calls]
    assert named == [("get_weather", {"city": "Paris"}), ("get_time", {"zone": "Europe/Paris"})]
    outputs: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": call.name}
        for call in calls
    ]
    going_on: Any = (
        {"input": outputs, "previous_response_id": first.id}
        if is_stored
        else {"input": [*asked, *first.output, *outputs]}
    )
    second = client.responses.create(**ask, **going_on)
    assert second.output_text == TEXT
    assert second.id != first.id
    user, assistant, *results = hosts.requests[-1].json["messages"]
    assert (user["role"], assistant["role"]) == ("user", "assistant")
    ids = [call["id"] for call in assistant["tool_calls"]]
    assert ids == [result["tool_call_id"] for result in results]
    assert [result["content"] for result in results] == ["get_weather", "get_time"]


@pytest.mark.case(93)
def test_a_response_is_parsed_into_a_pydantic_class(
    client: openai.OpenAI, hosts: Upstream, row: str
) -> None:
    ask: Any = {"model": f"{row}/person", "input": "who?", "text_format": Person}
    assert client.responses.parse(**ask).output_parsed == ALICE
    sent = hosts.requests[-1].json["response_format"]["json_schema"]
    assert (sent["name"], sent["strict"]) == ("Person", True)
    with client.responses.stream(**ask) as stream:
        final: Any = stream.get_final_response()
    assert final.output_parsed == ALICE


@pytest.mark.case(97)
def test_an_answer_that_was_cut_is_incomplete(
    client: openai.OpenAI, hosts: Upstream, model: str
) -> None:
    hosts.plays(Reply.json(completion_body({"content": "Hel"}, finish_reason="length")))
    response = client.responses.create(model=model, input="hi", max_output_tokens=16)
    assert 16 in hosts.requests[-1].json.values()
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.case(104, 106)
@pytest.mark.parametrize("path", ["", "/v1", "/openai/v1"])
def test_a_stored_response_is_read_and_forgotten_at_each_address(served: Served, path: str) -> None:
    model = f"{ROWS[0]}/{LISTED}"
    with openai.OpenAI(api_key=KEY, base_url=served.url + path, max_retries=0) as client:
        made = client.responses.create(model=model, input="hi")
        assert client.responses.retrieve(made.id).output_text == TEXT
        items = list(client.responses.input_items.list(made.id))
        assert [item.type for item in items] == ["message"]
        with pytest.raises(openai.BadRequestError, match="nothing runs in the background"):
            client.responses.cancel(made.id)
        client.responses.delete(made.id)
        with pytest.raises(openai.NotFoundError):
            client.responses.retrieve(made.id)
        with pytest.raises(openai.NotFoundError) as raised:
            client.responses.create(model=model, input="go on", previous_response_id=made.id)
    assert raised.value.param == "previous_response_id"


def test_input_tokens_are_counted(client: openai.OpenAI, model: str) -> None:
    told = client.responses.input_tokens.count(model=model, input="hi")
    assert told.object == "response.input_tokens"
    assert told.input_tokens > 0


@pytest.mark.case(99)
@pytest.mark.anyio
async def test_the_asynchronous_client_streams_a_response(served: Served, model: str) -> None:
    async with (
        openai.AsyncOpenAI(api_key=KEY, base_url=f"{served.url}/v1", max_retries=0) as client,
        client.responses.stream(model=model, input="hi") as stream,
    ):
        assert (await stream.get_final_response()).output_text == TEXT
