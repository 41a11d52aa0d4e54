"""Both lanes of the gateway give the same answers and the same records of a call."""

from __future__ import annotations

import asyncio
import gc
import json
import pickle
import random
import re
import weakref
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.asgi import Answer, directory_of
from tests.support.lane_pairs import ASKING, AUTH, CONFIG, HOST_KEY, KEY, ask_both
from tests.support.lanes import Edge, PlayedTransport, Wire, read_answer, request_bytes

from puna.errors import APIConnectionError, APITimeoutError
from puna.gateway.passing.call import FastCall
from puna.gateway.passing.cycle import FastCycle
from puna.gateway.passing.routes import make_route
from puna.gateway.server.protocol import GatewayProtocol
from puna.providers.table import PROVIDERS
from puna.telemetry.events import CallEvent, Hook
from puna.transports.replay import Player, Recorded
from puna.wire.http import HTTPReply, HTTPRequest

# --- a thousand requests, drawn by a seed


def envelope(kind: str, dice: random.Random) -> dict[str, Any]:
    return {
        "id": "cmpl-7",
        "object": kind,
        "created": 1_750_000_001,
        "model": dice.choice(["up/model", "public", "same", "other"]),
    }


def usage(dice: random.Random) -> dict[str, Any]:
    plain = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    odd: list[dict[str, Any]] = [
        {"prompt_tokens": 7, "completion_tokens": None},
        {**plain, "prompt_tokens_details": {"cached_tokens": 3}},
        {**plain, "prompt_tokens_details": None, "x": 1},
        {**plain, "prompt_tokens": 2**53 + 1},
        {**plain, "completion_tokens": -1},
        {},
    ]
    return plain if dice.random() < 0.7 else dice.choice(odd)


def whole(dice: random.Random) -> Recorded:
    message: dict[str, Any] = {"role": "assistant", "content": 'Hé "model":"up/model" \n'}
    if dice.random() < 0.2:
        message |= dice.choice(
            [
                {"content": None},
                {"content": [{"type": "text", "text": "a"}]},
                {"refusal": None},
                {"annotations": None},
                {"tool_calls": []},
                {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
                {"reasoning_content": "hm"},
            ]
        )
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    if dice.random() < 0.5:
        choice["logprobs"] = dice.choice([None, None, {"content": []}])
    choices = [choice] if dice.random() < 0.9 else [choice, {**choice, "index": 1}]
    reply = {**envelope("chat.completion", dice), "choices": choices, "usage": usage(dice)}
    if dice.random() < 0.2:
        reply |= dice.choice(
            [
                {"system_fingerprint": None},
                {"system_fingerprint": "fp"},
                {"x": {"model": "up/model"}},
                {"id": ""},
                {"choices": []},
                {"error": {"message": "no"}},
            ]
        )
    body = json.dumps(reply, ensure_ascii=dice.random() < 0.5).encode()
    cut = dice.randrange(len(body)) if dice.random() < 0.5 else 0
    headers = {"content-type": "application/json", "x-ratelimit-remaining-requests": "9"}
    if dice.random() < 0.1:
        headers["x-echo"] = HOST_KEY
    return Recorded(200, headers, (body[:cut], body[cut:]))


def deltas(dice: random.Random) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "assistant", "content": dice.choice(["", "He"])}]
    said += [
        {"content": dice.choice(["lo", " w", "wörld", "\n", '"', "\\", "\x7f"])}
        for _ in range(dice.randrange(9))
    ]
    if dice.random() < 0.25:
        odd: dict[str, Any] = dice.choice(
            [
                {"content": ""},
                {"role": "assistant", "content": "again"},
                {"content": None},
                {"reasoning_content": "hm"},
                {
                    "tool_calls": [
                        {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
                    ]
                },
            ]
        )
        said.insert(dice.randrange(len(said) + 1), odd)
    return said


def frames(dice: random.Random) -> list[bytes]:
    head = envelope("chat.completion.chunk", dice)
    extra: dict[str, Any] = dice.choice(
        [{}, {}, {"usage": None}, {"system_fingerprint": None}, {"x": 1}]
    )
    reason: dict[str, Any] = {"finish_reason": None} if dice.random() < 0.9 else {}
    ends = "\r\n" if dice.random() < 0.1 else "\n"
    made = [
        {**head, **extra, "choices": [{"index": 0, "delta": delta, **reason}]}
        for delta in deltas(dice)
    ]
    made.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if dice.random() < 0.6:
        nothing = [] if dice.random() < 0.8 else [{"index": 0, "delta": {}}]  # as LiteLLM's proxy
        made.append({**head, "choices": nothing, "usage": usage(dice)})
    texts = [json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in made]
    if dice.random() < 0.2:
        texts.insert(
            dice.randrange(len(texts)),
            dice.choice(['{"error":{"message":"broke","code":500}}', "{", "null", "", "[1]"]),
        )
    if dice.random() < 0.8:
        texts.append("[DONE]")
    lines = [f"data: {text}{ends}{ends}".encode() for text in texts]
    if dice.random() < 0.2:
        lines.insert(dice.randrange(len(lines)), b": ping\n\n")
    return lines


def stream(dice: random.Random) -> Recorded:
    data = b"".join(frames(dice))
    if dice.random() < 0.15:
        data = data[: dice.randrange(len(data))]
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(8)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]
    error = APIConnectionError("Cannot reach `http://up`: cut") if dice.random() < 0.1 else None
    return Recorded(200, {"content-type": "text/event-stream"}, pieces, error)


def failure(dice: random.Random) -> Recorded:
    status = dice.choice([400, 401, 403, 404, 410, 422, 429, 500, 503])
    body = dice.choice(
        [
            json.dumps({"error": {"message": f"no {HOST_KEY}", "type": "t", "code": "c"}}),
            json.dumps({"title": "t", "detail": "d", "status": status}),
            "<html>gone</html>",
            "",
        ]
    )
    return Recorded(status, {"content-type": "application/json"}, (body.encode(),))


def reply_of(dice: random.Random, *, is_stream: bool) -> Recorded:
    kind = dice.random()
    if kind < 0.15:
        return failure(dice)
    if kind < 0.2:
        return Recorded(error=APITimeoutError("No answer from `http://up`."), is_refused=True)
    return stream(dice) if is_stream == (kind < 0.97) else whole(dice)


def body_of(dice: random.Random) -> dict[str, Any]:
    names = ["public", "public", "priced", "same", "falls", "wild/x", "nobody", "own", "own-falls"]
    body: dict[str, Any] = {
        "model": dice.choice(names),
        "messages": [{"role": "user", "content": "hi é"}],
    }
    known = {
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["x"],
        "seed": 3,
        "user": "u",
        "n": 1,
        "top_p": 1,
    }
    odd: dict[str, Any] = {
        "temperature": None,
        "tools": [],
        "top_k": 4,
        "metadata": {"a": 1},
        "max_tokens": 0,
        "messages": [],
        "stream_options": {},
        "timeout": 5,
        "api_base": "http://x",
    }
    body |= {name: value for name, value in known.items() if dice.random() < 0.3}
    if dice.random() < 0.5:
        body["stream"] = True
        if dice.random() < 0.4:
            body["stream_options"] = {"include_usage": dice.random() < 0.7}
    if dice.random() < 0.15:
        name = dice.choice(list(odd))
        body[name] = odd[name]
    return body


@pytest.mark.parametrize("part", range(4))
def test_a_thousand_requests_get_the_same_through_both_lanes(part: int) -> None:
    config = ASKING if part % 2 else CONFIG

    async def run() -> list[str]:
        lanes: list[str] = []
        for seed in range(part * 250, part * 250 + 250):
            dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
            body = body_of(dice)
            recorded = reply_of(dice, is_stream=bool(body.get("stream")))

            def play(request: HTTPRequest, recorded: Recorded = recorded) -> Recorded:
                return failure(random.Random(1)) if "down" in request.url else recorded  # noqa: S311

            _, _, answer = await ask_both(play, request_bytes(body, AUTH), config)
            lanes.append(answer.headers.get("x-puna-lane", "none"))
        return lanes

    lanes = asyncio.run(run())
    assert lanes.count("fast") > 50
    assert lanes.count("full") > 5


# --- which lane


HI = {"model": "public", "messages": [{"role": "user", "content": "hi"}]}


def plain_reply(model: str = "up/model") -> Recorded:
    message = {"role": "assistant", "content": "Hello"}
    reply = {
        "id": "cmpl-7",
        "object": "chat.completion",
        "created": 5,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12},
    }
    return Recorded(200, {"content-type": "application/json"}, (json.dumps(reply).encode(),))


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


@pytest.mark.parametrize(
    "settings",
    [
        "response_format: {type: json_object}",
        "mock_response: Hello",
        "additional_drop_params: [user]",
    ],
)
def test_a_deployment_that_adds_or_takes_away_goes_the_long_way(settings: str) -> None:
    config = f"""
model_list:
  - model_name: public
    litellm_params: {{model: openai/up, api_base: "http://up/v1", {settings}}}
"""
    assert ask_edge(HI, config=config).headers["x-puna-lane"] == "full"


def test_what_a_host_does_not_take_goes_the_long_way() -> None:
    config = """
model_list:
  - model_name: public
    litellm_params: {model: embedded/smollm2-135m}
"""
    directory = directory_of(config)
    assert (
        make_route(directory, "public", PlayedTransport(lambda _: plain_reply()), is_stream=False)
        is None
    )
    assert (
        make_route(directory, "nobody", PlayedTransport(lambda _: plain_reply()), is_stream=False)
        is None
    )


@pytest.mark.parametrize(
    ("model", "wish", "lane"),
    [
        ("groq/m", {"max_tokens": 5}, "fast"),
        ("groq/m", {"n": 1}, "full"),
        ("lm_studio/m", {"max_tokens": 5}, "fast"),
        ("lm_studio/m", {"max_completion_tokens": 5}, "full"),
        ("azure/m", {"n": 1}, "fast"),
        ("together_ai/m", {}, "full"),
    ],
)
def test_what_a_row_has_a_rule_about_goes_the_long_way(
    model: str, wish: dict[str, int], lane: str
) -> None:
    config = f"""
model_list:
  - model_name: public
    litellm_params: {{model: {model}, api_base: "http://up", api_key: sk-host}}
"""
    asked: list[HTTPRequest] = []

    def play(request: HTTPRequest) -> Recorded:
        asked.append(request)
        return plain_reply()

    answer = ask_edge({**HI, **wish}, config=config, play=play)
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, lane)
    row = PROVIDERS[model.partition("/")[0]]
    (sent,) = asked
    assert row.quirks.path_prefix.replace("{model}", "m") in sent.url
    name = row.quirks.key_header or "authorization"
    assert sent.headers[name].endswith("sk-host")


def ask_edge(body: Any, *, config: str = CONFIG, play: Player | None = None) -> Answer:
    async def ask() -> Answer:
        edge = Edge(play or (lambda _: plain_reply()), config, is_fast=True)
        return await edge.ask(request_bytes(body, AUTH))

    return asyncio.run(ask())


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


# --- the connection


def chunk(text: str, **fields: Any) -> bytes:
    choice = {"index": 0, "delta": {"content": text, **fields}, "finish_reason": None}
    head = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "up/model"}
    return b"data: " + json.dumps({**head, "choices": [choice]}).encode() + b"\n\n"


def endless() -> Recorded:
    pieces = (chunk("a", role="assistant"), *(chunk("b") for _ in range(500)))
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


def ended() -> Recorded:
    last = b'data: {"choices":[{"index":0,"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
    whole = endless()
    return Recorded(200, whole.headers, (*whole.pieces, last))


STREAMED = {**HI, "stream": True}


async def turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


@pytest.mark.case(126)
def test_a_client_that_leaves_ends_the_call_and_it_is_settled() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        assert b'"model":"public"' in wire.written
        protocol.connection_lost(None)
        before = len(wire.written)
        await turns(10)
        assert len(wire.written) == before
        return edge

    edge = asyncio.run(run())
    assert [exchange.is_cancelled for exchange in edge.hot.exchanges] == [True]
    (event,) = edge.events
    assert event.outcome == "cancelled"
    assert event.report.is_usage_estimated
    assert event.report.completion_tokens > 0


@pytest.mark.case(127)
def test_a_slow_reader_pauses_the_host() -> None:
    async def run() -> None:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        protocol.pause_writing()
        await turns(2)
        before = len(wire.written)
        await turns(20)
        assert len(wire.written) == before
        protocol.resume_writing()
        await turns(1_000)
        assert len(wire.written) > before
        assert wire.written.endswith(b"0\r\n\r\n")

    asyncio.run(run())


@pytest.mark.case(132)
def test_requests_on_one_connection_are_answered_in_order_and_pipelined_ones_too() -> None:
    async def run() -> None:
        edge = Edge(
            lambda request: plain_reply(json.loads(request.body)["model"]), CONFIG, is_fast=True
        )
        protocol, wire = edge.connect()
        ask = [request_bytes({**HI, "model": f"wild/{n}"}, AUTH) for n in range(3)]
        protocol.data_received(ask[0][:50])
        protocol.data_received(ask[0][50:] + ask[1])
        await turns(300)
        protocol.data_received(ask[2])
        await turns(300)
        assert re.findall(rb'"model":"(wild/\d)"', wire.written) == [
            b"wild/0",
            b"wild/1",
            b"wild/2",
        ]
        assert not wire.has_ended

    asyncio.run(run())


HI_BYTES = request_bytes(HI, AUTH)


def test_a_client_that_leaves_with_a_request_in_the_queue_is_noticed() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        reads: list[bool] = []
        for data in (request_bytes(STREAMED, AUTH) + request_bytes(HI, AUTH), HI_BYTES * 20):
            protocol.data_received(data)
            await turns(20)
            reads.append(wire.reads)
        assert reads == [True, False]
        protocol.connection_lost(None)
        await turns(50)
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


def test_a_client_that_leaves_ends_the_first_of_its_pipelined_requests() -> None:
    """uvicorn tells only the last request of a connection that its client has left."""
    long = Recorded(200, endless().headers, tuple(endless().pieces) * 40)

    async def run() -> Edge:
        edge = Edge(lambda _: long, CONFIG, is_fast=False)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH) + HI_BYTES * 2)
        await turns(20)
        assert b'"model":"public"' in wire.written
        protocol.connection_lost(None)
        before = len(wire.written)
        await turns(20)
        assert len(wire.written) == before
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


def test_another_version_of_http_is_refused() -> None:
    async def ask(version: bytes) -> Answer:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        return await edge.ask(request_bytes(HI, AUTH).replace(b"HTTP/1.1", version))

    answer = asyncio.run(ask(b"HTTP/2.0"))
    assert (answer.status, answer.error["code"]) == (505, "invalid_request")
    assert asyncio.run(ask(b"HTTP/1.1")).status == 200


def test_a_client_that_wants_no_further_request_is_told_so() -> None:
    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        for body, headers in ((HI, {"connection": "close"}), ({**HI, "model": "nobody"}, {})):
            protocol, wire = edge.connect()
            protocol.data_received(request_bytes(body, {**AUTH, **headers}))
            await turns(100)
            assert wire.has_ended == bool(headers)
            assert (b"connection: close" in wire.written) == bool(headers)

    asyncio.run(run())


@pytest.mark.case(128)
@pytest.mark.parametrize("is_stream", [True, False])
def test_the_end_of_the_gateway_settles_what_is_under_way_and_tells_the_client(
    *, is_stream: bool
) -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED if is_stream else HI, AUTH) + HI_BYTES)
        await turns(10)
        assert bool(wire.written) is is_stream
        await edge.app.finish_visits()
        assert wire.is_closed
        answer = read_answer(wire.written)
        assert answer is not None
        assert answer.status == (200 if is_stream else 503)
        error = json.loads(answer.events[-1] if is_stream else answer.text)["error"]
        assert error["code"] == "gateway_stopping"
        assert wire.written.count(b"HTTP/1.1 ") == 1
        assert ("close" in answer.headers.get("connection", "")) is not is_stream
        return edge

    assert [event.outcome for event in asyncio.run(run()).events] == ["cancelled"]


@pytest.mark.case(141)
def test_a_failure_is_tried_again_after_its_pause() -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> tuple[Edge, Answer]:
        replies = iter((Recorded(503, {"retry-after-ms": "10"}, (b"",)), plain_reply()))
        edge = Edge(lambda _: next(replies), config, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(HI, AUTH))
        while (answer := read_answer(wire.written)) is None:  # noqa: ASYNC110 - a timer brings it
            await asyncio.sleep(0.001)
        return edge, answer

    edge, answer = asyncio.run(run())
    assert answer.status == 200
    assert answer.headers["x-litellm-attempted-retries"] == "1"
    assert len(edge.hot.requests) == 2


@pytest.mark.case(126)
@pytest.mark.parametrize("asked", [HI, STREAMED])
def test_a_client_that_leaves_during_a_pause_ends_it_and_has_used_nothing(
    asked: Mapping[str, Any],
) -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> Edge:
        edge = Edge(lambda _: Recorded(503, {"retry-after": "9"}, (b"",)), config, is_fast=True)
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(asked, AUTH))
        await turns(20)
        protocol.connection_lost(None)
        return edge

    edge = asyncio.run(run())
    (event,) = edge.events
    assert event.outcome == "cancelled"
    assert (event.report.prompt_tokens, event.report.is_usage_estimated) == (0, False)
    assert len(edge.hot.requests) == 1


@pytest.mark.case(154, 155)
@pytest.mark.parametrize("after", [0, 1, 3])
def test_what_nobody_foresaw_is_an_answer_and_a_settlement(
    after: int, caplog: pytest.LogCaptureFixture
) -> None:
    class Broken(bytes):
        def rfind(self, *_: Any) -> int:
            raise ZeroDivisionError("a secret detail")

    pieces = [chunk("a", role="assistant"), chunk("b"), chunk("c")]
    pieces.insert(after, Broken(b"data: {"))
    answer = ask_edge(
        STREAMED,
        play=lambda _: Recorded(200, {"content-type": "text/event-stream"}, pieces),
    )
    assert "secret" not in answer.text
    assert "A call failed" in caplog.text
    if after == 0:
        assert answer.status == 500
    else:
        assert answer.status == 200
        assert json.loads(answer.events[-1])["error"]["code"] == "internal_error"


class FailingOnce(Wire):
    """A connection whose first write goes wrong."""

    has_failed = False

    def write(self, data: Any) -> None:
        if not self.has_failed:
            self.has_failed = True
            raise ZeroDivisionError("a secret detail")
        super().write(data)


def spoil(event: CallEvent) -> None:
    """A hook that makes the head of the reply impossible."""
    setattr(event.report, "duration_s", None)  # noqa: B010 - no type allows it


@pytest.mark.parametrize(("hooks", "wire"), [((spoil,), Wire()), ((), FailingOnce())])
def test_a_failure_behind_the_settlement_is_an_answer_all_the_same(
    hooks: tuple[Hook, ...], wire: Wire, caplog: pytest.LogCaptureFixture
) -> None:
    async def ask() -> tuple[Edge, Answer | None]:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True, hooks=hooks)
        protocol, _ = edge.connect(wire)
        protocol.data_received(request_bytes(HI, AUTH))
        await turns(50)
        return edge, read_answer(wire.written)

    edge, answer = asyncio.run(ask())
    assert answer is not None
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert "secret" not in answer.text
    assert [event.outcome for event in edge.events] == ["success"]
    assert "A call failed" in caplog.text


def test_an_async_hook_is_awaited() -> None:
    heard: list[str] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0)
        heard.append(event.outcome)

    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True, hooks=(hook,))
        await edge.ask(request_bytes(HI, AUTH))
        await turns(5)

    asyncio.run(run())
    assert heard == ["success"]


def test_lines_of_the_log_come_together_and_each_is_one_line(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("INFO", "puna.gateway")

    async def run() -> None:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        for _ in range(3):
            await edge.ask(request_bytes(HI, AUTH))
        assert "-> openai/up/model" not in caplog.text
        await edge.app.finish_visits()

    asyncio.run(run())
    lines = [record.getMessage() for record in caplog.records if record.levelname == "INFO"]
    assert len(lines) == 3
    assert re.fullmatch(
        r"POST /v1/chat/completions 200 \d+\.\d ms public -> openai/up/model", lines[0]
    )


TWO_HOSTS = f"""
model_list:
  - model_name: first
    litellm_params: {{model: openai/first, api_base: "http://down/v1", api_key: sk-aaaa-first-host}}
  - model_name: second
    litellm_params:
      model: litellm_proxy/second
      api_base: http://up/v1
      api_key: sk-bbbb-second-host
litellm_settings: {{num_retries: 0}}
router_settings: {{fallbacks: [{{first: [second]}}], disable_cooldowns: true}}
general_settings: {{master_key: {KEY}}}
"""


@pytest.mark.case(155)
@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("first", [Recorded(503, {}, (b"",)), Recorded(200, {}, (b"{}",))])
def test_the_key_of_a_fallbacks_host_is_hidden_too(is_stream: bool, first: Recorded) -> None:  # noqa: FBT001 - a parametrised case
    def play(request: HTTPRequest) -> Recorded:
        if "down" in request.url:
            return first
        raise APIConnectionError("Cannot reach sk-bbbb-second-host", is_retryable=False)

    async def run() -> tuple[Answer, Edge, Answer]:
        data = request_bytes({**HI, "model": "first", "stream": is_stream}, AUTH)
        fast = Edge(play, TWO_HOSTS, is_fast=True)
        full = Edge(play, TWO_HOSTS, is_fast=False)
        return await fast.ask(data), fast, await full.ask(data)

    answer, edge, other = asyncio.run(run())
    assert len(edge.hot.requests) == 2
    assert "bbbb" not in answer.text
    assert answer.json == other.json
    assert edge.events[0].error is not None
    assert edge.events[0].report.provider == "litellm_proxy"


def test_the_end_of_the_gateway_waits_for_the_hooks_of_the_last_calls() -> None:
    heard: list[str] = []

    async def hook(event: CallEvent) -> None:
        await asyncio.sleep(0.01)
        heard.append(event.outcome)

    async def run() -> None:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True, hooks=(hook,))
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(10)
        await edge.app.finish_visits()

    asyncio.run(run())
    assert heard == ["cancelled"]


@pytest.mark.parametrize("body", [HI, STREAMED])
def test_a_request_and_its_connection_leave_no_work_for_the_collector(body: Any) -> None:
    async def run() -> int:
        edge = Edge(lambda _: plain_reply() if body is HI else ended(), CONFIG, is_fast=True)
        await edge.ask(request_bytes(body, AUTH))
        edge.events.clear()
        edge.hot.exchanges.clear()
        gc.collect()
        gc.disable()
        try:
            await edge.ask(request_bytes(body, AUTH))
            edge.events.clear()
            edge.hot.exchanges.clear()
            await turns(3)
            kinds = (FastCycle, GatewayProtocol, FastCall)
            return sum(isinstance(one, kinds) for one in gc.get_objects())
        finally:
            gc.enable()

    assert asyncio.run(run()) == 0


LONG = b'{"choices": [' + b" " * 100_000
BROKEN_BODIES: list[tuple[Any, Recorded]] = [
    (body, reply)
    for body in (HI, STREAMED)
    for reply in (
        Recorded(500, {"content-type": "application/json"}, (b'{"error": "no"}', LONG)),
        Recorded(200, {"content-type": "application/json"}, (LONG,)),
        Recorded(200, {"content-type": "application/json"}, (b'{"choices": []}',)),
        Recorded(200, {"content-type": "text/html"}, (b"<html>" + LONG,)),
    )
]
BROKEN_STREAMS: list[tuple[Any, Recorded]] = [
    (STREAMED, Recorded(200, {"content-type": "text/event-stream"}, pieces, error))
    for pieces in ((b"data: {\n\n",), (chunk("a", role="assistant"), b"data: {\n\n"), ())
    for error in (None, APIConnectionError("Cannot reach `http://up`: cut"))
]


@pytest.mark.parametrize(("body", "reply"), BROKEN_BODIES + BROKEN_STREAMS)
def test_a_call_that_failed_is_gone_with_all_that_it_read(body: Any, reply: Recorded) -> None:
    calls: list[weakref.ref[FastCall]] = []

    def play(_: HTTPRequest) -> Recorded:
        calls.extend(weakref.ref(one) for one in gc.get_objects() if isinstance(one, FastCall))
        return reply

    async def run() -> tuple[Answer, int]:
        edge = Edge(play, CONFIG, is_fast=True)
        gc.collect()
        gc.disable()
        try:
            answer = await edge.ask(request_bytes(body, AUTH))
            edge.events.clear()
            edge.hot.exchanges.clear()
            await turns(3)
            read = [one for one in gc.get_objects() if isinstance(one, HTTPReply)]
            return answer, len(read)
        finally:
            gc.enable()

    answer, replies = asyncio.run(run())
    assert answer.status >= 400 or b"error" in answer.body
    assert len(calls) == 1
    assert ([call() for call in calls], replies) == ([None], 0)


def test_one_byte_at_a_time_a_long_event_is_read_by_the_linear_reader() -> None:
    long = chunk("x" * 40_000, role="assistant")
    data = (
        long + b"data: " + json.dumps({"choices": [{"index": 0, "finish_reason": "stop"}]}).encode()
    )
    pieces = [data[i : i + 97] for i in range(0, len(data), 97)]
    reply = Recorded(200, {"content-type": "text/event-stream"}, (*pieces, b"\n\n"))
    answer = ask_edge(STREAMED, play=lambda _: reply)
    assert answer.said == "x" * 40_000


# --- what a hostile tester found


@pytest.mark.case(127)
def test_who_does_not_read_gets_no_further_call_of_the_fast_lane() -> None:
    async def run() -> Edge:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, _ = edge.connect()
        protocol.data_received(request_bytes(HI, AUTH))
        await turns(50)
        protocol.pause_writing()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        await turns(50)
        protocol.connection_lost(None)
        await turns(50)
        return edge

    assert len(asyncio.run(run()).hot.requests) == 1


@pytest.mark.case(127)
def test_a_pause_holds_for_the_next_attempt_too() -> None:
    config = CONFIG.replace("num_retries: 0", "num_retries: 1")

    async def run() -> tuple[int, int]:
        replies = iter((Recorded(503, {"retry-after-ms": "1"}, (b"",)), ended()))
        edge = Edge(lambda _: next(replies), config, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(STREAMED, AUTH))
        protocol.pause_writing()
        await turns(5)
        edge.hot.exchanges[0].resume()
        while len(edge.hot.exchanges) == 1:  # noqa: ASYNC110 - a timer of the loop brings it
            await asyncio.sleep(0.001)
        await turns(20)
        held = len(wire.written)
        protocol.resume_writing()
        await turns(1_200)
        return held, len(wire.written)

    held, written = asyncio.run(run())
    assert held == 0
    assert written > 10_000


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


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [HI, {**HI, "tools": []}])
def test_a_request_whose_body_is_on_its_way_at_the_end_is_answered(body: Any) -> None:
    async def run() -> Wire:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        data = request_bytes(body, AUTH)
        protocol.data_received(data[:-5])
        protocol.shutdown()
        assert not wire.has_ended
        protocol.data_received(data[-5:])
        await turns(100)
        return wire

    wire = asyncio.run(run())
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [STREAMED, {**STREAMED, "tools": []}], ids=["fast", "full"])
def test_a_client_that_asks_at_once_behind_its_stream_is_answered_at_the_end(body: Any) -> None:
    async def run() -> tuple[bytes, Wire]:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(body, AUTH))
        while b"\r\n\r\n" not in wire.written:  # the head promises that one more may come
            await turns(1)
        protocol.shutdown()
        await turns(2_000)
        first, wire.written = wire.written, b""
        assert not wire.has_ended
        protocol.data_received(request_bytes(body, AUTH))
        await turns(2_000)
        return first, wire

    first, wire = asyncio.run(run())
    assert b"connection: close" not in first
    assert first.endswith(b"0\r\n\r\n")
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


@pytest.mark.case(128)
@pytest.mark.parametrize("body", [STREAMED, {**STREAMED, "tools": []}], ids=["fast", "full"])
def test_a_stream_that_has_not_begun_at_the_end_says_that_it_is_the_last(body: Any) -> None:
    async def run() -> Wire:
        edge = Edge(lambda _: endless(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(request_bytes(body, AUTH))
        assert not wire.written
        protocol.shutdown()
        await turns(2_000)
        return wire

    wire = asyncio.run(run())
    answer = read_answer(wire.written)
    assert answer is not None
    assert (answer.status, answer.headers["connection"]) == (200, "close")
    assert wire.has_ended


BAD = b"\0garbage\r\n\r\n"
CUT = request_bytes(HI, {**AUTH, "transfer-encoding": "chunked"}).partition(b"content-length")[0]
BAD_BODY = CUT.replace(b"content-type: ", b"x-type: ") + b"\r\nzz\r\n"
"""A request in chunks of which the first has no length."""


async def answers_before(*reads: bytes, play: Player) -> tuple[list[Answer], Wire]:
    """All whole replies on a connection that got these reads."""
    edge = Edge(play, CONFIG, is_fast=True)
    protocol, wire = edge.connect()
    for read in reads:
        if not wire.has_ended:
            protocol.data_received(read)
        await turns(10)
    await turns(2_000)
    answers: list[Answer] = []
    for part in wire.written.split(b"HTTP/1.1 ")[1:]:
        answer = read_answer(b"HTTP/1.1 " + part)
        assert answer is not None
        answers.append(answer)
    return answers, wire


@pytest.mark.case(132)
@pytest.mark.parametrize("behind", [BAD, BAD_BODY, BAD + BAD])
@pytest.mark.parametrize("body", [HI, {**HI, "tools": []}, STREAMED, {**STREAMED, "tools": []}])
@pytest.mark.parametrize("is_late", [False, True])
def test_bad_bytes_behind_a_request_do_not_take_its_answer(
    behind: bytes, body: Any, *, is_late: bool
) -> None:
    def play(_: HTTPRequest) -> Recorded:
        return endless() if body.get("stream") else plain_reply()

    good = request_bytes(body, AUTH)
    reads = [good, behind, BAD] if is_late else [good + behind, BAD]
    answers, wire = asyncio.run(answers_before(*reads, play=play))
    assert answers[0].status == 200
    assert wire.has_ended
    # An answer that was out before the bad bytes came leaves room for a reply of their own.
    assert [answer.status for answer in answers[1:]] in ([], [400])


@pytest.mark.case(132)
@pytest.mark.parametrize("behind", [BAD, BAD_BODY])
def test_all_requests_before_bad_bytes_are_answered(behind: bytes) -> None:
    good = request_bytes({**HI, "tools": []}, AUTH)
    answers, wire = asyncio.run(answers_before(good * 3 + behind, play=lambda _: plain_reply()))
    assert [answer.status for answer in answers] == [200] * 3
    assert wire.has_ended


def test_the_answer_before_bad_bytes_tells_that_it_is_the_last() -> None:
    good = request_bytes({**HI, "tools": []}, AUTH)
    answers, wire = asyncio.run(answers_before(good + BAD, play=lambda _: plain_reply()))
    assert [answer.headers.get("connection") for answer in answers] == ["close"]
    assert wire.has_ended


@pytest.mark.case(132)
@pytest.mark.parametrize("bad", [BAD, BAD_BODY])
def test_bad_bytes_alone_are_told_at_once(bad: bytes) -> None:
    answers, wire = asyncio.run(answers_before(bad, play=lambda _: plain_reply()))
    assert [answer.status for answer in answers] == [400]
    assert wire.has_ended


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


@pytest.mark.case(121)
@pytest.mark.parametrize("is_fast", [False, True])
def test_a_streams_head_says_what_it_took(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    def play(request: HTTPRequest) -> Recorded:
        return ended() if "up" in request.url else Recorded(503, {}, (b"",))

    async def run() -> Answer:
        edge = Edge(play, CONFIG, is_fast=is_fast)
        return await edge.ask(request_bytes({**STREAMED, "model": "falls"}, AUTH))

    assert asyncio.run(run()).headers["x-litellm-attempted-fallbacks"] == "1"


@pytest.mark.parametrize("is_fast", [True, False])
def test_a_hook_gets_plain_headers_without_cookies(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    cookie = {"set-cookie": "sess=SECRET", "x-a": "b", "content-type": "application/json"}

    async def ask() -> CallEvent:
        edge = Edge(lambda _: Recorded(200, cookie, plain_reply().pieces), CONFIG, is_fast=is_fast)
        await edge.ask(request_bytes(HI, AUTH))
        return edge.events[0]

    headers = asyncio.run(ask()).report.headers
    assert json.loads(json.dumps(headers)) == {"x-a": "b", "content-type": "application/json"}
    assert b"SECRET" not in pickle.dumps(headers)


def test_many_wishes_to_upgrade_in_one_read_end_the_connection() -> None:
    one = b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: h2c\r\n\r\n"

    async def run(count: int) -> Wire:
        edge = Edge(lambda _: plain_reply(), CONFIG, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(one * count)
        await turns(200)
        return wire

    few = asyncio.run(run(3))
    assert few.written.count(b"HTTP/1.1 200 OK") == 3
    assert not few.has_ended
    assert asyncio.run(run(1_000)).has_ended


ODDLY_PLACED = [
    [{"role": "system", "content": "A."}, {"role": "system", "content": "B."}, *HI["messages"]],
    [*HI["messages"], {"role": "system", "content": "Late."}],
    [*HI["messages"], {"role": "assistant", "content": ""}, *HI["messages"]],
]


@pytest.mark.parametrize("escaped", [False, True])
@pytest.mark.parametrize("messages", ODDLY_PLACED)
def test_messages_that_must_be_fitted_go_the_long_way(
    messages: list[dict[str, Any]], *, escaped: bool
) -> None:
    """A second message with instructions, or one that says nothing, however it is written."""
    body = json.dumps({**HI, "messages": messages})
    if escaped:
        body = body.replace('"system"', '"\\u0073ystem"')

    async def run() -> tuple[Edge, Edge, Answer]:
        return await ask_both(lambda _: plain_reply(), request_bytes(body.encode(), AUTH))

    fast, _, answer = asyncio.run(run())
    assert (answer.status, answer.headers["x-puna-lane"]) == (200, "full")
    (sent,) = [json.loads(r.body) for r in (*fast.hot.requests, *fast.full.requests)]
    assert [m["role"] for m in sent["messages"][1:]].count("system") == 0
    assert all(m["content"] for m in sent["messages"])


def test_a_word_in_a_text_does_not_close_the_fast_lane() -> None:
    said = [{"role": "system", "content": "A."}, {"role": "user", "content": 'What is a "system"?'}]
    assert ask_edge({**HI, "messages": said}).headers["x-puna-lane"] == "fast"
