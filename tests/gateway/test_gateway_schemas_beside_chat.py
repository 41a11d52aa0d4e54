"""What responses repeat, lists of models, embeddings and errors are what the schemas say."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CONFIG, MODEL, House
from tests.support.schema_checks import MESSAGES, PATHS, RESPONSES, TOOLS, asked, check
from tests.support.schemas import api
from tests.support.upstream import Reply, Upstream

# One process reads the descriptions, which takes seconds.
pytestmark = pytest.mark.xdist_group("schemas")


NAMESPACE = {
    "type": "namespace",
    "name": "crm",
    "description": "Customers",
    "tools": [{"type": "function", "name": "find"}],
}
CUSTOM = {"type": "custom", "name": "apply_patch", "description": "Edits files"}
GRAMMAR = {"type": "grammar", "syntax": "lark", "definition": "start: begin"}
SCHEMA = {"type": "json_schema", "name": "Person", "schema": {"type": "object"}, "strict": True}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "fields",
    [
        {"tools": [CUSTOM, {**CUSTOM, "name": "other", "format": GRAMMAR}]},
        {"tools": [{"type": "function", "name": "get_time"}], "tool_choice": "required"},
        {"tools": TOOLS[RESPONSES], "tool_choice": {"type": "function", "name": "get_time"}},
        {
            "tools": TOOLS[RESPONSES],
            "tool_choice": {
                "type": "allowed_tools",
                "mode": "auto",
                "tools": [{"type": "function", "name": "get_time"}],
            },
        },
        {
            "text": {"format": SCHEMA},
            "top_logprobs": 2,
            "include": ["message.output_text.logprobs"],
        },
        {
            "instructions": "I",
            "metadata": {"a": "b"},
            "user": "u",
            "safety_identifier": "s",
            "prompt_cache_key": "k",
            "truncation": "auto",
            "reasoning": {"summary": "auto"},
            "temperature": 0.5,
            "top_p": 0.5,
            "max_output_tokens": 20,
            "max_tool_calls": 3,
            "store": False,
        },
        {"tools": [{"type": "web_search"}], "drop_params": True},
        {"tools": [NAMESPACE]},
    ],
)
def test_what_a_response_repeats_is_valid(
    upstream: Upstream,
    fields: dict[str, Any],
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    answer = House(upstream).ask(RESPONSES, asked(RESPONSES, stream=stream, **fields))
    assert answer.status == 200, answer.text
    check(RESPONSES, answer)


def test_a_stored_response_and_its_items_are_valid(upstream: Upstream) -> None:
    house, openai = House(upstream), api("openai")
    body = asked(RESPONSES, tools=TOOLS[RESPONSES])
    first = house.ask(RESPONSES, body).json
    output = {"type": "function_call_output", "call_id": "call_1", "output": "warm"}
    items = [{"role": "user", "content": [{"type": "input_text", "text": "and?"}]}, output]
    second = house.ask(RESPONSES, {**body, "input": items, "previous_response_id": first["id"]})
    where = f"{RESPONSES}/{second.json['id']}"
    openai.check("Response", house.get(where).json)
    openai.check("ResponseItemList", house.get(f"{where}/input_items").json)
    counted = house.ask(f"{RESPONSES}/input_tokens", body).json
    openai.check("TokenCountsResource", counted)
    openai.check("ErrorResponse", house.get(f"{RESPONSES}/resp_none").json)


def test_models_are_valid() -> None:
    house, version = House(), {"anthropic-version": "2023-06-01"}
    api("openai").check("ListModelsResponse", house.get("/v1/models").json)
    api("openai").check("Model", house.get(f"/v1/models/{MODEL}").json)
    api("openai").check("ErrorResponse", house.get("/v1/models/none").json)
    api("anthropic").check("ListResponse_ModelInfo_", house.get("/v1/models", version).json)
    api("anthropic").check("ModelInfo", house.get(f"/v1/models/{MODEL}", version).json)
    api("anthropic").check("ErrorResponse", house.get("/v1/models/none", version).json)


def test_counted_tokens_are_valid() -> None:
    counted = House().ask(f"{MESSAGES}/count_tokens", asked(MESSAGES))
    api("anthropic").check("CountMessageTokensResponse", counted.json)


@pytest.mark.parametrize("form", ["float", "base64"])
def test_embeddings_are_valid(upstream: Upstream, form: str) -> None:
    vectors = [{"object": "embedding", "index": 0, "embedding": [0.5, -0.25]}]
    usage = {"prompt_tokens": 4, "total_tokens": 4}
    upstream.plays(Reply.json({"object": "list", "data": vectors, "model": "e", "usage": usage}))
    house = House(upstream, CONFIG.replace("meta_llama/", "openai/"))
    body = {"model": MODEL.replace("meta_llama/", "openai/"), "input": "a", "encoding_format": form}
    answer = house.ask("/v1/embeddings", body)
    assert answer.status == 200, answer.text
    value = answer.json
    if form == "base64":  # in the reference, but the schema has numbers only
        assert isinstance(value["data"][0]["embedding"], str)
        value["data"][0]["embedding"] = [0.5]
    api("openai").check("CreateEmbeddingResponse", value)
    api("openai").check("ErrorResponse", house.ask("/v1/embeddings", {"model": "x"}).json)


@pytest.mark.parametrize("path", PATHS)
def test_the_gateways_own_errors_are_valid(path: str) -> None:
    house = House(master_key="sk-master")
    key = {"authorization": "Bearer sk-master"}
    for headers, body, status in [
        ({}, asked(path), 401),
        (key, {**asked(path), "model": "none"}, 404),
        (key, {"model": MODEL}, 400),
        (key, b"{", 400),
        (key, asked(path, temperature="hot"), 400),
    ]:
        answer = house.ask(path, body, headers)
        assert answer.status == status, answer.text
        check(path, answer)
    wrong = house.ask(path, None, key, method="DELETE")
    assert wrong.status in (404, 405)
    check(path, wrong)
