"""`POST /embeddings`: the same doors, names, headers and errors as chat."""

from __future__ import annotations

import asyncio
import json
import struct
from base64 import b64encode
from typing import Any

import pytest
from tests.support.asgi import Caller, House
from tests.support.upstream import Reply, Upstream

from puna.telemetry.events import CallEvent

CONFIG = """
model_list:
  - model_name: emb
    litellm_params: {model: openai/e-small, api_base: UPSTREAM, api_key: sk-up-canary-1,
                     temperature: 0.5, user: the-operators}
  - model_name: second
    litellm_params: {model: openai/e-large, api_base: UPSTREAM, api_key: sk-up-canary-1}
  - model_name: llama
    litellm_params: {model: meta_llama/x, api_key: sk-up-canary-1}
  - model_name: canned
    litellm_params: {model: openai/x, mock_response: a text}
router_settings: {num_retries: 0}
"""
PATHS = [
    "/embeddings",
    "/v1/embeddings",
    "/engines/emb/embeddings",
    "/openai/deployments/emb/embeddings?api-version=1",
]
ASK: dict[str, Any] = {"model": "emb", "input": ["a", "b"]}
NUMBERS = [[0.5, -0.25], [1.0, 0.0]]


def vectors(**fields: Any) -> Reply:
    items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(NUMBERS)]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    body = {"object": "list", "data": items, "model": "e-small", "usage": usage, **fields}
    return Reply.json(body, x_ratelimit_remaining_requests="7")


@pytest.mark.parametrize("path", PATHS)
def test_vectors_come_back_under_the_public_name(upstream: Upstream, path: str) -> None:
    upstream.plays(vectors())
    body = ASK if "emb/" not in path else {"input": ["a", "b"]}
    answer = House(upstream, CONFIG).ask(path, body)

    assert answer.status == 200, answer.text
    assert answer.json["object"] == "list"
    assert answer.json["model"] == "emb"
    assert [one["embedding"] for one in answer.json["data"]] == NUMBERS
    assert answer.json["usage"] == {"prompt_tokens": 4, "total_tokens": 4}
    (request,) = upstream.requests
    assert request.path == "/compat/v1/embeddings"
    assert request.headers["authorization"] == "Bearer sk-up-canary-1"
    assert request.json == {"model": "e-small", "input": ["a", "b"], "user": "the-operators"}


def test_the_headers_tell_how_it_went(upstream: Upstream) -> None:
    upstream.plays(vectors(usage=None))
    answer = House(upstream, CONFIG).ask("/v1/embeddings", ASK)
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-litellm-model-group"] == "emb"
    assert answer.headers["x-litellm-call-id"]
    assert answer.headers["x-puna-usage"] == "estimated"
    assert answer.headers["x-ratelimit-remaining-requests"] == "7"
    assert "canary" not in json.dumps(answer.headers)


def test_base64_is_what_the_client_asked_for(upstream: Upstream) -> None:
    upstream.plays(vectors())
    answer = House(upstream, CONFIG).ask("/v1/embeddings", {**ASK, "encoding_format": "base64"})
    wanted = [b64encode(struct.pack("<2f", *one)).decode() for one in NUMBERS]
    assert [one["embedding"] for one in answer.json["data"]] == wanted


def test_a_key_is_asked_for(upstream: Upstream) -> None:
    house = House(upstream, CONFIG, master_key="sk-master")
    assert house.ask("/v1/embeddings", ASK).status == 401
    upstream.plays(vectors())
    key = {"authorization": "Bearer sk-master"}
    assert house.ask("/v1/embeddings", ASK, key).status == 200
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": ["a", ""]}, "input[1]"),
        ({"input": None}, "input"),
        ({"encoding_format": "int8"}, "encoding_format"),
        ({"stream": True}, "stream"),
        ({"api_base": "http://elsewhere"}, "api_base"),
        ({"mock_response": [1]}, "mock_response"),
        ({"model": ""}, "model"),
        ({"drop_params": 1}, "drop_params"),
        ({"timeout": -1}, "timeout"),
    ],
)
def test_what_is_wrong_is_400_and_named(upstream: Upstream, fields: Any, param: str) -> None:
    answer = House(upstream, CONFIG).ask("/v1/embeddings", {**ASK, **fields})
    assert answer.status == 400
    assert answer.error["param"] == param
    assert upstream.requests == []


@pytest.mark.parametrize(
    ("model", "status", "code"),
    [
        ("none", 404, "model_not_found"),
        ("llama", 404, "no_such_endpoint"),
        ("canned", 404, "no_such_endpoint"),
    ],
)
def test_a_model_that_cannot_embed_is_404(
    upstream: Upstream, model: str, status: int, code: str
) -> None:
    answer = House(upstream, CONFIG).ask("/v1/embeddings", {**ASK, "model": model})
    assert (answer.status, answer.error["code"]) == (status, code)
    assert answer.headers["x-puna-error-source"] == "gateway"
    assert upstream.requests == []


def test_a_host_without_the_endpoint_keeps_its_status(upstream: Upstream) -> None:
    answer = House(upstream, CONFIG).ask("/v1/embeddings", ASK)  # it knows chat only
    assert answer.status == 404
    assert "Does it serve embeddings" in answer.error["message"]
    assert answer.headers["x-puna-error-source"] == "upstream"


def test_a_fallback_of_the_request_answers(upstream: Upstream) -> None:
    upstream.plays(Reply.error(503), vectors())
    answer = House(upstream, CONFIG).ask("/v1/embeddings", {**ASK, "fallbacks": ["second"]})
    assert answer.status == 200
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"
    assert [one.json["model"] for one in upstream.requests] == ["e-small", "e-large"]


def test_hooks_hear_of_it(upstream: Upstream) -> None:
    events: list[CallEvent] = []
    upstream.plays(vectors())
    body = {**ASK, "metadata": {"team": 1}}
    House(upstream, CONFIG, hooks=(events.append,)).ask("/v1/embeddings", body)
    (event,) = events
    assert event.input == ("a", "b")
    assert event.metadata["team"] == 1
    assert event.report.prompt_tokens == 4
    assert "metadata" not in upstream.requests[0].json


def test_a_client_that_leaves_ends_its_call(upstream: Upstream) -> None:
    events: list[CallEvent] = []
    upstream.plays(Reply.hang())
    house = House(upstream, CONFIG, hooks=(events.append,))

    async def leave_early() -> None:
        caller = Caller("POST", "/v1/embeddings", ASK)
        task = asyncio.ensure_future(caller.call(house.app))
        while not upstream.requests:  # noqa: ASYNC110 - another thread notes them
            await asyncio.sleep(0.001)
        caller.leave()
        assert (await task).status == 0

    asyncio.run(leave_early())
    assert events[0].outcome == "cancelled"
    assert upstream.sees(lambda: upstream.disconnects == 1)
