"""A call for embeddings: its report, its retries and fallbacks, and its errors."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.embeddings import BASE, KEY, MODEL, SETTINGS, TWO, keeping, recorded, vectors
from tests.support.faces import BOTH, Face

from puna.client import Client, ClientSettings
from puna.errors import (
    APIError,
    AuthenticationError,
    ContextWindowExceededError,
    NotFoundError,
    RateLimitError,
)
from puna.routing.health import CooldownPolicy
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded, ReplayTransport, in_order
from puna.wire.http import HTTPRequest


@BOTH
@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": 0, "total_tokens": 0}, "x"])
def test_a_usage_that_the_host_does_not_tell_is_estimated_and_marked(
    face: Face, usage: Any
) -> None:
    body = vectors(*TWO, usage=usage)
    answer = face.embed(SETTINGS, MODEL, ["hello there", "you"], play=in_order(recorded(body)))
    assert answer.usage is not None
    assert answer.usage.is_estimate
    counted = {"prompt_tokens": 3, "total_tokens": 3, "estimated": True}
    assert answer.usage.model_dump(exclude_unset=True) == counted
    assert answer.report is not None
    assert answer.report.is_usage_estimated


@BOTH
def test_token_ids_are_counted_and_no_estimate(face: Face) -> None:
    body = vectors(*TWO, usage=None)
    answer = face.embed(SETTINGS, MODEL, [[1, 2], [3]], play=in_order(recorded(body)))
    assert answer.usage is not None
    assert answer.usage.model_dump(exclude_unset=True) == {"prompt_tokens": 3, "total_tokens": 3}
    assert not answer.usage.is_estimate


@BOTH
def test_the_report_tells_how_it_went(face: Face) -> None:
    events: list[CallEvent] = []
    settings = ClientSettings(environ=SETTINGS.environ, hooks=(events.append,))
    answer = face.embed(
        settings,
        MODEL,
        ["a", "b"],
        play=in_order(recorded(vectors(*TWO))),
        clock=FakeClock(),
        input_cost_per_token=1e-6,
        metadata={"team": 1},
    )
    report = answer.report
    assert report is not None
    assert (report.provider, report.model) == ("openai", MODEL)
    assert report.upstream_model == "text-embedding-3-small"
    assert (report.attempts, report.status_code) == (1, 200)
    assert (report.prompt_tokens, report.completion_tokens) == (5, 0)
    assert report.cost_picos == 5_000_000
    assert report.headers["x-h"] == "1"
    (event,) = events
    assert event.outcome == "success"
    assert event.answer is answer
    assert event.input == ("a", "b")
    assert event.messages == ()
    assert event.metadata == {"team": 1}
    assert not event.is_stream


@BOTH
def test_a_failure_worth_it_is_tried_again(face: Face) -> None:
    clock = FakeClock()
    busy = Recorded(429, {"retry-after": "3"}, [b"{}"])
    answer = face.embed(
        SETTINGS, MODEL, "a", play=in_order(busy, recorded(vectors(TWO[0]))), clock=clock
    )
    assert answer.report is not None
    assert (answer.report.attempts, answer.report.retries) == (2, 1)
    assert clock.sleeps == [3.0]


@BOTH
def test_a_fallback_with_its_own_parameters_answers(face: Face) -> None:
    sent: list[HTTPRequest] = []
    answer = face.embed(
        SETTINGS,
        MODEL,
        "a",
        play=keeping(sent, recorded({}, 503), recorded(vectors([1.0, 0.0, 0.0]))),
        clock=FakeClock(),
        max_retries=0,
        fallbacks=[{"model": "openai/other", "api_base": BASE, "api_key": "k", "dimensions": 3}],
    )
    assert sent[1].url == f"{BASE}/embeddings"
    assert json.loads(sent[1].body) == {"model": "other", "input": "a", "dimensions": 3}
    assert answer.report is not None
    assert answer.report.fallbacks == 1


@BOTH
def test_errors_are_typed_and_hold_no_key(face: Face) -> None:
    refused = recorded({"error": {"message": f"Bad key {KEY}", "code": "invalid_api_key"}}, 401)
    events: list[CallEvent] = []
    settings = ClientSettings(environ=SETTINGS.environ, hooks=(events.append,))
    with pytest.raises(AuthenticationError) as caught:
        face.embed(settings, MODEL, "a", play=in_order(refused))
    assert KEY not in f"{caught.value}{caught.value.body}"
    assert events[0].outcome == "failure"
    assert events[0].error is caught.value


@BOTH
@pytest.mark.parametrize(
    "said",
    [
        "input (5567 tokens) is too large to process. increase the physical batch size",
        "This model's maximum context length is 8192 tokens, however you requested 9000",
    ],
)
def test_an_input_that_is_too_long_is_a_context_overflow(face: Face, said: str) -> None:
    reply = recorded({"error": {"message": said, "code": 500}}, 500)
    with pytest.raises(ContextWindowExceededError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(reply))
    assert caught.value.attempts == 1


@BOTH
@pytest.mark.parametrize("status", [404, 405, 501])
def test_a_host_without_the_endpoint_gets_a_clear_error(face: Face, status: int) -> None:
    with pytest.raises(APIError) as caught:
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded({"detail": "Not Found"}, status)))
    assert "Does it serve embeddings" in str(caught.value)
    assert caught.value.attempts == 1


@BOTH
def test_an_error_inside_a_success_is_that_error(face: Face) -> None:
    body = {"error": {"message": "slow down", "code": 429}}
    with pytest.raises(RateLimitError):
        face.embed(SETTINGS, MODEL, "a", play=in_order(recorded(body)), max_retries=0)


def test_a_host_that_fails_to_embed_still_chats() -> None:
    """Two deployments of failing health share nothing: chat is not made to rest by embeddings."""
    settings = ClientSettings(
        environ=SETTINGS.environ, cooldown=CooldownPolicy(allowed_fails=0, cooldown_s=60)
    )
    with Client(
        settings, transport=ReplayTransport(lambda _: recorded({}, 404)), clock=FakeClock()
    ) as client:
        with pytest.raises(NotFoundError):
            client.embedding(MODEL, "a")
        deployment_id = f"{MODEL}@https://api.openai.com/v1"
        engine = client._engine
        now = FakeClock().monotonic()
        assert engine._embedding_health.is_cooling_down(deployment_id, now)
        assert not engine._health.is_cooling_down(deployment_id, now)
