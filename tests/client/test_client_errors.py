"""Errors of hosts and of callers, by their classes. Section G of the acceptance cases."""

from __future__ import annotations

import copy
import pickle
import time
import traceback
from typing import Any

import pytest
from tests.support.faces import BOTH, KEY, MODEL, ONCE, Face, settings_for
from tests.support.upstream import Reply, Upstream, chunk, completion_body

from puna import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    ClientSettings,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)

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


@BOTH
def test_a_stream_that_broke_names_its_deployment_once(face: Face, upstream: Upstream) -> None:
    begun = chunk({"role": "assistant", "content": "Hel"})
    upstream.plays(Reply.sse(begun, is_done=False, end="reset"))
    error = face.stream(settings_for(upstream)).error
    assert error is not None
    assert str(error).count("(deployment `") == 1
