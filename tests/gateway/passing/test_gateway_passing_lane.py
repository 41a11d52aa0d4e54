"""Which requests take the fast lane."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lane_pairs import ASKING, AUTH, CONFIG, KEY, ask_both
from tests.support.lane_requests import HI, ask_edge, chunk, ended, plain_reply, turns
from tests.support.lanes import Edge, read_answer, request_bytes

from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest


@pytest.mark.parametrize(
    ("change", "headers", "lane"),
    [
        ({}, {}, "fast"),
        ({"model": "wild/any"}, {}, "fast"),
        ({"temperature": 0.5, "user": "u"}, {}, "fast"),
        ({"tools": []}, {}, "full"),
        ({"metadata": {"a": 1}}, {}, "fast"),
        ({"timeout": 5}, {}, "full"),
        ({"top_k": 3}, {}, "full"),
        ({}, {"origin": "http://localhost"}, "full"),
        ({}, {"expect": "100-continue"}, "full"),
    ],
)
def test_the_lane_is_chosen_by_the_request(
    change: dict[str, Any], headers: Mapping[str, str], lane: str
) -> None:
    data = request_bytes({**HI, **change}, {**AUTH, **headers})

    async def ask() -> tuple[Edge, Answer]:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(data)
        for _ in range(200):
            await asyncio.sleep(0)
        wire.written = wire.written.removeprefix(b"HTTP/1.1 100 Continue\r\n\r\n")
        answer = read_answer(wire.written)
        assert answer is not None
        return edge, answer

    edge, answer = asyncio.run(ask())
    assert answer.status == 200
    assert answer.headers["x-puna-lane"] == lane
    assert [event.report.lane for event in edge.events] == [lane]


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("wish", [None, True, False])
def test_a_streams_usage_is_asked_for_and_shown_to_who_asked(
    is_fast: bool,  # noqa: FBT001 - a parametrised case
    wish: bool | None,  # noqa: FBT001 - the same
) -> None:
    spent = {"prompt_tokens": 700, "completion_tokens": 500, "total_tokens": 1_200}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "up/model"}
    deltas = [{"role": "assistant", "content": "Hel"}, {"content": "lo"}, {}]
    said: list[dict[str, Any]] = [
        {
            **head,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None if delta else "stop"}],
            "usage": None,  # as OpenAI says in all chunks but one
        }
        for delta in deltas
    ]
    said.append({**head, "choices": [], "usage": spent})
    events = [b"data: " + json.dumps(one).encode() + b"\n\n" for one in said]
    asked: list[Any] = []

    def play(request: HTTPRequest) -> Recorded:
        asked.append(json.loads(request.body)["stream_options"])
        events_and_end = (*events, b"data: [DONE]\n\n")
        return Recorded(200, {"content-type": "text/event-stream"}, events_and_end)

    async def ask() -> tuple[Answer, CallEvent]:
        edge = Edge(play, ASKING, is_fast=is_fast)
        options = {} if wish is None else {"stream_options": {"include_usage": wish}}
        answer = await edge.ask(request_bytes({**HI, "stream": True, **options}, AUTH))
        return answer, edge.events[0]

    answer, event = asyncio.run(ask())
    assert asked == [{"include_usage": True}]
    assert answer.headers["x-puna-lane"] == ("fast" if is_fast else "full")
    assert (b'"usage":{' in answer.body) == bool(wish)
    report = event.report
    assert (report.prompt_tokens, report.completion_tokens) == (700, 500)
    assert not report.is_usage_estimated


@pytest.mark.case(156)
def test_a_wrong_key_is_told_by_the_long_way_and_a_right_one_is_known_again() -> None:
    async def ask() -> list[tuple[int, str | None]]:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        keys = (KEY, KEY + "x", KEY, "")
        answers = [
            await edge.ask(request_bytes(HI, {"authorization": f"Bearer {key}"})) for key in keys
        ]
        return [(one.status, one.headers.get("x-puna-lane")) for one in answers]

    assert asyncio.run(ask()) == [(200, "fast"), (401, None), (200, "fast"), (401, None)]


@pytest.mark.case(129, 156)
@pytest.mark.parametrize("key", [{}, {"authorization": "Bearer sk-other"}])
def test_without_a_right_key_no_body_is_waited_for(key: Mapping[str, str]) -> None:
    async def run() -> bytes:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(HI, key).partition(b"\r\n\r\n")[0] + b"\r\n\r\n")
        await turns(50)
        return wire.written

    assert asyncio.run(run()).startswith(b"HTTP/1.1 401 ")


DEEP = b"[" * 300 + b"]" * 300


@pytest.mark.parametrize("odd", [b'"\xff\xfe"', DEEP], ids=["not UTF-8", "deep"])
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("position", [0, 1])
def test_what_is_not_read_must_be_sound_all_the_same(
    odd: bytes,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    position: int,
) -> None:
    if is_stream:
        pieces = [chunk("a", role="assistant"), chunk("b")]
        pieces[position] = pieces[position].replace(b'"created"', b'"zz": ' + odd + b', "created"')
        reply = Recorded(
            200, {"content-type": "text/event-stream"}, (*pieces, *ended().pieces[-1:])
        )
    else:
        body = plain_reply().pieces[0].replace(b'"created"', b'"zz": ' + odd + b', "created"')
        reply = Recorded(200, {}, (body,))

    async def run() -> Answer:
        data = request_bytes({**HI, "stream": is_stream}, AUTH)
        _, _, answer = await ask_both(lambda _: reply, data)
        return answer

    assert "internal_error" not in asyncio.run(run()).text


def test_numbers_beyond_every_reader_go_the_long_way() -> None:
    answer = ask_edge({**HI, "temperature": 10**500})
    assert (answer.status, answer.error["param"]) == (400, "temperature")


ODDLY_PLACED: list[tuple[list[Any], str]] = [
    (
        [{"role": "system", "content": "A."}, {"role": "system", "content": "B."}, *HI["messages"]],
        "fast",
    ),
    ([*HI["messages"], {"role": "system", "content": "Late."}], "fast"),
    ([*HI["messages"], {"role": "system", "content": "Late.", "name": "n"}], "full"),
    ([*HI["messages"], {"role": "assistant", "content": ""}, *HI["messages"]], "full"),
]


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize(("messages", "lane"), ODDLY_PLACED)
def test_messages_that_must_be_fitted_are_fitted_on_both_ways(
    messages: list[Any], lane: str, *, escaped: bool
) -> None:
    """A second message with instructions, or one that says nothing, however it is written."""
    body = json.dumps({**HI, "messages": messages})
    if escaped:
        body = body.replace('"system"', '"\\u0073ystem"')

    async def run() -> tuple[Edge, Edge, Answer]:
        return await ask_both(lambda _: plain_reply(), request_bytes(body.encode(), AUTH))

    fast, _, answer = asyncio.run(run())
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, lane)
    (sent,) = [json.loads(r.body) for r in (*fast.hot.requests, *fast.full.requests)]
    assert [m["role"] for m in sent["messages"][1:]].count("system") == 0
    assert all(m["content"] for m in sent["messages"])


def test_a_word_in_a_text_does_not_close_the_fast_lane() -> None:
    said = [{"role": "system", "content": "A."}, {"role": "user", "content": 'What is a "system"?'}]
    assert ask_edge({**HI, "messages": said}).headers["x-puna-lane"] == "fast"
