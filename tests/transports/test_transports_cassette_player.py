"""Which recorded exchange answers a request, and what is said when none does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.clock import FakeClock

from puna.errors import APIConnectionError, APITimeoutError, BadRequestError
from puna.transports.cassette_player import CassettePlayer
from puna.transports.recorded import RecordedExchange, RecordedFailure, RecordedRequest
from puna.transports.replay import AsyncReplayTransport, ReplayTransport
from puna.wire.http import HTTPRequest

URL = "http://up.test/v1/chat/completions"


def sent(**body: Any) -> RecordedRequest:
    return RecordedRequest("POST", URL, body or None)


def request(url: str = URL, **body: Any) -> HTTPRequest:
    headers = {"authorization": "Bearer canary-4f1b9c"}
    return HTTPRequest("POST", url, headers, json.dumps(body).encode() if body else b"")


def said(text: str, wanted: RecordedRequest | None = None) -> RecordedExchange:
    return RecordedExchange(wanted, 200, {}, [(0.0, text.encode())])


def player(*exchanges: RecordedExchange, speed: float = 0.0) -> CassettePlayer:
    return CassettePlayer(exchanges, name="a.json", speed=speed)


def test_equal_requests_are_answered_in_order_and_others_in_any() -> None:
    play = player(said("1", sent(a=1)), said("2", sent(a=2)), said("3", sent(a=1)))
    bodies = [play(request(a=a)).pieces for a in (2, 1, 1)]
    assert bodies == [[b"2"], [b"1"], [b"3"]]


def test_the_order_of_names_the_host_and_the_query_do_not_matter() -> None:
    play = player(said("x", sent(a=1, b={"c": 2, "d": [3]})))
    asked = HTTPRequest(
        "POST",
        "https://other.test/v1/chat/completions?key=canary-4f1b9c",
        {},
        b'{"b":{"d":[3],"c":2}, "a":1}',
    )
    assert play(asked).pieces == [b"x"]


def test_a_key_in_the_body_is_compared_without_it() -> None:
    play = player(said("x", sent(user="•••")))
    assert play(request(user="canary-4f1b9c")).pieces == [b"x"]


def test_an_exchange_without_a_request_answers_any_once() -> None:
    play = player(said("x"))
    assert play(request(a=1)).pieces == [b"x"]
    with pytest.raises(BadRequestError, match="has one reply to this `POST /v1/chat/completions`"):
        play(request(a=1))


@pytest.mark.parametrize(
    ("asked", "param", "says"),
    [
        (
            request(model="m", messages=[{"content": "bye"}]),
            "messages[0].content",
            r"`exchanges\[1\]`; what differs: `messages\[0\]\.content` was `hello`, now `bye`\.",
        ),
        (
            request(model="m", messages=[{"content": "hello"}, {}], seed=None),
            "messages[1]",
            r"`messages\[1\]` was not there, now `an object`; `seed` was not there, now `null`\.",
        ),
        (
            request(URL + "/x", model="m", messages=[{"content": "hello"}]),
            "path",
            "`path` was `/v1/chat/completions`, now `/v1/chat/completions/x`",
        ),
        (request(), "body", r"`exchanges\[0\]`; what differs: `body` was `an object`, now `null`"),
        (request(model=1, n=2, p=3, q=4, messages=[]), "model", "; and 2 more. Send what"),
    ],
)
def test_a_request_that_was_not_recorded_names_the_closest_and_what_differs(
    asked: HTTPRequest, param: str, says: str
) -> None:
    play = player(
        said("1", sent(model="other", tools=[])),
        said("2", sent(model="m", messages=[{"content": "hello"}])),
    )
    with pytest.raises(BadRequestError, match=says) as caught:
        play(asked)
    assert (caught.value.param, caught.value.code) == (param, "not_recorded")
    assert not caught.value.is_retryable
    assert "`a.json`" in str(caught.value)


def test_a_recorded_address_that_is_none_is_compared_as_it_is() -> None:
    play = player(said("x", RecordedRequest("POST", "http://[::1/v1")))
    with pytest.raises(BadRequestError, match=r"`path` was `http://\[::1/v1`"):
        play(request())


def test_an_empty_cassette_answers_nothing_and_played_replies_are_counted() -> None:
    with pytest.raises(BadRequestError, match="holds no request"):
        player()(request(a=1))
    play = player(said("1", sent(a=1)), said("2", sent(a=1)))
    play(request(a=1))
    play(request(a=1))
    with pytest.raises(BadRequestError, match=r"has 2 replies .* played already"):
        play(request(a=1))


def test_a_recorded_failure_and_a_reply_that_was_left_end_as_they_did() -> None:
    refused = RecordedExchange(
        None, end=RecordedFailure("APITimeoutError", "late", is_retryable=False)
    )
    left = RecordedExchange(None, 200, {}, [(0.0, b"abc")], end="left")
    transport = ReplayTransport(player(refused, left))
    with pytest.raises(APITimeoutError, match="late"):
        transport.open(request())
    pieces = transport.open(request()).pieces()
    assert next(pieces) == b"abc"
    with pytest.raises(APIConnectionError, match="The recording ends here"):
        next(pieces)


@pytest.mark.anyio
async def test_a_replay_has_the_recorded_pauses_at_the_wished_speed() -> None:
    pieces = [(10.0, b"a"), (30.0, b"b"), (30.0, b"c")]
    exchange = RecordedExchange(None, 200, {}, pieces, head_ms=200.0)
    clock, clock_async, still = FakeClock(), FakeClock(), FakeClock()
    expected = pytest.approx([0.1, 0.005, 0.01, 0.0])

    reply = ReplayTransport(player(exchange, speed=2), sleep=clock.sleep).open(request())
    assert list(reply.pieces()) == [b"a", b"b", b"c"]
    assert clock.sleeps == expected

    transport = AsyncReplayTransport(player(exchange, speed=2), sleep=clock_async.sleep_async)
    assert await (await transport.open(request())).read() == b"abc"
    assert clock_async.sleeps == expected

    ReplayTransport(player(exchange), sleep=still.sleep).open(request()).read()
    assert still.sleeps == []
