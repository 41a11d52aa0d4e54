"""Responses from both clients, over a real connection."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.faces import KEY, MODEL, settings_for
from tests.support.strict import STRICT
from tests.support.upstream import TEXT, Reply, Upstream, text_chunks

from puna import (
    AsyncClient,
    BadRequestError,
    Client,
    NotFoundError,
    Response,
    ResponseEvent,
    UnsupportedParamsError,
)

KINDS = pytest.mark.parametrize("kind", ["sync", "async"])


def run(kind: str, upstream: Upstream, *asked: dict[str, Any]) -> list[Any]:
    """Responses, or lists of events, of one client; `previous` numbers an earlier one."""
    given: list[Any] = []

    def fields(one: dict[str, Any]) -> dict[str, Any]:
        kept: dict[str, Any] = {"model": MODEL, "input": "hi", "api_key": KEY, **one}
        if "previous" in kept:
            earlier = given[kept.pop("previous")]
            last = earlier if isinstance(earlier, Response) else earlier[-1].response
            kept["previous_response_id"] = last.id
        return kept

    if kind == "sync":
        with Client(settings_for(upstream, providers=STRICT)) as client:
            for one in asked:
                answer = client.responses(**fields(one))
                given.append(answer if isinstance(answer, Response) else list(answer))
        return given

    async def all_of_them() -> None:
        async with AsyncClient(settings_for(upstream, providers=STRICT)) as client:
            for one in asked:
                answer = await client.responses(**fields(one))
                whole = isinstance(answer, Response)
                given.append(answer if whole else [event async for event in answer])

    asyncio.run(all_of_them())
    return given


@pytest.mark.case(93, 94)
@KINDS
def test_a_plain_response(kind: str, upstream: Upstream) -> None:
    (response,) = run(kind, upstream, {})
    assert response.id.startswith("resp_")
    assert (response.output_text, response.status, response.model) == (TEXT, "completed", MODEL)
    assert response.usage.total_tokens == 15
    assert response.report.provider == "meta_llama"
    assert response["object"] == "response"


@pytest.mark.case(94, 98, 99)
@KINDS
def test_a_stream_of_events(kind: str, upstream: Upstream) -> None:
    (events,) = run(kind, upstream, {"stream": True})
    assert all(isinstance(event, ResponseEvent) for event in events)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    said = "".join(e.delta for e in events if e.type == "response.output_text.delta")
    assert said == events[-1].response.output_text == TEXT
    assert events[-1].response.id.startswith("resp_")
    assert events[-1].response.usage is not None


@pytest.mark.case(102)
@KINDS
def test_a_stream_that_breaks_ends_with_a_failed_response(kind: str, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    (events,) = run(kind, upstream, {"stream": True})
    assert events[-1].type == "response.failed"
    assert events[-1].response.error.code == "server_error"


@pytest.mark.case(103)
@KINDS
@pytest.mark.parametrize("stream", [False, True])
def test_going_on_from_an_earlier_response(
    kind: str,
    upstream: Upstream,
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    first = {"input": "one", "instructions": "I", "stream": stream}
    run(kind, upstream, first, {"input": "two", "previous": 0, "stream": stream})
    assert upstream.requests[-1].json["messages"] == [
        {"role": "user", "content": "one"},
        {"role": "assistant", "content": TEXT},
        {"role": "user", "content": "two"},
    ]


@pytest.mark.case(104)
@KINDS
def test_an_unknown_earlier_response_is_an_error(kind: str, upstream: Upstream) -> None:
    with pytest.raises(NotFoundError, match="There is no response `resp_invented`") as raised:
        run(kind, upstream, {"previous_response_id": "resp_invented"})
    assert raised.value.param == "previous_response_id"
    with pytest.raises(NotFoundError):
        run(kind, upstream, {"store": False}, {"previous": 0})
    with pytest.raises(BadRequestError):
        run(kind, upstream, {"previous_response_id": 7})


@pytest.mark.case(107, 108)
@KINDS
def test_what_is_left_out_is_reported(kind: str, upstream: Upstream) -> None:
    wish = {"tools": [{"type": "web_search"}], "reasoning": {"effort": "low"}}
    with pytest.raises(UnsupportedParamsError, match="reasoning_effort"):
        run(kind, upstream, wish)
    with pytest.raises(UnsupportedParamsError, match="web_search"):
        run(kind, upstream, {"tools": wish["tools"], "strict_tools": True})
    (response,) = run(kind, upstream, {**wish, "drop_params": True, "tool_choice": "auto"})
    assert response.report.dropped_params == ("tools[0]", "reasoning_effort")
    assert set(upstream.requests[-1].json) == {"model", "messages"}


def test_a_mock_answer_needs_nobody(upstream: Upstream) -> None:
    (response,) = run("sync", upstream, {"mock_response": "mocked"})
    assert response.output_text == "mocked"
    assert upstream.requests == []
