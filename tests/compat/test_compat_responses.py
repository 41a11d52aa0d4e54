"""`litellm.responses` and `litellm.aresponses`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.drop_in import KEY, MODEL
from tests.support.upstream import TEXT, Reply, Upstream

import litellm
from litellm.types.llms.openai import ResponsesAPIResponse, ResponsesAPIStreamEvents


def where(upstream: Upstream) -> dict[str, Any]:
    return {"model": MODEL, "input": "hi", "api_base": upstream.url, "api_key": KEY}


@pytest.mark.case(93, 94)
def test_a_response_has_litellms_type_and_hidden_params(upstream: Upstream) -> None:
    response = litellm.responses(**where(upstream))
    assert isinstance(response, ResponsesAPIResponse)
    assert response.output_text == TEXT
    assert response.id.startswith("resp_")
    assert response._hidden_params["custom_llm_provider"] == "meta_llama"


@pytest.mark.case(98)
def test_a_stream_gives_events_and_keeps_the_last_response(upstream: Upstream) -> None:
    stream: Any = litellm.responses(**where(upstream), stream=True)
    events = list(stream)
    assert events[-1].type == ResponsesAPIStreamEvents.RESPONSE_COMPLETED
    assert stream.completed_response is events[-1]


@pytest.mark.case(103)
def test_asyncio_goes_on_from_a_response_of_the_other_function(upstream: Upstream) -> None:
    first = litellm.responses(**where(upstream))
    assert isinstance(first, ResponsesAPIResponse)

    async def go_on() -> Any:
        stream: Any = await litellm.aresponses(
            **where(upstream), previous_response_id=first.id, stream=True
        )
        return [event async for event in stream]

    events = asyncio.run(go_on())
    assert events[-1].response.previous_response_id == first.id
    assert len(upstream.requests[-1].json["messages"]) == 3


def test_errors_are_litellms(upstream: Upstream) -> None:
    with pytest.raises(litellm.BadRequestError):
        litellm.responses(input=[], model=MODEL, api_base=upstream.url, api_key=KEY)
    upstream.plays(Reply.error(429))
    with pytest.raises(litellm.RateLimitError):
        litellm.responses(**where(upstream), num_retries=0)


def test_listeners_hear_of_a_response(upstream: Upstream) -> None:
    heard: list[str] = []

    def note(kwargs: Any, answer: Any, start: Any, end: Any) -> None:
        del kwargs, start, end
        heard.append(answer.output_text)

    litellm.success_callback = [note]
    litellm.responses(**where(upstream))
    stream: Any = litellm.responses(**where(upstream), stream=True)
    list(stream)
    assert heard == [TEXT, TEXT]
