"""Bodies of requests: what is JSON and what is none, and no body makes the gateway fail."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.asgi import CHAT, CONFIG, MODEL, House
from tests.support.odd_bodies import is_clean, is_refused
from tests.support.upstream import Upstream

from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.types.requests import PARAMS
from puna.wire.http import HTTPRequest


@pytest.mark.case(129, 155)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"   ",
        b"{",
        b"[]",
        b"null",
        b'"text"',
        b"12",
        b"\xff\xfe{}",
        pytest.param(b"[" * 2_000 + b"]" * 2_000, id="nested lists"),
        pytest.param(b'{"a":' * 2_000 + b"1" + b"}" * 2_000, id="nested objects"),
        b'{"temperature": NaN}',
        b'{"temperature": Infinity}',
        pytest.param(b'{"seed": ' + b"9" * 5_000 + b"}", id="a long number"),
        b"model=x&messages=hi",
        b"{'model': 'x'}",
    ],
)
def test_a_body_that_is_no_json_object_is_400(body: bytes) -> None:
    answer = House().ask(body=body)
    assert is_refused(answer)
    assert answer.error["code"] == "invalid_json"


@pytest.mark.case(129, 155)
@pytest.mark.parametrize(
    ("written", "read"),
    [(b"\xff", "\ufffd"), (b"\\ud800", "\ufffd"), (b"\\udc00 x", "\ufffd x")],
    ids=["no UTF-8", "first half", "second half"],
)
def test_half_of_a_character_costs_that_character(
    upstream: Upstream, written: bytes, read: str
) -> None:
    refused = House().ask(body=b'{"model": "' + written + b'"}')
    assert is_refused(refused)
    assert refused.error["code"] == "invalid_request_error"
    ask = {**CHAT, "messages": [{"role": "user", "content": "HERE"}]}
    body = json.dumps(ask).encode().replace(b"HERE", b"a " + written)
    assert House(upstream).ask(body=body).status == 200
    (message,) = upstream.requests[-1].json["messages"]
    assert message["content"] == f"a {read}"


@pytest.mark.case(129)
@pytest.mark.parametrize(
    "field",
    [
        '"temperature": 1e400',
        '"temperature": -1e999',
        '"x_own": 1e400',
        '"x_own": {"deep": [1e400]}',
        '"messages": [{"role": "user", "content": "a", "x": 1e400}]',
    ],
)
def test_numbers_that_are_none_are_400(field: str) -> None:
    body = json.dumps(CHAT)[:-1] + f", {field}}}"
    assert is_refused(House().ask(body=body.encode()))


@pytest.mark.case(129)
def test_of_a_key_given_twice_the_last_counts(upstream: Upstream) -> None:
    body = b'{"model": "x", ' + json.dumps(CHAT)[1:].encode()
    assert House(upstream).ask(body=body).json["model"] == MODEL


@pytest.mark.case(117)
def test_a_byte_order_mark_is_no_fault(upstream: Upstream) -> None:
    body = b"\xef\xbb\xbf" + json.dumps(CHAT).encode()
    assert House(upstream).ask(body=body).status == 200


@pytest.mark.case(117)
def test_a_form_is_refused_and_the_error_names_its_type() -> None:
    headers = {"content-type": "application/x-www-form-urlencoded; charset=utf-8"}
    answer = House().ask(body=b"model=x", headers=headers)
    assert "application/x-www-form-urlencoded" in answer.error["message"]
    assert "no content type" in House().ask(body=b"model=x").error["message"]


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**60), 10**60) | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
FIELDS = st.sampled_from(
    [*PARAMS, "model", "messages", "stream", "prompt", "timeout", "metadata", "fallbacks", "echo"]
)


def play(_: HTTPRequest) -> Recorded:
    answer = {"choices": [{"index": 0, "message": {"role": "assistant", "content": "y"}}]}
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(answer).encode()])


@pytest.mark.case(129, 131, 155)
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    path=st.sampled_from(["/v1/chat/completions", "/completions"]),
    fields=st.dictionaries(FIELDS, VALUES, max_size=3),
    messages=st.lists(st.dictionaries(st.sampled_from(["role", "content", "tool_calls"]), VALUES)),
)
def test_no_body_makes_the_gateway_fail(
    path: str, fields: dict[str, Any], messages: list[Any]
) -> None:
    body = json.dumps({**CHAT, "prompt": "a", "messages": messages, **fields}).encode()
    answer = House(transport=AsyncReplayTransport(play)).ask(path, body)
    assert answer.status in (200, 400, 404)
    assert is_clean(answer)


@pytest.mark.case(129)
@pytest.mark.parametrize("declares", [True, False])
def test_a_body_over_the_limit_is_413(declares: bool) -> None:  # noqa: FBT001 - a parameter of the test
    config = CONFIG + "\ngeneral_settings: {max_request_size_mb: 0.001}\n"
    headers = {"content-length": "2000"} if declares else {}
    pieces = (b" " * 100 for _ in range(20))
    answer = House(config=config).ask(headers=headers, pieces=pieces)
    assert is_refused(answer, 413)
    assert answer.error["code"] == "request_too_large"
