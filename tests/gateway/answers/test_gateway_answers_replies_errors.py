"""Errors through the gateway: status, body, headers, and what must not be in them."""

from __future__ import annotations

import json

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, UPSTREAM_KEY, House
from tests.support.breaking import Breaking
from tests.support.upstream import Reply, Upstream, event, text_chunks

from puna.errors import APIConnectionError
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.wire.http import HTTPRequest

ONCE = {**CHAT, "num_retries": 0}


@pytest.mark.case(151)
@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "invalid_request_error"),
        (409, "invalid_request_error"),
        (413, "invalid_request_error"),
        (422, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "server_error"),
        (502, "upstream_error"),
        (503, "server_error"),
        (504, "timeout_error"),
    ],
)
def test_an_upstream_error_keeps_its_status(upstream: Upstream, status: int, kind: str) -> None:
    upstream.plays(Reply.error(status, "the detail"))
    answer = House(upstream).ask(body=ONCE)
    assert answer.status == status
    assert answer.error["type"] == kind
    assert "the detail" in answer.error["message"]
    assert answer.headers["x-puna-error-source"] == "upstream"
    assert "www-authenticate" not in answer.headers


@pytest.mark.case(152)
@pytest.mark.parametrize(
    ("status", "code"),
    [(401, "upstream_invalid_api_key"), (403, "upstream_permission_denied")],
)
def test_a_wrong_upstream_key_is_no_wrong_gateway_key(
    upstream: Upstream, status: int, code: str
) -> None:
    upstream.plays(Reply.error(status))
    assert House(upstream).ask(body=ONCE).error["code"] == code


def test_a_status_that_http_does_not_know_becomes_502(upstream: Upstream) -> None:
    upstream.plays(Reply.error(799))
    answer = House(upstream).ask(body=ONCE)
    assert answer.status == 502
    assert answer.error["type"] == "upstream_error"


@pytest.mark.parametrize(
    ("given", "passed_on"),
    [("7", "7"), ("0", "1"), ("1e400", "86400"), ("Wed, 21 Oct 2015 07:28:00 GMT", "1")],
)
def test_the_hosts_retry_after_is_passed_on(upstream: Upstream, given: str, passed_on: str) -> None:
    upstream.plays(Reply.error(429, retry_after=given, x_ratelimit_remaining_requests="0"))
    answer = House(upstream).ask(body=ONCE)
    assert answer.headers["retry-after"] == passed_on
    assert answer.headers["x-ratelimit-remaining-requests"] == "0"


@pytest.mark.case(155)
@pytest.mark.parametrize("is_stream", [True, False])
def test_a_key_that_the_host_echoes_is_not_passed_on(
    upstream: Upstream,
    is_stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    said = f"Incorrect API key {UPSTREAM_KEY}"
    upstream.plays_always(Reply.error(401, said, x_ratelimit_limit_requests=UPSTREAM_KEY))
    answer = House(upstream).ask(body={**ONCE, "stream": is_stream})
    assert answer.status == 401
    assert UPSTREAM_KEY not in answer.text + str(answer.headers)


@pytest.mark.case(154)
def test_a_failure_in_mid_stream_is_one_error_event_and_the_end(upstream: Upstream) -> None:
    first, second, *_ = text_chunks()
    upstream.plays(Reply.sse(first, second, is_done=False, end="close"))
    answer = House(upstream).ask(body={**CHAT, "stream": True})
    assert answer.status == 200
    *chunks, last = [json.loads(one) for one in answer.events]
    assert chunks[-1]["choices"][0]["delta"]["content"] == "Hel"
    assert set(last["error"]) == {"message", "type", "param", "code"}
    assert last["error"]["code"] == "stream_interrupted"
    assert "[DONE]" not in answer.text
    assert len(upstream.requests) == 1


@pytest.mark.case(154, 155)
def test_an_error_frame_of_the_host_ends_the_stream_without_its_key(upstream: Upstream) -> None:
    first, second, *_ = text_chunks()
    frame = event({"error": {"message": f"bad key {UPSTREAM_KEY}", "code": "overloaded"}})
    upstream.plays(Reply.sse(first, second, frame))
    answer = House(upstream).ask(body={**CHAT, "stream": True})
    assert json.loads(answer.events[-1])["error"]["code"] == "overloaded"
    assert UPSTREAM_KEY not in answer.text


@pytest.mark.case(154)
def test_a_stream_that_fails_before_its_first_chunk_is_a_plain_error(upstream: Upstream) -> None:
    upstream.plays(Reply.sse({"error": {"message": "overloaded", "code": 503}}))
    answer = House(upstream).ask(body={**ONCE, "stream": True})
    assert answer.status == 503
    assert answer.error["message"].endswith("overloaded")


@pytest.mark.case(155)
def test_what_nobody_foresaw_is_an_error_without_a_traceback(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def play(request: HTTPRequest) -> Recorded:
        raise RuntimeError(f"a bug at {request.url}")

    answer = House(transport=AsyncReplayTransport(play)).ask()
    assert answer.status == 500
    assert answer.error["code"] == "internal_error"
    assert "bug" not in answer.text
    assert "a bug at" in caplog.text


@pytest.mark.case(154, 155)
def test_what_nobody_foresaw_in_mid_stream_is_an_error_event(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = House(transport=Breaking()).ask(body={**CHAT, "stream": True})
    assert json.loads(answer.events[-1])["error"]["code"] == "internal_error"
    assert "a bug in mid-stream" in caplog.text


@pytest.mark.case(102, 155)
def test_what_nobody_foresaw_in_mid_stream_fails_a_response() -> None:
    body = {"model": CHAT["model"], "input": "hi", "stream": True}
    answer = House(transport=Breaking()).ask("/v1/responses", body)
    events = [json.loads(event.partition("data: ")[2]) for event in answer.events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.failed"
    assert events[-1]["response"]["id"] == events[0]["response"]["id"]
    assert events[-1]["response"]["error"]["code"] == "server_error"
    assert "mid-stream" not in answer.text


@pytest.mark.case(155)
def test_an_upstream_that_is_not_there_is_502_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    answer = House().ask(body=ONCE)
    assert answer.status == 502
    assert answer.error["code"] == "connection_error"
    assert "127.0.0.1" not in answer.text
    assert "127.0.0.1:9" in caplog.text
    assert answer.headers["x-puna-error-source"] == "upstream"


def test_a_timeout_is_504(upstream: Upstream) -> None:
    upstream.plays(Reply.hang())
    answer = House(upstream).ask(body={**ONCE, "timeout": 0.05})
    assert answer.status == 504
    assert answer.error["type"] == "timeout_error"
    assert str(upstream.port) not in answer.text


def test_an_error_of_the_transport_may_say_more_in_the_log() -> None:
    def play(_: HTTPRequest) -> Recorded:
        raise APIConnectionError("Cannot reach `https://10.0.0.7:8443`: no TLS; write `http://`")

    answer = House(transport=AsyncReplayTransport(play)).ask(body=ONCE)
    assert "Cannot reach the upstream: no TLS; write `http://`" in answer.error["message"]


@pytest.mark.case(151, 155)
def test_an_unsupported_parameter_names_itself(upstream: Upstream) -> None:
    config = CONFIG.replace(MODEL, "groq/m")
    body = {**CHAT, "model": "groq/m", "logit_bias": {"1": 2}}
    answer = House(upstream, config).ask(body=body)
    assert answer.status == 400
    assert answer.error["param"] == "logit_bias"
    assert answer.headers["x-puna-error-source"] == "gateway"
    dropped = House(upstream, config).ask(body={**body, "drop_params": True})
    assert dropped.headers["x-puna-dropped-params"] == "logit_bias"


@pytest.mark.case(159)
def test_a_model_that_cannot_be_used_is_503_and_says_why(upstream: Upstream) -> None:
    config = CONFIG + (
        "  - model_name: broken\n"
        "    litellm_params: {model: meta_llama/x, api_key: os.environ/NOT_SET}\n"
    )
    house = House(upstream, config)
    answer = house.ask(body={**CHAT, "model": "broken"})
    assert answer.status == 503
    assert answer.error["code"] == "model_not_usable"
    assert "`NOT_SET`" in answer.error["message"]
    assert answer.headers["x-puna-error-source"] == "gateway"
    assert upstream.requests == []
    assert house.ask(body={**CHAT, "model": MODEL}).status == 200
