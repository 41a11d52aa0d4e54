"""Calls whose requests are signed: by the clock, anew for every try, and without showing a key."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.converse import (
    ANSWER,
    BUSY,
    CALLS,
    EVENTS,
    JSON,
    SECRETS,
    STREAM,
    TOOL,
    check_signature,
)
from tests.support.event_stream import encode_exception

from puna import AsyncClient, Client, ClientSettings
from puna.errors import APIError, AuthenticationError, BadRequestError, RateLimitError
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order
from puna.types.secret import Secret
from puna.wire.fold import fold
from puna.wire.http import HTTPRequest

HI = [{"role": "user", "content": "Hello"}]
MODEL = "bedrock/converse/us.meta.llama3-3-70b-instruct-v1:0"
ENVIRON = {
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": SECRETS[0],
    "AWS_SECRET_ACCESS_KEY": SECRETS[1],
    "AWS_SESSION_TOKEN": SECRETS[2],
}


def settings_for(**fields: Any) -> ClientSettings:
    return ClientSettings(environ=fields.pop("environ", ENVIRON), **fields)


def test_every_try_is_signed_anew_with_the_clocks_time() -> None:
    clock = FakeClock(now=1_750_000_000.0)
    transport = ReplayTransport(in_order(BUSY, BUSY, ANSWER))
    client = Client(settings_for(), transport=transport, clock=clock)
    answer = client.completion(MODEL, HI)
    assert answer.choices[0].message.content == "Hi"
    times = [1_750_000_000.0 + sum(clock.sleeps[:tries]) for tries in range(3)]
    for request, now in zip(transport.requests, times, strict=True):
        check_signature(request, now)
    assert len({request.headers["authorization"] for request in transport.requests}) == 3


def test_an_async_stream_is_signed_and_read() -> None:
    clock = FakeClock()
    transport = AsyncReplayTransport(in_order(BUSY, STREAM))

    async def stream() -> list[Any]:
        client = AsyncClient(settings_for(), transport=transport, clock=clock)
        return [chunk async for chunk in await client.completion(MODEL, HI, stream=True)]

    chunks = asyncio.run(stream())
    assert fold(chunks).choices[0].message.content == "Hi"
    assert transport.requests[1].url.endswith("-v1%3A0/converse-stream")
    check_signature(transport.requests[1], clock.now())


def test_what_llama_cannot_stream_there_is_asked_whole_and_comes_as_chunks() -> None:
    transport = ReplayTransport(in_order(CALLS))
    client = Client(settings_for(), transport=transport, clock=FakeClock())
    stream = client.completion(
        MODEL, HI, stream=True, tools=[TOOL], stream_options={"include_usage": True}
    )
    chunks = list(stream)
    (request,) = transport.requests
    assert request.url.endswith("/converse")
    assert not request.is_stream
    (call,) = fold(chunks).choices[0].message.tool_calls or []
    assert (call.id, call.function.name, call.function.arguments) == ("t1", "f", '{"a": 1}')
    assert chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 39
    assert chunks[-2].choices[0].finish_reason == "tool_calls"
    assert stream.report.prompt_tokens == 30


def test_an_exception_before_the_first_chunk_is_tried_again_and_one_after_it_is_not() -> None:
    early = Recorded(200, EVENTS, [encode_exception("throttlingException", "Wait")])
    late = Recorded(200, EVENTS, [*STREAM.pieces[:2], *early.pieces])
    transport = ReplayTransport(in_order(early, late))
    client = Client(settings_for(), transport=transport, clock=FakeClock())
    seen: list[Any] = []
    with pytest.raises(RateLimitError, match="Wait"):
        seen += client.completion(MODEL, HI, stream=True)
    assert len(transport.requests) == 2


def test_a_bearer_token_is_sent_and_nothing_is_signed() -> None:
    environ = {"AWS_REGION": "us-east-1", "AWS_BEARER_TOKEN_BEDROCK": "canary-bearer"}
    transport = ReplayTransport(in_order(ANSWER))
    Client(settings_for(environ=environ), transport=transport).completion(MODEL, HI)
    (request,) = transport.requests
    assert request.headers["authorization"] == "Bearer canary-bearer"
    assert "x-amz-date" not in request.headers


def test_keys_and_region_are_keywords_and_no_part_of_the_body() -> None:
    transport = ReplayTransport(in_order(ANSWER))
    client = Client(settings_for(environ={}), transport=transport, clock=FakeClock())
    client.completion(
        MODEL,
        HI,
        aws_access_key_id=SECRETS[0],
        aws_secret_access_key=Secret(SECRETS[1]),
        aws_session_token=SECRETS[2],
        aws_region_name="us-east-1",
    )
    (request,) = transport.requests
    assert set(json.loads(request.body)) == {"messages"}
    check_signature(request, FakeClock().now())
    with pytest.raises(BadRequestError) as raised:
        client.completion(MODEL, HI, aws_region_name=5)
    assert raised.value.param == "aws_region_name"
    with pytest.raises(AuthenticationError) as refused:
        client.completion(MODEL, HI, aws_profile_name="work")
    assert refused.value.param == "aws_profile_name"
    assert len(transport.requests) == 1


def test_the_endpoint_has_its_name_of_litellm() -> None:
    transport = ReplayTransport(in_order(ANSWER))
    client = Client(settings_for(environ={}), transport=transport)
    client.completion(MODEL, HI, aws_bedrock_runtime_endpoint="http://vpce.test")
    assert transport.requests[0].url.startswith("http://vpce.test/model/")
    assert "authorization" not in transport.requests[0].headers


def test_a_prepared_answer_needs_no_region() -> None:
    client = Client(settings_for(environ={}), transport=ReplayTransport(in_order()))
    pair: dict[str, Any] = {"aws_access_key_id": "AKIA", "aws_secret_access_key": "x"}
    for told in ({}, pair):
        answer = client.completion(MODEL, HI, mock_response="Hi", **told)
        assert answer.choices[0].message.content == "Hi"


@pytest.mark.parametrize("status", [200, 400, 403, 500])
def test_no_key_that_the_host_repeats_is_shown(status: int) -> None:
    def echo(request: HTTPRequest) -> Recorded:
        heard = f"{request.url} {' '.join(request.headers.values())} {SECRETS[1]}"
        return Recorded(status, {**JSON, "x": heard}, [json.dumps({"message": heard}).encode()])

    events: list[CallEvent] = []
    transport = ReplayTransport(echo)
    client = Client(settings_for(hooks=[events.append], max_retries=0), transport=transport)
    with pytest.raises(APIError) as raised:
        client.completion(MODEL, HI)
    error = raised.value
    for shown in (str(error), error.body, error.headers, repr(error), repr(events)):
        for secret in SECRETS:
            assert secret not in str(shown)


def test_a_cassette_holds_no_key_and_plays_without_one(tmp_path: Path) -> None:
    cassette = tmp_path / "calls.jsonl"
    transport = ReplayTransport(in_order(ANSWER, STREAM))
    with Client(settings_for(), transport=transport, clock=FakeClock(), record=cassette) as client:
        client.completion(MODEL, HI)
        list(client.completion(MODEL, HI, stream=True))
    written = b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()).decode()
    assert "converse-stream" in written
    for secret in SECRETS:
        assert secret not in written
    # Another time, other keys: the answer is the same.
    environ = {**ENVIRON, "AWS_ACCESS_KEY_ID": "AKIAOTHER", "AWS_SECRET_ACCESS_KEY": "other"}
    clock = FakeClock(now=1_760_000_000.0)
    with Client(settings_for(environ=environ), replay=cassette, clock=clock) as client:
        assert client.completion(MODEL, HI).choices[0].message.content == "Hi"
        chunks = list(client.completion(MODEL, HI, stream=True))
    assert fold(chunks).choices[0].message.content == "Hi"
