"""Every reply and every event of the gateway is what OpenAI's and Anthropic's schemas say."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import MODEL, Answer, House
from tests.support.lanes import Edge, request_bytes
from tests.support.provider_suite import FIXTURES, bytes_of, load
from tests.support.schema_checks import CHAT, PATHS, RESPONSES, TOOLS, asked, check, events_of
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
HOSTS = sorted(
    folder.name
    for folder in FIXTURES.iterdir()
    if folder.name != "embedded" and (folder / "chat.json").exists()
)


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
