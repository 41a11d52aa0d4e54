"""Odd requests and replies on the passing way get what the mending readers give."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.agent_lanes import CONFIG
from tests.support.agent_streams import (
    ASKED,
    BEGIN,
    DONE,
    EVENTS,
    TOLD,
    USAGE,
    ask,
    ask_stream,
    chunk,
    piece,
)
from tests.support.asgi import Answer
from tests.support.lane_pairs import AUTH, record
from tests.support.lanes import Edge, PlayedTransport, request_bytes

from puna.errors import APIConnectionError
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded
from puna.wire.envelope import read_envelope


def reply(**fields: Any) -> Recorded:
    body = {
        "id": "cmpl-7",
        "object": "chat.completion",
        "created": 1_750_000_001,
        "model": "up/model",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "hi"},
                "finish_reason": "stop",
            }
        ],
        "usage": USAGE,
        **fields,
    }
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(body).encode(),))


ROLE = chunk({"role": "assistant", "content": ""})


def said(answer: Answer) -> str:
    chunks = [json.loads(event) for event in answer.events if event != "[DONE]"]
    choices = [choice for one in chunks for choice in one.get("choices", ())]
    return "".join(choice["delta"].get("content") or "" for choice in choices)


NUMBERS = ["1e999", "-1.5E+0400", "1.e309", "1" + "0" * 400, "1" + "0" * 4_400]


@pytest.mark.parametrize("number", NUMBERS, ids=["e999", "E+0400", ".e309", "400", "4400"])
@pytest.mark.parametrize("name", ["metadata", "logit_bias", "tools", "response_format"])
def test_numbers_that_no_float_can_say_are_read_by_the_reader(name: str, number: str) -> None:
    """The hooks of the passing way failed on them, and the request with it."""
    named = {"type": "json_schema", "json_schema": {"name": "s", "schema": {"a": 0}}}
    function = {"name": "get", "parameters": {"a": 0}}
    values = {
        "tools": [{"type": "function", "function": function}],
        "response_format": named,
    }
    body = json.dumps({**ASKED, name: values.get(name, {"a": 0})})
    body = body.replace('{"a": 0}', f'{{"a": {number}}}')
    assert read_envelope(body.encode()) is None
    assert ask(body.encode(), reply()).status in (200, 400)


def test_usual_numbers_of_a_schema_pass() -> None:
    schema = '{"a": [1e99, -2.5E+10, 1e-400, 123456789.5], "e300": "' + "9" * 299 + ' 3f4e1"}'
    body = json.dumps(ASKED).replace('{"type": "object"}', schema)
    assert read_envelope(body.encode()) is not None


def turns(count: int) -> list[dict[str, Any]]:
    """A history of so many calls, each with its result."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "x"}]
    for number in range(count):
        function = {"name": "f", "arguments": "{}"}
        call = {"id": f"call_{number}", "type": "function", "function": function}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": "ok"})
    return messages


LONG = "word " * 30


@pytest.mark.parametrize(
    ("messages", "is_passed_on"),
    [
        ([{"role": "user", "content": LONG}] * 500, True),
        ([{"role": "user", "content": "x"}] * 5_000, True),
        ([{"role": "user", "content": LONG}] * 10_001, False),
        (turns(900), True),
        (turns(1_100), False),
        (turns(15_000), False),
    ],
    ids=["500 texts", "5,000 short ones", "10,001 texts", "900 calls", "1,100", "15,000"],
)
def test_a_request_of_very_many_values_does_not_stop_the_loop(
    messages: list[dict[str, Any]], *, is_passed_on: bool
) -> None:
    """A body of 3 MB with 15,000 calls took 300 ms on the event loop; a thread reads it now.

    5,000 short messages take 4 ms, in a thread 20, and four times the memory.
    """

    async def run() -> list[Any]:
        edge = Edge(lambda _: reply(), CONFIG, is_fast=True)
        edge.connect()[0].data_received(request_bytes({**ASKED, "messages": messages}, AUTH))
        return edge.hot.requests

    assert len(asyncio.run(run())) == is_passed_on


def test_an_answer_without_calls_goes_on_without_the_empty_list() -> None:
    earlier = {"role": "assistant", "content": "a", "tool_calls": []}
    messages = [*ASKED["messages"], earlier, *ASKED["messages"]]
    assert ask({**ASKED, "messages": messages}, reply()).headers["x-puna-lane"] == "fast"


def test_annotations_that_are_nested_too_deeply_are_refused() -> None:
    deep: Any = []
    for _ in range(400):
        deep = [deep]
    earlier = {"role": "assistant", "content": "a", "annotations": deep}
    messages = [*ASKED["messages"], earlier, *ASKED["messages"]]
    assert ask({**ASKED, "messages": messages}, reply()).status == 400


@pytest.mark.parametrize("spelled", [b'"m\\u006fdel"', b'"mod\\u0065l"', b'"\\u006dodel"'])
def test_a_hosts_own_name_for_the_model_stays_hidden_however_its_key_is_spelled(
    spelled: bytes,
) -> None:
    recorded = reply(x={"model": "nested"})
    data = recorded.pieces[0].replace(b'"model"', spelled, 1)
    answer = ask(ASKED, Recorded(200, recorded.headers, (data,)))
    assert json.loads(answer.text)["model"] == "public"


def test_a_reply_of_the_type_error_is_an_error() -> None:
    assert ask(ASKED, reply(type="error")).status == 500
    assert ask(ASKED, reply(type="chat")).status == 200


def test_an_event_of_the_type_error_is_an_error() -> None:
    answer = ask_stream(ROLE, chunk({"content": "a"}), chunk({"content": "b"}, type="error"))
    assert said(answer) == "a"
    assert "error" in json.loads(answer.events[-1])


def test_a_finish_with_an_odd_fingerprint_is_mended() -> None:
    finish = chunk({}, "stop", system_fingerprint=[])
    assert said(ask_stream(ROLE, chunk({"content": "a"}), finish, TOLD, DONE)) == "a"


@pytest.mark.parametrize("end", [b"\n", b"\n\n", b"\r\n", b": ping\n\n"])
def test_more_line_ends_than_an_event_needs_end_nothing(end: bytes) -> None:
    """Three line ends in a row, as the last bytes of a read, were a failure of the gateway."""
    events = (ROLE, chunk({"content": "a"}) + end, chunk({"content": "b"}), TOLD)
    answer = ask_stream(*events[:-1], chunk({}, "stop"), events[-1], DONE)
    assert said(answer) == "ab"


@pytest.mark.parametrize("first", ["calls", "text"])
def test_each_choice_may_begin_with_a_call(first: str) -> None:
    """A host may send more choices than were asked for, and each has its own beginning."""
    others = [chunk({"role": "assistant", "content": ""}, index=1)]
    if first == "calls":
        others += [chunk({"tool_calls": [BEGIN]}), piece('{"a":1}')]
    else:
        others += [chunk({"content": "All is well."})]
    others += [chunk({"content": "get("}, index=1), chunk({"content": 'a="b")'}, index=1)]
    ends = [
        chunk({}, "tool_calls" if first == "calls" else "stop"),
        chunk({}, "stop", index=1),
    ]
    answer = ask_stream(ROLE, *others, *ends, TOLD, DONE)
    assert "get(" not in said(answer)


@pytest.mark.parametrize("text", ["<tool_call>", '{"name": "get", ', "```json\n{"])
def test_a_break_does_not_lose_a_text_that_waited(text: str) -> None:
    broken = APIConnectionError("reset")
    events = (ROLE, chunk({"content": "All is well.\n"}), chunk({"content": text}))
    answer = ask_stream(*events, error=broken)
    assert said(answer) == f"All is well.\n{text}"
    assert "error" in json.loads(answer.events[-1])


def test_a_prompt_counts_the_same_whether_or_not_the_host_has_begun() -> None:
    """What stands around a chat was counted twice where the host had said nothing yet."""
    pieces = (b"data: {", b'"id":"cm')

    async def leave(*, is_fast: bool) -> CallEvent:
        hot = PlayedTransport(lambda _: Recorded(200, EVENTS, pieces), is_silent=True)
        recorded = Recorded(200, EVENTS, (*pieces, b"x"), pauses_s=(0.0, 0.0, 0.0, 1_000.0))
        edge = Edge(lambda _: recorded, CONFIG, is_fast=is_fast, hot=hot)
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes({**ASKED, "stream": True}, AUTH))
        for _ in range(100):
            await asyncio.sleep(0)
        protocol.connection_lost(None)
        for _ in range(100):
            await asyncio.sleep(0)
        return edge.events[0]

    async def run() -> tuple[CallEvent, CallEvent]:
        return await leave(is_fast=True), await leave(is_fast=False)

    passing, mending = asyncio.run(run())
    assert record(passing) == record(mending)
    assert passing.report.prompt_tokens > 0
