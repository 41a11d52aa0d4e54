"""Retries, their pauses, and fallbacks. Section G of the acceptance cases."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, HI, KEY, MODEL, ONCE, Face, settings_for
from tests.support.upstream import TEXT, Reply, Upstream

from puna import (
    APIError,
    BadRequestError,
    Client,
    ClientSettings,
    ContextWindowExceededError,
    InternalServerError,
    ServiceUnavailableError,
)


@pytest.mark.case(141)
@BOTH
@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "100000"}, 60.0),
        ({"retry-after-ms": "1500"}, 1.5),
        ({"retry-after": formatdate(1_750_000_003, usegmt=True)}, 3.0),
    ],
)
def test_a_host_says_how_long_to_wait(
    face: Face, headers: dict[str, str], pause_s: float, upstream: Upstream
) -> None:
    clock = FakeClock()
    upstream.plays(Reply(429, headers))
    answer = face.ask(settings_for(upstream), clock=clock)
    assert clock.sleeps == [pytest.approx(pause_s)]
    assert answer.report is not None
    assert (answer.report.attempts, answer.report.retries) == (2, 1)


@pytest.mark.case(141)
@BOTH
def test_without_advice_the_pauses_grow(face: Face, upstream: Upstream) -> None:
    clock = FakeClock()
    upstream.plays(*(Reply.error(500) for _ in range(6)))
    face.ask(settings_for(upstream), clock=clock, max_retries=6)
    whole = [0.5, 1.0, 2.0, 4.0, 8.0, 8.0]
    assert all(w * 0.75 <= s <= w for s, w in zip(clock.sleeps, whole, strict=True))


@pytest.mark.case(141)
@BOTH
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 413, 422])
def test_a_callers_error_is_not_tried_again(face: Face, status: int, upstream: Upstream) -> None:
    upstream.plays(Reply.error(status))
    clock = FakeClock()
    with pytest.raises(APIError):
        face.ask(settings_for(upstream), clock=clock)
    assert len(upstream.requests) == 1
    assert clock.sleeps == []


@pytest.mark.case(142, 143)
@BOTH
@pytest.mark.parametrize(
    ("keywords", "requests"),
    [
        ({"num_retries": 2}, 3),
        ({"max_retries": 0}, 1),
        ({"max_retries": 0, "num_retries": 5}, 1),
        ({"num_retries": 0}, 1),
        ({}, 3),
    ],
)
def test_retries_are_counted_once(
    face: Face, keywords: dict[str, Any], requests: int, upstream: Upstream
) -> None:
    upstream.plays_always(Reply.error(500))
    for call in (face.ask, face.stream):
        upstream.requests.clear()
        with pytest.raises(InternalServerError, match="detail for 500") as caught:
            call(settings_for(upstream), clock=FakeClock(), **keywords)
        assert len(upstream.requests) == caught.value.attempts == requests
        assert len(caught.value.tries) == requests


@pytest.mark.case(144)
@BOTH
def test_a_fallback_answers_for_a_host_that_fails(face: Face, upstream: Upstream) -> None:
    with Upstream() as second:
        upstream.plays_always(Reply.error(500))
        fallbacks = [{"model": "openai/B", "api_base": second.url, "api_key": "sk-b"}]
        answer = face.ask(settings_for(upstream), fallbacks=fallbacks, **ONCE)
        assert answer.choices[0].message.content == TEXT
        assert answer.report is not None
        assert (answer.report.fallbacks, answer.report.provider) == (1, "openai")
        assert second.requests[0].headers["authorization"] == "Bearer sk-b"
        assert second.requests[0].json["model"] == "B"

        upstream.plays_always(Reply.hang())
        streamed = face.stream(settings_for(upstream), fallbacks=fallbacks, timeout=0.2, **ONCE)
        assert streamed.text == TEXT

        upstream.plays_always(Reply.error(400))
        with pytest.raises(BadRequestError):
            face.ask(settings_for(upstream), fallbacks=fallbacks)
        assert len(second.requests) == 2

        upstream.plays_always(Reply.error(500))
        second.plays_always(Reply.error(503))
        with pytest.raises(ServiceUnavailableError, match="2 tries") as caught:
            face.ask(settings_for(upstream), fallbacks=fallbacks, **ONCE)
        assert [t.partition(":")[0] for t in caught.value.tries] == [MODEL, "openai/B"]


@pytest.mark.case(144)
def test_a_named_fallback_shares_key_and_base_only_with_its_own_provider(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply.error(500), Reply.error(500))
    environ = {"OPENAI_BASE_URL": upstream.url, "LITELLM_PROXY_API_BASE": upstream.url}
    with Client(ClientSettings(environ=environ)) as client:
        client.completion(
            MODEL,
            HI,
            api_base=upstream.url,
            api_key=KEY,
            fallbacks=["meta_llama/B", "litellm_proxy/C"],
            **ONCE,
        )
    keys = [sent.headers.get("authorization") for sent in upstream.requests]
    assert keys == [f"Bearer {KEY}", f"Bearer {KEY}", None]


@pytest.mark.case(147)
@BOTH
@pytest.mark.parametrize(
    "text",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens",
        "prompt is too long: 210000 tokens > 200000 maximum",
        "Input length 200000 exceeds context window",
    ],
)
def test_a_prompt_that_is_too_long_has_a_class_and_fallbacks_of_its_own(
    face: Face, text: str, upstream: Upstream
) -> None:
    upstream.plays(Reply.error(400, text), Reply.error(400, text))
    with pytest.raises(ContextWindowExceededError):
        face.ask(settings_for(upstream))
    answer = face.ask(
        settings_for(upstream), context_window_fallbacks=["meta_llama/Llama-4-Scout-17B"]
    )
    assert answer.choices[0].message.content == TEXT
    assert upstream.requests[-1].json["model"] == "Llama-4-Scout-17B"
