"""No secret of a request is shown, whatever way it came in and whatever the host does with it."""

from __future__ import annotations

import json
import traceback
from base64 import b64encode
from collections.abc import Mapping
from typing import Any

import pytest
from tests.support.clock import FakeClock

from puna.client import Client, ClientSettings
from puna.errors import APIError
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded, ReplayTransport
from puna.wire.http import HTTPRequest
from puna.wire.masking import DOTS

CANARY = "canary-4f1b9c0d7e"
MODEL = "meta_llama/m"
HELLO = [{"role": "user", "content": "Hello"}]
BASE = "http://up.test/v1"

WAYS: Mapping[str, dict[str, Any]] = {
    "a key": {"api_base": BASE, "api_key": CANARY},
    "a header": {"api_base": BASE, "extra_headers": {"Authorization": f"Bearer {CANARY}"}},
    "another header": {"api_base": BASE, "extra_headers": {"X-Api-Key": CANARY}},
    "a user in the address": {"api_base": f"http://user:{CANARY}@up.test/v1"},
    "the address's query": {"api_base": f"{BASE}?api_key={CANARY}"},
}


def echo(status: int) -> Any:
    """A host that repeats everything it got, in its body, its headers and its cookies."""

    def play(request: HTTPRequest) -> Recorded:
        heard = f"{request.url} {' '.join(request.headers.values())}"
        body: dict[str, Any] = {"error": {"message": f"You said {heard}", "code": heard}}
        headers = {"content-type": "application/json", "set-cookie": heard}
        return Recorded(status, headers, [json.dumps(body).encode()])

    return play


@pytest.mark.case(7, 37, 146, 155)
@pytest.mark.parametrize("status", [200, 400, 401, 500])
@pytest.mark.parametrize("way", WAYS)
def test_a_secret_that_the_host_repeats_is_shown_nowhere(way: str, status: int) -> None:
    events: list[CallEvent] = []
    settings = ClientSettings(environ={}, hooks=[events.append], max_retries=0)
    transport = ReplayTransport(echo(status))
    client = Client(settings, transport=transport, clock=FakeClock())

    with pytest.raises(APIError) as raised:
        client.completion(MODEL, HELLO, **WAYS[way])

    sent = transport.requests[0]
    assert CANARY in f"{sent.url} {sent.headers}" or "Basic " in str(sent.headers)
    error, (event,) = raised.value, events
    shown = [
        str(error), repr(error), str(vars(error)), "".join(traceback.format_exception(error)),
        repr(event), repr(event.report), repr(sent),
    ]  # fmt: skip
    assert not [text for text in shown if CANARY in text]


@pytest.mark.case(37)
@pytest.mark.parametrize("is_code", [True, False])
@pytest.mark.parametrize("way", WAYS)
def test_a_secret_that_the_host_repeats_in_code_is_shown_nowhere(
    way: str, *, is_code: bool
) -> None:
    def encode(text: str) -> str:
        if is_code:
            return b64encode(text.encode()).decode()
        return "".join(f"%{byte:02X}" for byte in text.encode())

    def play(request: HTTPRequest) -> Recorded:
        heard = encode(" ".join(request.headers.values()) + request.url)
        heard += " " + encode(CANARY)
        body = {"error": {"message": f"You said {heard}"}}
        headers = {"content-type": "application/json", "x-heard": heard}
        return Recorded(400, headers, [json.dumps(body).encode()])

    events: list[CallEvent] = []
    client = Client(
        ClientSettings(environ={}, hooks=[events.append]), transport=ReplayTransport(play)
    )
    with pytest.raises(APIError) as raised:
        client.completion(MODEL, HELLO, **WAYS[way])
    shown = f"{raised.value} {vars(raised.value)} {events[0].report}"
    assert DOTS in shown
    forms = {encode(CANARY), encode(CANARY).rstrip("="), encode(CANARY).lower()}
    forms |= {b64encode(bytes(at) + CANARY.encode()).decode().rstrip("=")[4:-1] for at in range(3)}
    assert not [form for form in forms if form in shown]


@pytest.mark.parametrize("way", WAYS)
def test_a_call_that_is_read_shows_no_secret(way: str) -> None:
    from puna.client.keywords import read_call

    call = read_call(MODEL, HELLO, WAYS[way], ClientSettings(environ={}))

    assert CANARY not in repr(call)


@pytest.mark.case(4)
def test_a_user_in_the_address_is_sent_as_basic_authorization() -> None:
    transport = ReplayTransport(echo(500))
    client = Client(
        ClientSettings(environ={}, max_retries=0), transport=transport, clock=FakeClock()
    )

    with pytest.raises(APIError):
        client.completion(MODEL, HELLO, api_base="http://me:p%40ss@up.test/v1")

    assert transport.requests[0].url == "http://up.test/v1/chat/completions"
    assert transport.requests[0].headers["authorization"] == "Basic bWU6cEBzcw=="


@pytest.mark.case(4)
def test_a_user_in_the_address_and_a_key_are_one_too_many() -> None:
    client = Client(ClientSettings(environ={}), transport=ReplayTransport(echo(500)))

    with pytest.raises(APIError, match="only one of them"):
        client.completion(MODEL, HELLO, api_base="http://me:pw@up.test/v1", api_key="k")
