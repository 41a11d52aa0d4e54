"""`puna serve` without anything, and Anthropic's SDK against the model inside."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import anthropic
import pytest
from tests.support.processes import BIN, free_port, running

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("embedded")]

MODEL = "embedded/smollm2-135m"
HELLO: Any = [{"role": "user", "content": "Name three primary colors."}]
TOOLS: Any = [
    {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "input_schema": {
            "type": "object",
            "properties": {"city": {"type": "string"}},
            "required": ["city"],
        },
    }
]


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[anthropic.Anthropic]:
    folder = tmp_path_factory.mktemp("serve")
    port = free_port()
    with (
        running([str(BIN / "puna"), "serve", "--port", str(port)], port, folder),
        anthropic.Anthropic(
            base_url=f"http://127.0.0.1:{port}", api_key="any", max_retries=0
        ) as made,
    ):
        yield made


@pytest.mark.case(125)
def test_a_plain_message(client: anthropic.Anthropic) -> None:
    message = client.messages.create(model=MODEL, max_tokens=12, messages=HELLO, system="Be kind.")

    (block,) = message.content
    assert block.type == "text"
    assert block.text
    assert 0 < message.usage.output_tokens <= 12


@pytest.mark.case(125)
def test_a_streamed_message(client: anthropic.Anthropic) -> None:
    with client.messages.stream(
        model=MODEL, max_tokens=12, messages=HELLO, thinking={"type": "disabled"}
    ) as stream:
        said = "".join(stream.text_stream)
        message = stream.get_final_message()

    assert said
    assert message.stop_reason in ("end_turn", "max_tokens")
    assert message.usage.input_tokens > 0
    assert message.usage.output_tokens > 0


@pytest.mark.case(125)
@pytest.mark.parametrize("is_stream", [False, True])
def test_a_tool_is_called_and_its_result_answered(
    client: anthropic.Anthropic,
    is_stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    asked: list[Any] = [{"role": "user", "content": "What is the weather in Lima?"}]
    ask: dict[str, Any] = {"model": MODEL, "tools": TOOLS, "extra_body": {"temperature": 0}}
    choice: Any = {"type": "tool", "name": "get_weather"}
    if is_stream:
        with client.messages.stream(
            **ask, max_tokens=100, messages=asked, tool_choice=choice
        ) as stream:
            message: Any = stream.get_final_message()
    else:
        message = client.messages.create(**ask, max_tokens=100, messages=asked, tool_choice=choice)

    (call,) = message.content
    assert message.stop_reason == "tool_use"
    assert call.name == "get_weather"
    assert isinstance(call.input["city"], str)

    result = {"type": "tool_result", "tool_use_id": call.id, "content": "sunny, 21 degrees"}
    turns: list[Any] = [
        *asked,
        {"role": "assistant", "content": message.content},
        {"role": "user", "content": [result]},
    ]
    answer = client.messages.create(
        **ask, max_tokens=20, messages=turns, tool_choice={"type": "none"}
    )
    assert answer.content[0].type == "text"


@pytest.mark.case(125)
def test_tokens_are_counted_and_models_listed(client: anthropic.Anthropic) -> None:
    assert client.messages.count_tokens(model=MODEL, messages=HELLO).input_tokens > 5
    assert MODEL in [one.id for one in client.models.list()]
