"""The `openai` package as a client of the real gateway's Responses API."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.support.asgi import CONFIG, MODEL
from tests.support.server import Served
from tests.support.upstream import TEXT, Reply, Upstream, completion_body, text_chunks

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

KEY = "sk-master-for-responses"
TOOLS: Any = [
    {"type": "function", "name": name, "parameters": {"type": "object"}, "strict": False}
    for name in ("get_weather", "get_time")
]


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


@pytest.fixture(scope="module")
def served(up: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    path = tmp_path_factory.mktemp("responses") / "config.yaml"
    path.write_text(
        CONFIG.replace("UPSTREAM", up.url) + f"general_settings: {{master_key: {KEY}}}\n"
    )
    with Served("--config", str(path), "--host", "127.0.0.1", LLAMA_API_KEY="k") as one:
        yield one


@pytest.fixture(params=["", "/v1", "/openai/v1"])
def client(served: Served, request: pytest.FixtureRequest) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=served.url + request.param, max_retries=0) as made:
        yield made


@pytest.fixture
def plain(served: Served) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=KEY, base_url=served.url, max_retries=0) as made:
        yield made


def tool_reply(*calls: tuple[str, str, str], text: str | None = None) -> Reply:
    message = {
        "content": text,
        "tool_calls": [
            {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
            for call_id, name, arguments in calls
        ],
    }
    return Reply.json(completion_body(message, finish_reason="tool_calls"))


@pytest.mark.case(93, 94)
def test_create(client: openai.OpenAI) -> None:
    response = client.responses.create(model=MODEL, input="hi", instructions="Be short.")
    assert response.output_text == TEXT
    assert (response.status, response.object, response.model) == ("completed", "response", MODEL)
    assert response.id.startswith("resp_")
    assert response.usage is not None
    assert (response.usage.input_tokens, response.usage.output_tokens) == (11, 4)
    assert response.instructions == "Be short."
    assert response.parallel_tool_calls is True


@pytest.mark.case(98, 99)
def test_create_with_a_stream(client: openai.OpenAI) -> None:
    events = list(client.responses.create(model=MODEL, input="hi", stream=True))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    last = events[-1]
    assert last.type == "response.completed"
    assert last.response.output_text == TEXT


@pytest.mark.case(99)
def test_the_stream_helper(plain: openai.OpenAI) -> None:
    with plain.responses.stream(model=MODEL, input="hi") as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()
    assert text == final.output_text == TEXT


def test_the_stream_helper_with_tools(plain: openai.OpenAI) -> None:
    with plain.responses.stream(model=MODEL, input="hi", tools=TOOLS) as stream:
        final = stream.get_final_response()
    (call,) = final.output
    assert call.type == "function_call"
    assert json.loads(call.arguments)


def test_parse(plain: openai.OpenAI, up: Upstream) -> None:
    up.plays(Reply.json(completion_body({"content": '{"name":"Alice","age":31}'})))
    parsed = plain.responses.parse(model=MODEL, input="who?", text_format=Person)
    assert parsed.output_parsed == Person(name="Alice", age=31)
    assert up.requests[-1].json["response_format"]["json_schema"]["name"] == "Person"
    assert up.requests[-1].json["response_format"]["json_schema"]["strict"] is True


@pytest.mark.case(97)
def test_an_answer_that_was_cut(plain: openai.OpenAI, up: Upstream) -> None:
    up.plays(Reply.json(completion_body({"content": "Hel"}, finish_reason="length")))
    response = plain.responses.create(model=MODEL, input="hi", max_output_tokens=16)
    assert up.requests[-1].json["max_tokens"] == 16
    assert response.status == "incomplete"
    assert response.incomplete_details is not None
    assert response.incomplete_details.reason == "max_output_tokens"


@pytest.mark.case(96, 103)
@pytest.mark.parametrize("is_stored", [True, False])
def test_a_loop_with_two_tools(plain: openai.OpenAI, up: Upstream, is_stored: bool) -> None:  # noqa: FBT001 - a parameter of the test
    asked: Any = [{"role": "user", "content": "Weather and time?"}]
    up.plays(tool_reply(("c1", "get_weather", '{"a":1}'), ("c2", "get_time", "{}"), text="Looking"))
    first = plain.responses.create(model=MODEL, input=asked, tools=TOOLS, store=is_stored)
    calls = [item for item in first.output if item.type == "function_call"]
    assert [(call.name, call.arguments) for call in calls] == [
        ("get_weather", '{"a":1}'),
        ("get_time", "{}"),
    ]
    outputs: Any = [
        {"type": "function_call_output", "call_id": call.call_id, "output": call.name}
        for call in calls
    ]
    replayed: Any = [*asked, *first.output, *outputs]
    second = (
        plain.responses.create(
            model=MODEL, input=outputs, tools=TOOLS, previous_response_id=first.id
        )
        if is_stored
        else plain.responses.create(model=MODEL, input=replayed, tools=TOOLS, store=False)
    )
    assert second.id != first.id
    messages = up.requests[-1].json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant", "tool", "tool"]
    assert messages[1]["content"] == "Looking"
    assert [call["id"] for call in messages[1]["tool_calls"]] == ["c1", "c2"]
    assert [message["content"] for message in messages[2:]] == ["get_weather", "get_time"]


@pytest.mark.case(104, 106)
def test_stored_responses(client: openai.OpenAI) -> None:
    made = client.responses.create(model=MODEL, input="hi")
    assert client.responses.retrieve(made.id).output_text == TEXT
    items = list(client.responses.input_items.list(made.id))
    assert [item.type for item in items] == ["message"]
    with pytest.raises(openai.BadRequestError, match="nothing runs in the background"):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)
    with pytest.raises(openai.NotFoundError) as raised:
        client.responses.create(model=MODEL, input="go on", previous_response_id=made.id)
    assert raised.value.param == "previous_response_id"


def test_input_tokens(plain: openai.OpenAI) -> None:
    told = plain.responses.input_tokens.count(model=MODEL, input="hi")
    assert told.object == "response.input_tokens"
    assert told.input_tokens > 0


@pytest.mark.case(102)
def test_a_stream_that_breaks(plain: openai.OpenAI, up: Upstream) -> None:
    up.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    last = list(plain.responses.create(model=MODEL, input="hi", stream=True))[-1]
    assert last.type == "response.failed"
    assert last.response.error is not None
    assert "ended" in last.response.error.message or "broke" in last.response.error.message
