"""OpenAI's SDK before a gateway before a host that speaks the Responses API."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import httpx2
import openai
import pytest
from tests.support.asgi import House
from tests.support.native_responses import TOOL, fixture, house

from puna.transports.replay import Recorded


def with_sdk(made: House, use: Callable[[openai.AsyncOpenAI], Any]) -> Any:
    """The `openai` package speaking to the gateway in this process."""

    async def run() -> Any:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=made.app))
        client = openai.AsyncOpenAI(
            api_key="k", base_url="http://localhost/v1", max_retries=0, http_client=http
        )
        async with client:
            return await use(client)

    return asyncio.run(run())


def test_the_openai_sdk_creates_a_response() -> None:
    made, _ = house(fixture("web_search"))

    async def use(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(
            model="gpt", input="hi", tools=[{"type": "web_search_preview"}]
        )

    response = with_sdk(made, use)
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    assert response.output_text.startswith("As of today")
    assert response.output[1].content[0].annotations[0].type == "url_citation"
    assert response.usage.input_tokens_details.cached_tokens == 128


def test_the_openai_sdks_stream_helper_reads_a_native_stream() -> None:
    made, _ = house(fixture("stream"), fixture("function_call_stream"))

    async def use(client: openai.AsyncOpenAI) -> Any:
        async with client.responses.stream(model="gpt", input="hi") as stream:
            text = "".join(
                [e.delta async for e in stream if e.type == "response.output_text.delta"]
            )
            first = await stream.get_final_response()
        tools: Any = [{**TOOL, "strict": True}]
        async with client.responses.stream(model="gpt", input="hi", tools=tools) as stream:
            kinds = [event.type async for event in stream]
            return text, first, kinds, await stream.get_final_response()

    text, first, kinds, second = with_sdk(made, use)
    assert text == first.output_text == "Hi there! How can I assist you today?"
    assert "response.reasoning_summary_text.delta" in kinds
    assert second.output[0].encrypted_content == "gAAAAABodEncryptedThoughts=="
    assert second.output[1].name == "get_current_weather"
    assert json.loads(second.output[1].arguments)["unit"] == "celsius"


def test_the_openai_sdk_raises_what_a_host_refuses() -> None:
    reply = {"error": {"message": "Bad tool", "type": "invalid_request_error", "param": "tools"}}
    made, _ = house(
        Recorded(400, {"content-type": "application/json"}, [json.dumps(reply).encode()])
    )

    async def use(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(model="gpt", input="hi")

    with pytest.raises(openai.BadRequestError, match="Bad tool") as raised:
        with_sdk(made, use)
    assert raised.value.param == "tools"
