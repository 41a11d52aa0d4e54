"""One call: tried again after a broken connection, cleaned of keys, settled once."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, HI, KEY, MODEL, OFFLINE, Face
from tests.support.upstream import TEXT

from puna import APIConnectionError, Client
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest


@pytest.mark.case(141)
@BOTH
def test_a_plain_call_is_tried_again_after_a_broken_connection(face: Face) -> None:
    body = json.dumps({"choices": [{"message": {"content": TEXT}}]}).encode()
    play = in_order(
        Recorded(error=APIConnectionError("refused"), is_refused=True),
        Recorded(200, {}, [b"{"], error=APIConnectionError("cut")),
        Recorded(200, {}, [body]),
    )
    answer = face.ask(OFFLINE, play=play, clock=FakeClock())
    assert answer.choices[0].message.content == TEXT
    assert answer.report is not None
    assert answer.report.retries == 2


@pytest.mark.case(37)
@BOTH
def test_a_transport_error_that_repeats_the_key_is_cleaned(face: Face) -> None:
    telling = Recorded(error=APIConnectionError(f"bad header `Bearer {KEY}`"), is_refused=True)
    with pytest.raises(APIConnectionError, match="bad header") as caught:
        face.ask(OFFLINE, play=in_order(telling), max_retries=0)
    assert KEY not in f"{caught.value} {vars(caught.value)}"
    assert (caught.value.provider, caught.value.model) == ("meta_llama", MODEL)


class _Interrupted(ReplayTransport):
    """A caller who presses Ctrl-C while the request is under way."""

    def __init__(self) -> None:
        super().__init__(self._interrupt)

    def _interrupt(self, _: HTTPRequest) -> Recorded:
        raise KeyboardInterrupt


@pytest.mark.case(173)
def test_an_interrupted_call_is_settled_as_cancelled() -> None:
    seen: list[CallEvent] = []
    interrupted = replace(OFFLINE, hooks=(seen.append,))
    with Client(interrupted, transport=_Interrupted()) as client, pytest.raises(KeyboardInterrupt):
        client.completion(MODEL, HI)
    assert [e.outcome for e in seen] == ["cancelled"]
