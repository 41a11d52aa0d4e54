"""Requests and answers that are cheap to send and dear to read: by kind, counted in steps.

The kinds: `tests/support/hostile.py`.
"""

from __future__ import annotations

import asyncio
import json
import threading
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.asgi import CHAT, CONFIG, MODEL, Answer, Caller, House
from tests.support.hostile import (
    ANSWERS,
    END,
    LINEAR,
    REQUESTS,
    STREAMS,
    chat,
    completion,
    delta,
    fill,
    growth,
    talk,
    unlike,
)
from tests.support.lanes import Edge, read_answer, request_bytes

from puna.engine.aside import A_PIECE, A_TURN
from puna.gateway.requests.body import is_heavy
from puna.gateway.requests.heavy_steps import HeavySteps
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.wire.http import HTTPRequest

SIZE = 16_000
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
FAST = ("temperature", "seed", "stop")
OK = Recorded(headers={"content-type": "application/json"}, pieces=(completion(),))


def house(reply: Recorded = OK, config: str = CONFIG) -> House:
    return House(config=config, transport=AsyncReplayTransport(lambda _: reply))


def ask(body: bytes, path: str = "/v1/chat/completions", config: str = CONFIG) -> Answer:
    return house(config=config).ask(path, body)


@pytest.mark.parametrize("kind", REQUESTS)
def test_the_steps_of_a_request_grow_as_its_length(kind: str) -> None:
    path, make = REQUESTS[kind]
    assert growth(lambda size: ask(make(size), path), SIZE) < LINEAR


@pytest.mark.parametrize("kind", REQUESTS)
def test_a_long_request_of_each_kind_is_answered_or_refused_in_words(kind: str) -> None:
    path, make = REQUESTS[kind]
    answer = ask(make(2_000_000), path)
    # No vectors came: the host of this test knows chat only.
    assert answer.status in (200, 400, 413) or (answer.status, path) == (502, "/v1/embeddings")


@pytest.mark.parametrize("kind", ANSWERS)
@pytest.mark.parametrize("status", [200, 400])
def test_the_steps_of_an_answer_grow_as_its_length(kind: str, status: int) -> None:
    body = {**CHAT, "tools": TOOLS, "num_retries": 0}

    def act(size: int) -> None:
        reply = Recorded(status, {"content-type": "application/json"}, (ANSWERS[kind](size),))
        assert house(reply).ask(body=body).status in (200, 400, 500, 502)

    assert growth(act, SIZE) < LINEAR


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        *(("/v1/chat/completions", kind) for kind in STREAMS),
        *(("/v1/messages", kind) for kind in ("texts", "calls", "pieces of a call")),
        *(("/v1/responses", kind) for kind in ("texts", "calls", "pieces of a call")),
    ],
)
def test_the_steps_of_a_stream_grow_as_its_length(path: str, kind: str) -> None:
    asked = {"model": MODEL, "input": "hi"} if path == "/v1/responses" else {**CHAT, "tools": TOOLS}
    body: dict[str, Any] = {**asked, "stream": True, "num_retries": 0}
    if path == "/v1/messages":
        body["max_tokens"] = 9
        body["tools"] = [{"name": "f", "input_schema": {"type": "object"}}]

    def act(size: int) -> None:
        reply = Recorded(200, {"content-type": "text/event-stream"}, (STREAMS[kind](size),))
        assert house(reply).ask(path, json.dumps(body).encode()).status in (200, 502)

    assert growth(act, SIZE) < LINEAR


@pytest.mark.parametrize("is_stream", [True, False])
def test_an_answer_of_too_many_values_is_a_failure_that_says_of_what(*, is_stream: bool) -> None:
    extra = b'"x":' + fill(b'{"a":0}', 300_000)
    whole, kind = completion(whole=b"," + extra), "application/json"
    if is_stream:
        whole, kind = delta(b'"content":"a"', b"," + extra) + END, "text/event-stream"
    body = {**CHAT, "stream": is_stream, "num_retries": 0}
    answer = house(Recorded(200, {"content-type": kind}, (whole,))).ask(body=body)
    assert (answer.status, answer.error["code"]) == (502, "malformed_reply")
    count = 25_000 + (len(whole) - (len(b"data: \n\n") + len(END) if is_stream else 0)) // 60
    assert f"JSON that holds more than {count:,} objects" in answer.error["message"]


def test_arguments_of_too_many_values_stay_a_text() -> None:
    """They took 22 times their length, as each list of `[[],[],…]` became one of 56 bytes."""
    tools = [{"name": "f", "input_schema": {"type": "object"}}]
    body = {**CHAT, "max_tokens": 9, "tools": tools, "num_retries": 0}
    for count, is_read in ((4_000, True), (400_000, False)):
        arguments = json.dumps({"o": [[]] * count}, separators=(",", ":"))
        call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
        whole = completion(b'"tool_calls":' + json.dumps([call]).encode())
        reply = Recorded(200, {"content-type": "application/json"}, (whole,))
        answer = house(reply).ask("/v1/messages", json.dumps(body).encode())
        (block,) = answer.json["content"]
        wanted: Any = {"o": [[]] * count} if is_read else {"INVALID_JSON": arguments}
        assert block["input"] == wanted


def limited(values: int) -> str:
    return CONFIG + f"\ngeneral_settings: {{max_request_values: {values}}}\n"


@pytest.mark.parametrize(
    ("extra", "most"),
    [
        (b'"stop":["a","b","c"]', 9),
        (b'"x":[1,2,3,{"a":1}]', 11),
        (b'"x":"[,{[,{[,{[,{"', 6),
        (b'"x":["\\"],[,", "]"]', 8),
    ],
)
def test_a_body_holds_as_many_values_as_the_configuration_says(extra: bytes, most: int) -> None:
    body = chat(extra)
    # One container for each 100 values and each 100 bytes is far less than these bodies have.
    assert ask(body, config=limited(100 * most)).status == 200
    answer = ask(body, config=limited(most // 4))
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")
    assert "`general_settings.max_request_values`" in answer.error["message"]


def test_lists_and_objects_are_fewer_than_values() -> None:
    body = talk(fill(b'{"role":"user","content":"a"}', 1_000_000))
    answer = ask(body)
    assert answer.status == 413
    assert "15,000 lists and objects" in answer.error["message"]
    long = b'{"role":"user","content":"%b"}' % (b"a, [" * 30)
    assert ask(talk(fill(long, 1_000_000))).status == 200


def test_short_strings_are_fewer_than_values() -> None:
    """136,000 of eight bytes took 6.7 times their length."""
    short = chat(b'"x":[' + unlike(b'"%d"', 1_900_000) + b"]")
    answer = ask(short)
    assert answer.status == 413
    assert f"{100_000 + len(short) // 20:,} strings" in answer.error["message"]
    assert ask(chat(b'"x":' + fill(b'"a word or two of a text"', 3_000_000))).status == 200


def test_a_hundred_tools_generated_from_code_are_no_hostile_request() -> None:
    """Pydantic writes four lists and objects of 90 bytes for each optional parameter of a tool."""
    optional = {"anyOf": [{"type": "string"}, {"type": "null"}], "default": None, "title": "A name"}
    schema = {"type": "object", "properties": {f"field_{n}": optional for n in range(40)}}
    tools = [
        {"type": "function", "function": {"name": f"tool_{n}", "parameters": schema}}
        for n in range(100)
    ]
    body = json.dumps({**CHAT, "tools": tools}, separators=(",", ":")).encode()
    assert len(body) < 500_000
    assert ask(body).status == 200


@pytest.mark.parametrize("is_fast", [True, False])
def test_both_lanes_have_the_same_limit(*, is_fast: bool) -> None:
    many = json.loads(talk(fill(b'{"role":"user","content":""}', 3_000_000)))
    few = {**CHAT, "stop": ["a", "b", "c"]}

    async def run(body: Any, config: str) -> int:
        edge = Edge(lambda _: OK, config.replace("UPSTREAM", "http://h/v1"), is_fast=is_fast)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(body, {}))
        for _ in range(20_000):
            answer = read_answer(wire.written)
            if answer is not None:
                return answer.status
            await asyncio.sleep(0.001)
        raise AssertionError(wire.written)

    assert asyncio.run(run(many, CONFIG)) == 413
    assert asyncio.run(run(few, limited(5))) == 413
    assert asyncio.run(run(few, limited(500))) == 200


@pytest.mark.parametrize("opening", ["[", '{"a":', "[\n", '[{"a":'])
def test_a_body_that_is_nested_too_deeply_is_told_so(opening: str) -> None:
    answer = ask(chat(b'"x":' + opening.encode() * 500))
    assert answer.status == 400
    assert "nested too deeply; at most 201 lists and objects" in answer.error["message"]


def test_a_body_has_at_most_a_thousand_fields() -> None:
    assert ask(chat(unlike(b'"k%d":0', 9_000))).status == 200
    answer = ask(chat(unlike(b'"k%d":0', 15_000)))
    assert answer.status == 413
    assert "fields; send at most 1000" in answer.error["message"]


def test_a_heavy_body_is_read_on_a_thread_while_the_loop_goes_on() -> None:
    body = chat(b'"x":' + fill(b"[]", 12_000))
    assert is_heavy(body)
    assert not is_heavy(chat(b'"x":' + fill(b"[]", 2_000)))
    loop_turned = threading.Event()

    async def run() -> str:
        aside = HeavySteps()

        def step() -> str:
            assert loop_turned.wait(20)
            return threading.current_thread().name

        reading = asyncio.ensure_future(aside.run(step))
        await asyncio.sleep(0)
        loop_turned.set()
        name = await reading
        aside.close()
        return name

    assert asyncio.run(run()).startswith("heavy requests")
    assert ask(body).status == 200


def test_a_heavy_body_that_is_wrong_is_refused_as_any_other() -> None:
    answer = ask(talk(fill(b'{"role":"none","content":"a"}', 100_000)))
    assert (answer.status, answer.error["param"]) == (400, "messages[0].role")


@pytest.mark.parametrize(
    "lack", [MemoryError(), RuntimeError("can't start new thread")], ids=["values", "threads"]
)
def test_a_request_without_memory_is_503_and_the_next_one_is_answered(lack: Exception) -> None:
    left: list[Recorded] = [OK]

    def play(request: HTTPRequest) -> Recorded:
        del request
        if left:
            return left.pop()
        raise lack

    one = House(transport=AsyncReplayTransport(play))
    assert one.ask(body=chat(b'"tools":[]')).status == 200
    answer = one.ask(body=chat(b'"tools":[]'))
    assert (answer.status, answer.error["code"]) == (503, "out_of_memory")
    left.append(OK)
    assert one.ask(body=chat(b'"tools":[]')).status == 200


@pytest.mark.parametrize("is_stream", [True, False])
def test_an_answer_has_at_most_so_many_calls_and_choices(*, is_stream: bool) -> None:
    calls = b'"tool_calls":[' + unlike(b'{"id":"%d","function":{"name":"f"}}', 300_000) + b"]"
    many = b",".join(
        b'{"index":%d,"%b":{"content":"a"},"finish_reason":"stop"}'
        % (number, b"delta" if is_stream else b"message")
        for number in range(5_000)
    )
    kind = b'"object":"chat.completion%b"' % (b".chunk" if is_stream else b"")
    whole = b'{"id":"x","created":1,"model":"m",' + kind + b',"choices":[' + many + b"]}"
    for body in (
        delta(calls) if is_stream else completion(calls),
        b"data: " + whole + b"\n\n" if is_stream else whole,
    ):
        type_ = "text/event-stream" if is_stream else "application/json"
        reply = Recorded(headers={"content-type": type_}, pieces=(body,))
        asked = {**CHAT, "tools": TOOLS, "stream": is_stream, "num_retries": 0}
        answer = house(reply).ask(body=asked)
        assert "malformed_reply" in answer.text


@pytest.mark.parametrize("kind", ["objects", "empty events", "pieces of a call", "texts"])
@pytest.mark.parametrize("piece_bytes", [7, 400_000])
def test_a_stream_that_is_there_already_gives_others_their_turn(
    kind: str, piece_bytes: int
) -> None:
    size = 200_000 if piece_bytes > 100 else 40_000
    stream = STREAMS[kind](size)
    pieces = tuple(stream[at : at + piece_bytes] for at in range(0, len(stream), piece_bytes))
    reply = Recorded(200, {"content-type": "text/event-stream"}, pieces)
    body = {**CHAT, "tools": TOOLS, "stream": True, "num_retries": 0}

    async def run() -> int:
        asking = asyncio.ensure_future(
            Caller("POST", "/v1/chat/completions", body).call(house(reply).app)
        )
        turns = 0
        while not asking.done():
            turns += 1
            await asyncio.sleep(0)
        assert asking.result().chunks
        return turns

    # Each piece counts beside its bytes, and there are turns enough for half of all that.
    assert asyncio.run(run()) > (size + A_PIECE * len(pieces)) // (2 * A_TURN)


@given(st.data())
@settings(max_examples=60, deadline=None)
def test_no_mix_of_hostile_kinds_is_a_failure_of_ours(data: st.DataObject) -> None:
    path, make = REQUESTS[data.draw(st.sampled_from(sorted(REQUESTS)))]
    body = make(data.draw(st.integers(10, 30_000)))
    cut = data.draw(st.integers(0, len(body)))
    mixed = body[:cut] + data.draw(st.sampled_from((b"", b"[", b'"', b"\\", b"]", b"\xff", body)))
    answer = ask(mixed, path)
    assert answer.status in (200, 400, 413) or (answer.status, path) == (502, "/v1/embeddings")
