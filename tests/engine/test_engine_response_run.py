"""Responses from both clients, of hosts that speak the API themselves."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.provider_suite import FIXTURES, load

from puna import AsyncClient, BadRequestError, Client, ClientSettings, NotFoundError, Response
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])
SETTINGS = ClientSettings(environ={"OPENAI_API_KEY": "sk-openai-canary-4711"})
MODEL = "openai/gpt-5.4"


def fixture(name: str) -> Recorded:
    given = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    pieces = given.get("pieces") or [json.dumps(given["body"])]
    return Recorded(given["status"], given["headers"], [piece.encode() for piece in pieces])


def run(
    kind: str, replies: list[Recorded], *asked: dict[str, Any]
) -> tuple[list[Any], list[HTTPRequest]]:
    """Responses, or lists of events, of one client; `previous` numbers an earlier one."""
    given: list[Any] = []

    def fields(one: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {"model": MODEL, "input": "hi", **one}
        if "previous" in kept:
            earlier = given[kept.pop("previous")]
            last = earlier if isinstance(earlier, Response) else earlier[-1].response
            kept["previous_response_id"] = last.id
        return kept

    if kind == "sync":
        transport = ReplayTransport(in_order(*replies))
        with Client(SETTINGS, transport=transport, clock=FakeClock()) as client:
            for one in asked:
                answer = client.responses(**fields(one))
                given.append(answer if isinstance(answer, Response) else list(answer))
        assert transport.open_replies == 0
        return given, transport.requests

    playing = AsyncReplayTransport(in_order(*replies))

    async def all_of_them() -> None:
        async with AsyncClient(SETTINGS, transport=playing, clock=FakeClock()) as client:
            for one in asked:
                answer = await client.responses(**fields(one))
                whole = isinstance(answer, Response)
                given.append(answer if whole else [event async for event in answer])

    asyncio.run(all_of_them())
    assert playing.open_replies == 0
    return given, playing.requests


@KINDS
def test_a_whole_response(kind: str) -> None:
    (response,), requests = run(kind, [fixture("web_search")], {"tools": [{"type": "web_search"}]})
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    assert response.id == "resp_67ccf18ef5fc8190b16dbee19bc54e5f087bb177ab789d5c"
    assert (response.model, response.output_text[:8]) == (MODEL, "As of to")
    report = response.report
    assert (report.provider, report.prompt_tokens, report.cached_tokens) == ("openai", 328, 128)
    assert (report.finish_reason, report.upstream_model) == ("completed", "gpt-5.4")
    assert requests[0].url == "https://api.openai.com/v1/responses"


@KINDS
def test_a_stream_and_what_goes_on_from_it(kind: str) -> None:
    replies = [fixture("function_call_stream"), fixture("whole")]
    output = {
        "type": "function_call_output",
        "call_id": "call_unLAR8MvFNptuiZK6K6HCy5k",
        "output": "22",
    }
    (events, response), requests = run(
        kind, replies, {"stream": True}, {"previous": 0, "input": [output]}
    )
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].response.output[0].encrypted_content == "gAAAAABodEncryptedThoughts=="
    assert response.previous_response_id == events[-1].response.id
    items = json.loads(requests[1].body)["input"]
    assert [item["type"] for item in items] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
    ]


@KINDS
def test_a_stream_that_fails(kind: str) -> None:
    (events,), requests = run(kind, [fixture("error_stream")], {"stream": True})
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.message.endswith("Something went wrong")
    assert len(requests) == 1


@KINDS
def test_a_failure_before_the_answer_is_tried_again(kind: str) -> None:
    replies = [fixture("early_failure_stream"), fixture("stream")]
    (events,), requests = run(kind, replies, {"stream": True})
    assert (events[-1].response.status, len(requests)) == ("completed", 2)


@KINDS
def test_an_id_of_the_hosts_that_is_not_known_here_is_an_error(kind: str) -> None:
    with pytest.raises(NotFoundError):
        run(kind, [], {"previous_response_id": "resp_made_elsewhere"})
    with pytest.raises(BadRequestError):
        run(kind, [], {"input": []})


@KINDS
def test_a_fallback_has_parameters_of_its_own(kind: str) -> None:
    busy = Recorded(503, {"content-type": "application/json"}, [b'{"error":{"message":"no"}}'])
    fallback = {"model": "openai/gpt-5.5", "max_tokens": 7, "reasoning_effort": "low"}
    wish = {"fallbacks": [fallback], "max_retries": 0, "max_output_tokens": 50}
    (response,), requests = run(kind, [busy, fixture("whole")], wish)
    first, second = (json.loads(request.body) for request in requests)
    assert first["max_output_tokens"] == 50
    assert (second["max_output_tokens"], second["reasoning"]) == (7, {"effort": "low"})
    assert response.report.fallbacks == 1


@KINDS
def test_a_mock_answer_is_no_host(kind: str) -> None:
    (response,), requests = run(kind, [], {"mock_response": "mocked"})
    assert (response.output_text, requests) == ("mocked", [])
