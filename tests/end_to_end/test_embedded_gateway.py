"""`puna serve` without anything, and the clients that a new user has: curl and OpenAI's SDK."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from pydantic import BaseModel
from tests.support.processes import BIN, free_port, run, running

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("embedded")]

MODEL = "embedded/smollm2-135m"
HELLO: list[Any] = [{"role": "user", "content": "Name three primary colors."}]
TOOLS: list[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "description": description,
            "parameters": {
                "type": "object",
                "properties": {argument: {"type": "string"}},
                "required": [argument],
            },
        },
    }
    for name, description, argument in (
        ("get_weather", "Get the weather of a city", "city"),
        ("send_email", "Send an email", "to"),
    )
]
PERSON: Any = {
    "type": "json_schema",
    "json_schema": {
        "name": "person",
        "schema": {
            "type": "object",
            "properties": {"name": {"type": "string"}, "age": {"type": "integer"}},
            "required": ["name", "age"],
            "additionalProperties": False,
        },
    },
}
ALICE: list[Any] = [{"role": "user", "content": "Alice is 31 years old. Return JSON."}]


class Person(BaseModel):
    name: str
    age: int


@pytest.fixture(scope="module")
def base_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    with running([str(BIN / "puna"), "serve", "--port", str(port)], port, folder):
        yield f"http://127.0.0.1:{port}"


@pytest.fixture
def client(base_url: str) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=base_url, api_key="any", max_retries=0) as made:
        yield made


def curl(base_url: str, path: str, body: dict[str, Any], tmp_path: Path) -> str:
    return run(
        ["curl", "-sSN", f"{base_url}{path}", "-d", json.dumps(body)], tmp_path, timeout_s=120
    )


@pytest.mark.case(117)
def test_curl_gets_a_plain_answer(base_url: str, tmp_path: Path) -> None:
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 12}

    answer = json.loads(curl(base_url, "/v1/chat/completions", body, tmp_path))

    assert answer["choices"][0]["message"]["content"]
    assert answer["model"] == MODEL
    assert answer["usage"]["completion_tokens"] <= 12


@pytest.mark.case(116)
def test_curl_gets_a_stream_that_ends_with_done(base_url: str, tmp_path: Path) -> None:
    body = {"model": MODEL, "messages": HELLO, "max_tokens": 12, "stream": True}

    said = curl(base_url, "/v1/chat/completions", body, tmp_path)

    assert said.startswith("data: {")
    assert said.endswith("data: [DONE]\n\n")


def test_curl_gets_a_text_completion(base_url: str, tmp_path: Path) -> None:
    body = {"model": MODEL, "prompt": "Once upon a time", "max_tokens": 12}

    answer = json.loads(curl(base_url, "/completions", body, tmp_path))

    assert answer["object"] == "text_completion"
    assert isinstance(answer["choices"][0]["text"], str)


@pytest.mark.case(113)
def test_the_openai_sdk_gets_a_plain_answer(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12)

    assert answer.choices[0].message.content
    assert answer.choices[0].message.tool_calls is None


@pytest.mark.case(113)
def test_the_openai_sdk_gets_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(model=MODEL, messages=HELLO, max_tokens=12, stream=True)

    chunks = list(stream)

    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason in ("stop", "length")


@pytest.mark.case(113)
def test_the_openai_sdk_streams_chat_with_its_helper(client: openai.OpenAI) -> None:
    with client.chat.completions.stream(
        model=MODEL, messages=HELLO, max_tokens=12, stream_options={"include_usage": True}
    ) as stream:
        text = "".join(event.delta for event in stream if event.type == "content.delta")
        # `get_final_completion` raises when the answer was cut by its limit; this does not.
        final = stream.current_completion_snapshot

    assert text
    assert final.choices[0].message.content == text
    assert final.usage is not None
    assert final.usage.completion_tokens <= 12


def test_the_openai_sdk_gets_a_required_tool_call(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "What is the weather in Lima?"}],
        tools=TOOLS,
        tool_choice="required",
    )

    calls = answer.choices[0].message.tool_calls
    assert answer.choices[0].finish_reason == "tool_calls"
    assert calls is not None
    assert calls[0].type == "function"
    assert calls[0].function.name in ("get_weather", "send_email")
    assert json.loads(calls[0].function.arguments)


def test_the_openai_sdk_gets_a_named_tool_call_in_a_stream(client: openai.OpenAI) -> None:
    stream = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "Write to bob@example.com"}],
        tools=TOOLS,
        tool_choice={"type": "function", "function": {"name": "send_email"}},
        stream=True,
    )

    pieces = [piece for chunk in stream for piece in chunk.choices[0].delta.tool_calls or ()]

    assert pieces[0].id
    assert pieces[0].function is not None
    assert pieces[0].function.name == "send_email"
    joined = "".join(piece.function.arguments or "" for piece in pieces if piece.function)
    assert "to" in json.loads(joined)


@pytest.mark.case(82)
def test_the_openai_sdk_gets_an_answer_that_fits_a_schema(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model=MODEL, messages=ALICE, response_format=PERSON)

    person = json.loads(answer.choices[0].message.content or "")
    assert set(person) == {"name", "age"}
    assert isinstance(person["age"], int)


@pytest.mark.case(82)
def test_the_openai_sdk_parses_an_answer_into_a_pydantic_class(client: openai.OpenAI) -> None:
    ask: Any = {"model": MODEL, "messages": ALICE, "response_format": Person}

    parsed = client.chat.completions.parse(**ask).choices[0].message.parsed
    with client.chat.completions.stream(**ask) as stream:
        streamed: Any = stream.get_final_completion()

    assert isinstance(parsed, Person)
    assert isinstance(streamed.choices[0].message.parsed, Person)


@pytest.mark.case(92)
def test_the_openai_sdk_gets_a_text_completion(client: openai.OpenAI) -> None:
    ask: Any = {"model": MODEL, "prompt": "The three states of matter are", "temperature": 0}

    answer = client.completions.create(**ask, max_tokens=12)
    chunks = list(client.completions.create(**ask, max_tokens=12, stream=True))

    assert answer.choices[0].text
    assert "".join(chunk.choices[0].text for chunk in chunks) == answer.choices[0].text


@pytest.mark.case(118)
def test_the_openai_sdk_lists_and_retrieves_the_model(client: openai.OpenAI) -> None:
    assert MODEL in [one.id for one in client.models.list()]
    assert client.models.retrieve(MODEL).owned_by == "embedded"


def test_openais_sdk_gets_vectors_in_its_own_default_form(client: openai.OpenAI) -> None:
    """The SDK asks for base64 unless told otherwise, and decodes it."""
    answer = client.embeddings.create(model="any", input=["a cat", "a kitten", "stock market"])
    cat, kitten, market = (one.embedding for one in answer.data)
    assert len(cat) == 576
    assert sum(x * x for x in cat) == pytest.approx(1, abs=1e-3)
    near, far = (sum(x * y for x, y in zip(cat, v, strict=True)) for v in (kitten, market))
    assert near > far
    assert answer.usage.prompt_tokens > 0
    floats = client.embeddings.create(model=MODEL, input="a cat", encoding_format="float")
    assert floats.data[0].embedding == pytest.approx(cat, abs=1e-3)
    with pytest.raises(openai.BadRequestError, match="token ids"):
        client.embeddings.create(model=MODEL, input=[1, 2, 3])


@pytest.mark.case(93)
def test_the_openai_sdk_gets_a_response(client: openai.OpenAI) -> None:
    response = client.responses.create(
        model=MODEL, input="Name three primary colors.", max_output_tokens=12
    )

    assert response.output_text
    assert response.status in ("completed", "incomplete")
    assert response.usage is not None
    assert response.usage.output_tokens <= 12


@pytest.mark.case(99)
def test_the_openai_sdk_streams_a_response_with_its_helper(client: openai.OpenAI) -> None:
    ask: Any = {"model": MODEL, "input": "Say hello.", "temperature": 0}  # no ramble to its limit
    with client.responses.stream(**ask) as stream:
        text = "".join(e.delta for e in stream if e.type == "response.output_text.delta")
        final = stream.get_final_response()

    assert text == final.output_text


@pytest.mark.case(96)
def test_the_openai_sdk_gets_a_call_in_a_response_and_goes_on(client: openai.OpenAI) -> None:
    tools: Any = [{"type": "function", **tool["function"]} for tool in TOOLS]
    asked = client.responses.create(
        model=MODEL, input="What is the weather in Lima?", tools=tools, tool_choice="required"
    )
    call = next(item for item in asked.output if item.type == "function_call")

    told = client.responses.create(
        model=MODEL,
        previous_response_id=asked.id,
        input=[{"type": "function_call_output", "call_id": call.call_id, "output": "21 degrees"}],
        max_output_tokens=12,
    )

    assert json.loads(call.arguments)
    assert told.previous_response_id == asked.id


def test_the_openai_sdk_gets_a_response_that_fits_a_pydantic_class(client: openai.OpenAI) -> None:
    parsed = client.responses.parse(
        model=MODEL, input="Alice is 31 years old. Return JSON.", text_format=Person
    )

    assert parsed.output_parsed is not None
    assert isinstance(parsed.output_parsed.age, int)
