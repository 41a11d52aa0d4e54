"""`litellm.embedding` and `aembedding`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from tests.support.drop_in import KEY, raised_by
from tests.support.upstream import Reply, Upstream

import litellm
from litellm import EmbeddingResponse
from puna import AsyncClient, Client, ClientSettings

Embed = Callable[..., EmbeddingResponse]


def _embed(**keywords: Any) -> EmbeddingResponse:
    with Client(ClientSettings(environ={})) as client:
        return litellm.embedding(client=client, **keywords)


def _aembed(**keywords: Any) -> EmbeddingResponse:
    async def ask() -> EmbeddingResponse:
        async with AsyncClient(ClientSettings(environ={})) as client:
            return await litellm.aembedding(client=client, **keywords)

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("embed", [_embed, _aembed], ids=["sync", "async"])


def vectors() -> Reply:
    items = [{"object": "embedding", "index": i, "embedding": [0.5, i]} for i in range(2)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    return Reply.json({"object": "list", "data": items, "model": "e", "usage": usage})


def ask(embed: Embed, upstream: Upstream, **keywords: Any) -> EmbeddingResponse:
    filled = {"model": "openai/e", "input": ["a", "b"], "api_base": upstream.url, "api_key": KEY}
    return embed(**{**filled, **keywords})


@BOTH
def test_vectors_are_dict_items(embed: Embed, upstream: Upstream) -> None:
    upstream.plays(vectors())
    answer = ask(embed, upstream, encoding_format=None, timeout=30)

    assert type(answer) is EmbeddingResponse
    assert [one["embedding"] for one in answer.data] == [[0.5, 0.0], [0.5, 1.0]]
    assert answer.data[0]["object"] == "embedding"
    assert (answer.object, answer.model) == ("list", "openai/e")
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (4, 0)
    assert answer["data"] is answer.data
    assert answer._hidden_params["custom_llm_provider"] == "openai"
    assert answer._response_ms is not None
    assert upstream.requests[0].path == "/compat/v1/embeddings"
    assert upstream.requests[0].json == {"model": "e", "input": ["a", "b"]}


@BOTH
def test_callbacks_hear_of_it(embed: Embed, upstream: Upstream) -> None:
    heard: list[Any] = []
    litellm.success_callback = [lambda kwargs, answer, *_: heard.append((kwargs, answer))]
    upstream.plays(vectors())
    answer = ask(embed, upstream)

    ((kwargs, told),) = heard
    assert told is answer
    assert kwargs["call_type"] in {"embedding", "aembedding"}
    assert kwargs["model"] == "e"


@BOTH
def test_errors_are_litellms(embed: Embed, upstream: Upstream) -> None:
    upstream.plays(Reply.error(401))
    error = raised_by(lambda: ask(embed, upstream, num_retries=0))
    assert isinstance(error, litellm.AuthenticationError)
    assert isinstance(
        raised_by(lambda: embed(model="openai/e", input=[""])), litellm.BadRequestError
    )


@BOTH
def test_a_prepared_vector_is_the_answer(embed: Embed) -> None:
    answer = embed(model="openai/e", input=["a"], mock_response=[0.25, 0.5])
    assert answer.data[0]["embedding"] == [0.25, 0.5]
    assert answer.usage.prompt_tokens == 10


def test_a_response_can_be_made_by_hand() -> None:
    item = litellm.Embedding(embedding=[0.5], index=0)
    made = EmbeddingResponse(model="e", data=[item])
    assert made.data[0]["embedding"] == [0.5]
    assert made.usage.prompt_tokens == 0
    assert EmbeddingResponse().data == []
