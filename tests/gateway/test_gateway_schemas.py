"""Every reply and every event of the gateway is what OpenAI's and Anthropic's schemas say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CONFIG, MODEL, Answer, House
from tests.support.lanes import Edge, request_bytes
from tests.support.provider_suite import FIXTURES, bytes_of, load
from tests.support.schemas import api
from tests.support.upstream import (
    ARGUMENTS,
    PIECES,
    Reply,
    Upstream,
    chunk,
    completion_body,
    text_chunks,
    usage_chunk,
)

from puna.transports.replay import AsyncReplayTransport, Player, Recorded

# One process reads the descriptions, which takes seconds.
pytestmark = pytest.mark.xdist_group("schemas")

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
PATHS = (CHAT, TEXT, RESPONSES, MESSAGES)

PARAMETERS = {"type": "object", "properties": {"location": {"type": "string"}}}
NAMES = ("get_weather", "get_time")
FUNCTIONS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": n, "parameters": PARAMETERS}} for n in NAMES
]
USER = [{"role": "user", "content": "hi"}]
BODIES: Mapping[str, Mapping[str, Any]] = {
    CHAT: {"messages": USER},
    TEXT: {"prompt": "hi"},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": USER, "max_tokens": 9},
}
TOOLS: Mapping[str, list[Any]] = {
    CHAT: FUNCTIONS,
    RESPONSES: [{"type": "function", **tool["function"]} for tool in FUNCTIONS],
    MESSAGES: [{"name": name, "input_schema": PARAMETERS} for name in NAMES],
}
HOSTS = sorted(
    folder.name
    for folder in FIXTURES.iterdir()
    if folder.name != "embedded" and (folder / "chat.json").exists()
)


def asked(path: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, **BODIES[path], **fields}


def check(path: str, answer: Answer) -> None:
    """Raise AssertionError unless a reply to a POST is as the schemas say."""
    if answer.headers["content-type"] == "text/event-stream":
        for event in events_of(answer):
            check_event(path, event)
    elif answer.status != 200:
        vendor = "anthropic" if path.startswith(MESSAGES) else "openai"
        api(vendor).check("ErrorResponse", answer.json)
    elif path == MESSAGES:
        api("anthropic").check("Message", answer.json)
    elif path == RESPONSES:
        api("openai").check("Response", answer.json)
    elif path == TEXT:
        api("openai").check("CreateCompletionResponse", answer.json)
    else:
        api("openai").check("CreateChatCompletionResponse", answer.json)


def check_event(path: str, event: dict[str, Any]) -> None:
    openai, anthropic = api("openai"), api("anthropic")
    if path == RESPONSES:
        openai.check_variant("ResponseStreamEvent", event)
    elif path == MESSAGES:
        if event["type"] == "error":
            anthropic.check("ErrorResponse", event)
        elif event != {"type": "ping"}:  # in the reference, but in no schema
            anthropic.check_variant("MessageStreamEvent", event)
    elif "error" in event:
        openai.check("ErrorResponse", event)
    elif path == CHAT:
        openai.check("CreateChatCompletionStreamResponse", event)
    else:
        # The schema is that of whole answers, whose reason is never null.
        for choice in event["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        openai.check("CreateCompletionResponse", event)


def events_of(answer: Answer) -> Iterator[dict[str, Any]]:
    for frame in answer.text.split("\n\n"):
        data = frame.rpartition("data: ")[2]
        if data and data != "[DONE]":
            yield json.loads(data)


def player_of(fixture: Mapping[str, Any]) -> Player:
    """A host that always answers with this fixture."""
    body = fixture.get("body")
    texts = fixture.get("pieces") or [body if isinstance(body, str) else json.dumps(body)]
    pieces = [bytes_of(text) for text in texts]
    return lambda _: Recorded(fixture["status"], fixture["headers"], pieces)


def config_of(host: str) -> str:
    return f"""
model_list:
  - model_name: {MODEL}
    litellm_params:
      {{model: {host}/m, api_base: "http://up.test/v1", api_key: k, api_version: "2024-10-21"}}
    model_info: {{supported_endpoints: ["/v1/chat/completions"]}}
litellm_settings: {{num_retries: 0}}
"""


def replies_of(host: str) -> Iterator[tuple[str, dict[str, Any], dict[str, Any]]]:
    """Each recorded reply of a host, with each request that may get it."""
    files: list[Path] = sorted((FIXTURES / host).glob("*.json"))
    assert files
    for fixture in (load(file) for file in files if file.stem != "requests"):
        has_tools = "tools" in fixture.get("request", {})
        for path in PATHS if not has_tools else TOOLS:
            fields = {"tools": TOOLS[path]} if has_tools else {}
            yield path, fixture, asked(path, stream="pieces" in fixture, **fields)


def called(*calls: tuple[str, str], **message: Any) -> dict[str, Any]:
    """A message that calls tools."""
    tool_calls = [
        {"id": f"c{i}", "type": "function", "function": {"name": name, "arguments": arguments}}
        for i, (name, arguments) in enumerate(calls)
    ]
    return {"content": None, **message, "tool_calls": tool_calls}


LOGPROBS = {
    "content": [{"token": "a", "logprob": -0.5, "bytes": [97], "top_logprobs": []}],
    "refusal": None,
}
ONLY_CONTENT = {"content": LOGPROBS["content"]}  # as llama.cpp and vLLM say it
NULL_DETAILS = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": None},
    "completion_tokens_details": None,
}
BOTH = called(("get_weather", ARGUMENTS), ("get_time", "{}"))


def chosen(**fields: Any) -> dict[str, Any]:
    """A choice of a whole answer."""
    message = {"role": "assistant", "content": "a"}
    return {"index": 0, "message": message, "finish_reason": "stop", **fields}


WHOLE: Mapping[str, dict[str, Any]] = {
    "parallel tools": completion_body(BOTH, finish_reason="tool_calls"),
    "a text and a tool": completion_body(
        called(("get_time", "{}"), content="Looking"), finish_reason="tool_calls"
    ),
    "broken arguments": completion_body(called(("get_time", '{"a":')), finish_reason="tool_calls"),
    "no usage": completion_body(usage=None),
    "nothing": completion_body({"content": None}),
    "a refusal": completion_body({"content": None, "refusal": "No."}),
    "thoughts": completion_body({"content": "a", "reasoning_content": "hm"}),
    "cut": completion_body(finish_reason="length"),
    "filtered": completion_body({"content": ""}, finish_reason="content_filter"),
    "log probabilities": completion_body(choices=[chosen(logprobs=LOGPROBS)]),
    "log probabilities of content": completion_body(choices=[chosen(logprobs=ONLY_CONTENT)]),
    "two answers": completion_body(choices=[chosen(), chosen(index=1)]),
    "two unlike answers": completion_body(choices=[chosen(), chosen(index=1, logprobs=None)]),
    "no content": completion_body({"role": "assistant"}),
    "nulls": completion_body({"content": "a", "annotations": None, "tool_calls": None}),
    "nulls in the usage": completion_body(usage=NULL_DETAILS),
}


def pieces_of(*deltas: dict[str, Any], reason: str = "stop", **end: Any) -> Reply:
    return Reply.sse(*(chunk(one) for one in deltas), chunk({}, reason), usage_chunk(), **end)


def chosen_piece(text: str) -> dict[str, Any]:
    """A choice of a chunk, from a host that leaves out what says nothing."""
    return {"index": 0, "delta": {"role": "assistant", "content": text}}


def call_piece(index: int, **function: str) -> dict[str, Any]:
    given = {"id": f"c{index}", "type": "function"} if "name" in function else {}
    return {"tool_calls": [{"index": index, **given, "function": function}]}


MIXED = (
    {"role": "assistant", "content": "Looking"},
    call_piece(0, name="get_weather", arguments='{"location":'),
    call_piece(1, name="get_time", arguments="{}"),
    call_piece(0, arguments='"Paris"}'),
    {"content": " late"},
)
BROKEN = {"error": {"message": "The host is full.", "type": "server_error", "code": None}}
STREAMS: Mapping[str, Reply] = {
    "parallel tools": pieces_of(*MIXED, reason="tool_calls"),
    "thoughts": pieces_of({"reasoning_content": "hm"}, {"content": "a"}),
    "a refusal": pieces_of({"refusal": "No"}, {"refusal": "."}),
    "nothing": pieces_of(),
    "cut": pieces_of({"content": "a"}, reason="length"),
    "log probabilities": Reply.sse(
        *(
            {
                **chunk({"content": text}),
                "choices": [{**chosen_piece(text), "logprobs": ONLY_CONTENT}],
            }
            for text in PIECES
        ),
        chunk({}, "stop"),
    ),
    "no finish reason in the chunks": Reply.sse(
        *({**chunk({}), "choices": [chosen_piece(text)]} for text in PIECES), chunk({}, "stop")
    ),
    "no usage": Reply.sse(*text_chunks()),
    "an error": Reply.sse(*text_chunks()[:3], BROKEN, is_done=False),
    "a broken connection": Reply.text_stream(*PIECES, end="reset", is_done=False),
}


@pytest.mark.parametrize("host", HOSTS)
def test_what_a_host_answers_is_valid_in_every_api(host: str) -> None:
    for path, fixture, body in replies_of(host):
        transport = AsyncReplayTransport(player_of(fixture))
        answer = House(config=config_of(host), environ={}, transport=transport).ask(path, body)
        has_failed = "error" in fixture["expects"] and "pieces" not in fixture
        assert (answer.status == 200) is not has_failed
        check(path, answer)


@pytest.mark.parametrize("is_fast", [False, True])
def test_chat_is_valid_in_both_lanes(is_fast: bool) -> None:  # noqa: FBT001 - a parameter of the test
    for host in HOSTS:
        for path, fixture, body in replies_of(host):
            if path == CHAT:
                check(path, ask_edge(player_of(fixture), config_of(host), body, is_fast=is_fast))


@pytest.mark.parametrize("is_fast", [False, True])
@pytest.mark.parametrize("name", [*WHOLE, *STREAMS])
def test_what_a_plain_request_gets_is_valid(name: str, is_fast: bool) -> None:  # noqa: FBT001 - a parameter of the test
    is_stream = name not in WHOLE
    if is_stream:
        pieces = [piece for piece in STREAMS[name].steps if isinstance(piece, bytes)]
        recorded = Recorded(200, {"content-type": "text/event-stream"}, pieces)
    else:
        recorded = Recorded(200, {}, [json.dumps(WHOLE[name]).encode()])
    body = asked(CHAT, stream=is_stream)
    answer = ask_edge(lambda _: recorded, config_of("openai"), body, is_fast=is_fast)
    assert answer.headers["x-puna-lane"] == ("fast" if is_fast else "full")
    check(CHAT, answer)


def ask_edge(play: Player, config: str, body: Any, *, is_fast: bool) -> Answer:
    """The answer of one of the gateway's lanes."""

    async def ask() -> Answer:
        return await Edge(play, config, is_fast=is_fast).ask(request_bytes(body))

    return asyncio.run(ask())


@pytest.mark.parametrize("name", WHOLE)
@pytest.mark.parametrize("path", TOOLS)
def test_a_whole_answer_is_valid(upstream: Upstream, path: str, name: str) -> None:
    upstream.plays(Reply.json(WHOLE[name]))
    answer = House(upstream).ask(path, asked(path, tools=TOOLS[path]))
    assert answer.status == 200, answer.text
    check(path, answer)


@pytest.mark.parametrize("name", STREAMS)
@pytest.mark.parametrize("path", TOOLS)
def test_every_event_of_a_stream_is_valid(upstream: Upstream, path: str, name: str) -> None:
    upstream.plays(STREAMS[name])
    answer = House(upstream).ask(path, asked(path, tools=TOOLS[path], stream=True))
    assert answer.status == 200, answer.text
    assert len(list(events_of(answer))) > 1
    check(path, answer)


@pytest.mark.parametrize("path", TOOLS)
@pytest.mark.parametrize("stream", [False, True])
def test_a_rescued_call_is_valid(upstream: Upstream, path: str, stream: bool) -> None:  # noqa: FBT001 - a parameter of the test
    text = '{"name": "get_weather", "parameters": {"location": "Paris"}}'
    upstream.plays(
        Reply.sse(*text_chunks([text[:9], text[9:]]))
        if stream
        else Reply.json(completion_body({"content": text}))
    )
    answer = House(upstream).ask(path, asked(path, tools=TOOLS[path], stream=stream))
    check(path, answer)
    assert "get_weather" in answer.text
    assert "parameters" not in answer.text or path == RESPONSES  # there the tools are repeated


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
