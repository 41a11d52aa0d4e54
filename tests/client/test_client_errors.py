"""Errors, retries, fallbacks and hooks. Section G of the acceptance cases."""

from __future__ import annotations

import asyncio
import copy
import logging
import pickle
import time
import traceback
from email.utils import formatdate
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, HI, KEY, MODEL, Face, settings_for
from tests.support.upstream import TEXT, Reply, Upstream, chunk, completion_body

from puna import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    Client,
    ClientSettings,
    ContextWindowExceededError,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)
from puna.telemetry.events import CallEvent

ONCE: dict[str, Any] = {"max_retries": 0}

STATUSES: list[tuple[int, type[APIError]]] = [
    (400, BadRequestError),
    (401, AuthenticationError),
    (403, PermissionDeniedError),
    (404, NotFoundError),
    (408, APITimeoutError),
    (409, APIStatusError),
    (410, NotFoundError),
    (413, BadRequestError),
    (422, UnprocessableEntityError),
    (429, RateLimitError),
    (500, InternalServerError),
    (502, BadGatewayError),
    (503, ServiceUnavailableError),
    (504, APITimeoutError),
]


@pytest.mark.case(135, 139)
@BOTH
@pytest.mark.parametrize(("status", "kind"), STATUSES)
def test_a_status_has_its_class_and_the_upstreams_words(
    face: Face, status: int, kind: type[APIError], upstream: Upstream
) -> None:
    upstream.plays(Reply.error(status, X_Request_Id="r1"))
    with pytest.raises(kind) as caught:
        face.ask(settings_for(upstream), **ONCE)
    error = caught.value
    assert error.status_code == status
    assert (error.provider, error.model) == ("meta_llama", MODEL)
    assert f"detail for {status}" in str(error)
    assert "{" not in str(error)
    assert f"detail for {status}" in (error.body or "")
    assert error.headers["x-request-id"] == "r1"
    assert len(upstream.requests) == 1


@pytest.mark.case(136)
@BOTH
def test_a_model_that_is_not_for_this_application_is_forbidden(
    face: Face, upstream: Upstream
) -> None:
    text = "The requested model is not available for your application"
    upstream.plays(Reply.error(403, text))
    with pytest.raises(PermissionDeniedError, match=text):
        face.ask(settings_for(upstream))
    assert len(upstream.requests) == 1


@pytest.mark.case(40, 137)
@BOTH
@pytest.mark.parametrize(
    "reply",
    [
        Reply.error(410),
        Reply.html("Not here", 404),
        Reply.redirect("https://llama.developer.meta.com/", 301),
        Reply.redirect("https://www.llama.com/gone?key=x", 302),
        Reply.html("Llama"),
    ],
    ids=["410", "404 page", "301", "302", "200 page"],
)
def test_a_service_that_is_gone_says_when_and_what_to_do(
    face: Face, reply: Reply, upstream: Upstream
) -> None:
    upstream.plays_always(reply)
    with pytest.raises(APIError, match="2026-07-06") as caught:
        face.ask(settings_for(upstream), **ONCE)
    assert "api_base" in str(caught.value)
    with pytest.raises(APIError, match="2026-07-06"):
        face.stream(settings_for(upstream), **ONCE)


@pytest.mark.case(138)
@BOTH
@pytest.mark.parametrize("wish", [{}, {"drop_params": True}])
def test_an_unprocessable_request_is_always_an_error(
    face: Face, wish: dict[str, Any], upstream: Upstream
) -> None:
    upstream.plays(Reply.error(422))
    with pytest.raises(UnprocessableEntityError):
        face.ask(settings_for(upstream), **wish)
    assert len(upstream.requests) == 1


@pytest.mark.case(140)
@BOTH
@pytest.mark.parametrize(
    ("reply", "text"),
    [
        (Reply.json({"error": {"message": "openai style", "code": "c"}}, status=500), "openai"),
        (Reply.bytes_of(b"", status=500), "500"),
        (Reply.bytes_of(b"plain words", status=500, content_type="text/plain"), "plain words"),
        (Reply.html("Bad Gateway", 502), "Bad Gateway"),
        (Reply.bytes_of(b"\xff\xfe", status=500), "500"),
        (Reply.json({"error": "x" * 100_000}, status=500), "xxx"),
    ],
    ids=["openai", "empty", "text", "page", "no text", "huge"],
)
def test_any_error_body_makes_a_useful_message_of_bounded_length(
    face: Face, reply: Reply, text: str, upstream: Upstream
) -> None:
    upstream.plays(reply)
    with pytest.raises(InternalServerError, match=text) as caught:
        face.ask(settings_for(upstream), **ONCE)
    assert len(str(caught.value)) < 3_000
    assert len(caught.value.body or "") <= 4_096


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


@pytest.mark.case(145)
@BOTH
@pytest.mark.parametrize("bad", ["soon", 0, -1, True, float("nan"), float("inf"), [1]])
@pytest.mark.parametrize("name", ["timeout", "stream_timeout"])
def test_a_timeout_that_is_none_is_refused(
    face: Face, name: str, bad: Any, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError, match=name):
        face.ask(settings_for(upstream), **{name: bad})
    assert upstream.requests == []


@pytest.mark.case(145)
@BOTH
def test_a_call_ends_within_its_timeout(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.hang(), Reply.drip(), Reply.hang())
    for call in (face.ask, face.ask, face.stream):
        began_at = time.monotonic()
        with pytest.raises(APITimeoutError) as caught:
            call(settings_for(upstream), timeout=0.5, **ONCE)
        assert time.monotonic() - began_at < 10
        assert (caught.value.provider, caught.value.model) == ("meta_llama", MODEL)


@pytest.mark.case(146)
@BOTH
@pytest.mark.parametrize("host", ["127.0.0.1:1", "no-such-host.invalid"])
def test_a_host_that_cannot_be_reached_is_named_without_the_key(face: Face, host: str) -> None:
    settings = ClientSettings(environ={"LLAMA_API_KEY": KEY})
    for call in (face.ask, face.stream):
        with pytest.raises(APIConnectionError, match=host) as caught:
            call(settings, api_base=f"http://{host}/v1", **ONCE)
        assert KEY not in "".join(traceback.format_exception(caught.value))


@pytest.mark.case(4)
@BOTH
@pytest.mark.parametrize(
    "base", ["localhost:8000", "ftp://x/v1", "http://", "http://[::1", "http://a:99999/v1", 5]
)
def test_an_address_that_is_none_is_refused(face: Face, base: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.ask(ClientSettings(environ={}), api_base=base)
    assert caught.value.param == "api_base"


@pytest.mark.case(37)
@BOTH
@pytest.mark.parametrize("key", ["sk-canary\r\nx: y", "sk-canäry", "\0k"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_without_being_shown(
    face: Face, key: str, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.ask(settings_for(upstream), api_key=key)
    shown = "".join(traceback.format_exception(caught.value))
    assert "sk-can" not in str(caught.value)
    assert "Bearer" not in shown
    assert upstream.requests == []


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


@pytest.mark.case(148)
@BOTH
@pytest.mark.parametrize(
    "reply",
    [
        Reply.json({"error": {"message": "no", "code": 500}}),
        Reply.bytes_of(b'{"id": "x", "choices": [{"ind'),
        Reply.bytes_of(b""),
        Reply.bytes_of(b"[1]"),
        Reply.json(completion_body(choices=[])),
        Reply.json({**completion_body(), "choices": None}),
        Reply.json({**completion_body(), "choices": [{"index": 0, "message": None}]}),
        Reply.json({**completion_body(), "choices": "many"}),
    ],
)
def test_a_success_without_a_completion_is_a_typed_error_or_an_answer(
    face: Face, reply: Reply, upstream: Upstream
) -> None:
    upstream.plays_always(reply)
    for call in (face.ask, face.stream):
        try:
            call(settings_for(upstream), **ONCE)
        except (MalformedReplyError, InternalServerError) as error:
            assert error.provider == "meta_llama"  # noqa: PT017 - an answer is lawful too


@pytest.mark.case(149)
@BOTH
def test_an_error_survives_pickling_and_copying(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.error(429, Retry_After="7"))
    with pytest.raises(RateLimitError) as caught:
        face.ask(settings_for(upstream), **ONCE)
    pickled = pickle.dumps(caught.value)
    for twin in (pickle.loads(pickled), copy.copy(caught.value)):  # noqa: S301 - our own bytes
        assert type(twin) is RateLimitError
        assert str(twin) == str(caught.value)
        assert vars(twin) == vars(caught.value)
        assert twin.retry_after_s == 7.0


@pytest.mark.case(150)
@BOTH
@pytest.mark.parametrize("model", ["nobody/x", "some-model", "meta_llama/", "", None, 3])
def test_a_model_of_nobody_is_refused_with_the_known_prefixes(face: Face, model: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        face.ask(ClientSettings(environ={}), model=model)
    assert caught.value.param == "model"
    if model and isinstance(model, str):
        assert "meta_llama/" in str(caught.value)


@pytest.mark.case(173)
@BOTH
def test_hooks_are_told_once_and_cannot_break_a_call(
    face: Face, upstream: Upstream, caplog: pytest.LogCaptureFixture
) -> None:
    seen: list[CallEvent] = []

    def raising(event: CallEvent) -> None:
        raise ZeroDivisionError(event.outcome)

    async def awaited(event: CallEvent) -> None:
        await asyncio.sleep(0)
        seen.append(event)

    async def raising_later(event: CallEvent) -> None:
        await asyncio.sleep(0)
        raise ZeroDivisionError(event.outcome)

    settings = settings_for(upstream, hooks=(raising, raising_later, seen.append, awaited))
    answer = face.ask(settings, input_cost_per_token=1e-6)
    face.stream(settings)
    upstream.plays(Reply.error(400))
    with pytest.raises(BadRequestError) as caught:
        face.ask(settings)
    upstream.plays(Reply.sse(chunk({"content": "a"}), is_done=False, end="close"))
    broken = face.stream(settings, **ONCE)

    assert seen[::2] == seen[1::2]
    plain, _, failed, cut = seen[::2]
    assert [e.outcome for e in seen[::2]] == ["success", "success", "failure", "failure"]
    assert [e.is_stream for e in seen[::2]] == [False, True, False, True]
    assert plain.answer is answer
    assert plain.messages == HI
    assert plain.report.cost_picos == 11_000_000
    assert plain.report.duration_s > 0
    assert failed.error is caught.value
    assert cut.error is broken.error
    assert cut.report is broken.report
    assert "A hook failed" in caplog.text


CANARIES = {
    name: f"canary-{name.lower()}"
    for name in ("OPENAI_API_KEY", "LITELLM_PROXY_API_KEY", "LLAMA_API_KEY", "ANTHROPIC_API_KEY")
}


@pytest.mark.case(7, 37)
@BOTH
@pytest.mark.parametrize(
    ("model", "own"),
    [
        (MODEL, "LLAMA_API_KEY"),
        ("litellm_proxy/m", "LITELLM_PROXY_API_KEY"),
        ("openai/m", None),
        ("any-name", None),
    ],
)
def test_no_key_is_shown_and_none_goes_to_another_provider(
    face: Face,
    model: str,
    own: str | None,
    upstream: Upstream,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    settings = ClientSettings(environ=CANARIES)
    own_key = CANARIES[own] if own is not None else "none"
    upstream.plays(Reply.json(completion_body()))
    answer = face.ask(settings, model, api_base=upstream.url)
    upstream.plays(Reply.error(401, f"wrong key {own_key}, said the host"), Reply.reset())
    errors: list[APIError] = []
    for call in (face.ask, face.stream):
        with pytest.raises(APIError) as caught:
            call(settings, model, api_base=upstream.url, **ONCE)
        errors.append(caught.value)
    for sent in upstream.requests:
        expected = f"Bearer {own_key}" if own is not None else None
        assert sent.headers.get("authorization") == expected
        rest = {name: value for name, value in sent.headers.items() if name != "authorization"}
        assert "canary" not in f"{sent.path} {rest} {sent.body!r}"
    shown = [
        repr(settings.tls),
        repr(answer),
        repr(answer.report),
        caplog.text,
        *(str(record.__dict__) for record in caplog.records),
        *(f"{error!r} {error} {error.body} {vars(error)}" for error in errors),
        *("".join(traceback.format_exception(error)) for error in errors),
    ]
    assert "canary" not in "".join(shown)


@pytest.mark.case(37)
@pytest.mark.anyio
async def test_a_prompt_is_not_logged(upstream: Upstream, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    image = {"type": "image_url", "image_url": {"url": "data:image/png;base64,c2VjcmV0LXBpeGVscw"}}
    message = {"role": "user", "content": [{"type": "text", "text": "private words"}, image]}
    upstream.plays(Reply.error(400))
    async with AsyncClient(settings_for(upstream)) as client:
        with pytest.raises(BadRequestError) as caught:
            await client.completion("meta_llama/Llama-4-Scout-17B-16E-Instruct-FP8", [message])
    shown = (
        caplog.text + "".join(traceback.format_exception(caught.value)) + str(vars(caught.value))
    )
    assert "c2VjcmV0" not in shown
    assert "private words" not in shown
    assert KEY not in shown


@BOTH
def test_a_stream_that_broke_names_its_deployment_once(face: Face, upstream: Upstream) -> None:
    begun = chunk({"role": "assistant", "content": "Hel"})
    upstream.plays(Reply.sse(begun, is_done=False, end="reset"))
    error = face.stream(settings_for(upstream)).error
    assert error is not None
    assert str(error).count("(deployment `") == 1
