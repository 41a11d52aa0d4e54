"""`litellm.moderation` and `amoderation`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.drop_in import KEY
from tests.support.upstream import Reply, Upstream

import litellm
from litellm.types.llms.openai import OpenAIModerationResponse
from puna import AsyncClient, Client, ClientSettings

Moderate = Callable[..., OpenAIModerationResponse]
VERDICT = {"flagged": True, "categories": {"hate": True}, "category_scores": {"hate": 0.9}}


def _moderate(**keywords: Any) -> OpenAIModerationResponse:
    with Client(ClientSettings(environ={})) as client:
        return litellm.moderation(client=client, **keywords)


def _amoderate(**keywords: Any) -> OpenAIModerationResponse:
    async def ask() -> OpenAIModerationResponse:
        async with AsyncClient(ClientSettings(environ={})) as client:
            return await litellm.amoderation(client=client, **keywords)

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("moderate", [_moderate, _amoderate], ids=["sync", "async"])


@BOTH
@pytest.mark.parametrize("model", [None, "omni-moderation-latest", "openai/omni-moderation-latest"])
def test_a_verdict_has_litellms_shape(
    moderate: Moderate, model: str | None, upstream: Upstream
) -> None:
    upstream.plays(Reply.json({"id": "modr-1", "model": "omni", "results": [VERDICT]}))
    answer = moderate(input="hi", model=model, api_base=upstream.url, api_key=KEY)
    assert type(answer) is OpenAIModerationResponse
    assert (answer.id, answer.results[0].flagged) == ("modr-1", True)
    assert answer.results[0].categories == {"hate": True}
    assert answer._hidden_params["custom_llm_provider"] == "openai"
    (request,) = upstream.requests
    assert request.path == "/compat/v1/moderations"
    assert request.json == {"model": "omni-moderation-latest", "input": "hi"}


@BOTH
def test_a_llama_guard_is_asked_over_chat(moderate: Moderate, upstream: Upstream) -> None:
    message = {"role": "assistant", "content": "unsafe\nS9"}
    upstream.plays(Reply.json({"choices": [{"message": message, "finish_reason": "stop"}]}))
    answer = moderate(
        input="hi",
        model="hosted_vllm/meta-llama/Llama-Guard-3-8B",
        api_base=upstream.url,
        api_key=KEY,
    )
    assert answer.results[0].categories is not None
    assert answer.results[0].categories["illicit/violent"]
    assert upstream.requests[0].path == "/compat/v1/chat/completions"
