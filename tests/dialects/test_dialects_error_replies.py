from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import KEY, NOW, context_for, target_for

from puna.dialects.error_replies import (
    is_error_body,
    read_error_frame,
    read_error_reply,
    read_retry_after,
)
from puna.dialects.secrets import scrub
from puna.errors import (
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    UnprocessableEntityError,
)
from puna.types.secret import Secret
from puna.wire.http import HTTPReply

RETIREMENT = "The service was retired on 2026-07-06: set `api_base`."


def error_of(
    status: int, body: Any = b"", headers: dict[str, str] | None = None, **target: Any
) -> APIError:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return read_error_reply(
        HTTPReply(status, headers or {}, raw), context_for(target=target_for(**target))
    )


CLASSES = [
    (400, BadRequestError, False),
    (401, AuthenticationError, False),
    (402, BadRequestError, False),
    (403, PermissionDeniedError, False),
    (404, NotFoundError, False),
    (408, APITimeoutError, True),
    (409, BadRequestError, False),
    (410, NotFoundError, False),
    (413, BadRequestError, False),
    (418, BadRequestError, False),
    (422, UnprocessableEntityError, False),
    (429, RateLimitError, True),
    (500, InternalServerError, True),
    (502, BadGatewayError, True),
    (503, ServiceUnavailableError, True),
    (504, APITimeoutError, True),
    (529, ServiceUnavailableError, True),
]

BODIES: list[tuple[Any, str]] = [
    ({"title": "Some Title", "detail": "detail here", "status": 1}, "Some Title: detail here"),
    ({"title": "Only a title"}, "Only a title"),
    (
        {"error": {"message": "openai style", "type": "t", "param": None, "code": None}},
        "openai style",
    ),
    ({"error": "a text"}, "a text"),
    ({"error": "a text", "message": "and more", "code": "c"}, "a text"),
    ({"error": ["odd"], "message": "beside it"}, "beside it"),
    ({"error": {"message": {"nested": [True, None]}}}, '{"nested": [true, null]}'),
    ({"detail": [{"loc": ["body", "n"], "msg": "too big"}]}, '"msg": "too big"'),
    ({"message": "bare"}, "bare"),
    ([{"error": {"message": "in a list"}}], "in a list"),
    ("a JSON text", "a JSON text"),
    ({"odd": [True, None]}, '{"odd": [true, null]}'),
    ([], "[]"),
    (7, "7"),
    (b"plain\n   text", "plain text"),
    (b"", "an empty body"),
    (b"{broken", "{broken"),
    (b"\xff\xfe", "�"),
    (b"[" * 100_000, "[[["),
    (b"<html><head><title>Bad\n Gateway</title></head>", "a web page, “Bad Gateway”"),
    (b"<!DOCTYPE HTML><p>No <b>title</b></p>", "No title"),
]


@pytest.mark.case(135, 136, 138, 139, 140)
@pytest.mark.parametrize(("status", "kind", "is_retryable"), CLASSES)
def test_each_status_has_its_class_and_says_who_said_what(
    status: int,
    kind: type[APIError],
    is_retryable: bool,  # noqa: FBT001 - a table's column
) -> None:
    error = error_of(status, {"title": "Some Title", "detail": f"detail for {status}"})
    assert type(error) is kind
    assert error.status_code == status
    assert error.is_retryable is is_retryable
    assert (error.provider, error.model) == ("meta_llama", "meta_llama/m")
    assert str(error) == f"meta_llama answered {status}: Some Title: detail for {status}"
    assert error.body == json.dumps({"title": "Some Title", "detail": f"detail for {status}"})


@pytest.mark.case(135, 140, 155)
@pytest.mark.parametrize("status", [400, 404, 429, 500])
@pytest.mark.parametrize(("body", "said"), BODIES)
def test_every_kind_of_body_is_readable_and_never_python_source(
    status: int, body: Any, said: str
) -> None:
    error = error_of(status, body)
    assert said in str(error)
    assert "True" not in str(error)
    assert "None" not in str(error)
    assert "{'" not in str(error)
    assert "\n" not in str(error)
    assert len(str(error)) < 1_000
    assert error.body is not None
    assert len(error.body) <= 4_096


@given(st.integers(200, 599), st.binary(max_size=60) | st.text(max_size=60).map(str.encode))
@pytest.mark.case(140)
def test_no_body_at_all_makes_the_reading_fail(status: int, body: bytes) -> None:
    error = error_of(status, body)
    assert error.status_code >= 400


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["error", "message", "detail", "title", "status", "code", "param", "type"]
            ),
            inner,
            max_size=5,
        )
    ),
    max_leaves=12,
)


@given(JSON)
@pytest.mark.case(140, 155)
def test_no_json_at_all_makes_the_reading_fail(body: Any) -> None:
    error = error_of(500, body)
    framed = read_error_frame(body, context_for())
    for read in (error, framed):
        assert read.status_code >= 400
        assert read.param is None or isinstance(read.param, str)
        assert isinstance(read.code, str)


def test_type_param_and_code_of_the_host_are_kept() -> None:
    error = error_of(400, {"error": {"message": "m", "param": "top_k", "code": "bad_value"}})
    assert (error.code, error.param, error.fault) == ("bad_value", "top_k", "caller")
    assert error_of(400, {"error": {"message": "m", "code": "400"}}).code == "invalid_request_error"
    assert error_of(400, {"error": {"message": "m", "code": "x" * 9_999}}).code == "x" * 200


@pytest.mark.case(37, 155)
@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": f"Incorrect key: {KEY}", "param": KEY, "code": KEY}},
        {"detail": f"no {KEY}"},
        {"error": "x" * 590 + KEY},
        {"title": KEY, "odd": [KEY]},
        KEY.encode(),
        f"<html><title>{KEY}</title>".encode(),
        json.dumps({"error": f"no {KEY}"}).replace("/", "\\/").encode(),
    ],
)
def test_a_key_that_the_host_repeats_is_not_shown_not_even_in_part(body: Any) -> None:
    error = error_of(401, body)
    frame = body.decode() if isinstance(body, bytes) else body
    for read in (error, read_error_frame(frame, context_for())):
        for text in (str(read), read.body, read.param, read.code, repr(read)):
            assert KEY[:9] not in (text or "")
            assert KEY[-6:] not in (text or "")
    assert "•••" in (error.body or "")


def test_scrubbing_without_a_key_changes_nothing() -> None:
    for key in (None, Secret("")):
        assert scrub("text", context_for(target=target_for(api_key=key))) == "text"


@pytest.mark.case(147)
@pytest.mark.parametrize(
    ("status", "said"),
    [
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9000"),
        (400, "the request exceeds the available context size, try increasing it"),
        (400, "prompt is too long: 210000 tokens > 200000 maximum"),
        (400, "Input is too long for requested model."),
        (400, "The input token count (9) exceeds the maximum number of tokens allowed (8)."),
        (400, "input length and `max_tokens` exceed context limit: 9 + 8 > 10"),
        (400, "Please reduce the length of the messages or completion."),
        (
            400,
            "Prompt contains 40000 tokens, too large for model with 32768 maximum context length",
        ),
        (422, "Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096."),
        (413, "Request exceeds the context window"),
        (500, "the input length exceeds the context length"),
        (500, "Requested input length 99009 exceeds maximum input length 8192"),
        (400, "Input length 131393 exceeds the maximum allowed input length of 131040 tokens."),
        (
            400,
            "This model's maximum prompt length is 131072 but the request contains 537812 tokens",
        ),
        (400, "too many tokens"),
    ],
)
def test_a_context_overflow_is_known_by_the_words_of_many_hosts(status: int, said: str) -> None:
    error = error_of(status, {"error": {"message": said}})
    assert type(error) is ContextWindowExceededError
    assert error.code == "context_length_exceeded"
    assert error.is_retryable is False
    assert error.status_code == (400 if status == 500 else status)
    assert said[:20] in str(error)


@pytest.mark.case(147)
def test_the_code_alone_tells_a_context_overflow() -> None:
    body = {"error": {"message": "no.", "code": "context_length_exceeded"}}
    assert type(error_of(400, body)) is ContextWindowExceededError


def test_a_token_limit_of_the_minute_is_no_context_overflow() -> None:
    said = "You have exceeded the maximum number of tokens per minute"
    assert type(error_of(429, {"detail": said})) is RateLimitError


def test_a_refused_content_is_told_from_a_wrong_request() -> None:
    body = {"error": {"message": "Flagged by our content policy", "code": "content_filter"}}
    error = error_of(400, body)
    assert type(error) is ContentPolicyViolationError
    assert error.code == "content_policy_violation"


@pytest.mark.case(137)
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_error_that_does_not_name_the_place(status: int) -> None:
    error = error_of(
        status, b"", {"location": "https://user:sk-1@web.test/page?key=2"}, retirement=RETIREMENT
    )
    assert type(error) is NotFoundError
    assert (error.status_code, error.is_retryable) == (404, False)
    assert f"answered {status}, a redirect" in str(error)
    assert str(error).endswith(RETIREMENT)
    assert "sk-1" not in str(error)
    assert "web.test" not in str(error)
    assert "a redirect;" in str(error_of(status, b"", {"location": "/relative"}))


@pytest.mark.case(136, 137)
@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (403, {"detail": "not available for your application"}, PermissionDeniedError),
        (404, b"<html><title>Gone</title>", NotFoundError),
        (404, b"", NotFoundError),
        (410, {"title": "Gone"}, NotFoundError),
        (200, b"<html><title>Web</title>", MalformedReplyError),
    ],
)
def test_what_looks_like_a_service_that_is_gone_says_so(
    status: int, body: Any, kind: type[APIError]
) -> None:
    error = error_of(status, body, retirement=RETIREMENT)
    assert type(error) is kind
    assert RETIREMENT in str(error)
    assert error.is_retryable is False
    assert RETIREMENT not in str(error_of(status, body))
    assert RETIREMENT not in str(error_of(429, {"detail": "slow"}, retirement=RETIREMENT))


@pytest.mark.case(139)
def test_a_conflict_is_tried_again_only_where_its_code_is_of_that_kind() -> None:
    assert error_of(409, {"error": {"message": "m", "code": "lock_timeout"}}).is_retryable
    assert not error_of(409, {"error": {"message": "m", "code": "exists"}}).is_retryable


def test_the_host_may_say_whether_to_try_again() -> None:
    assert error_of(400, b"", {"x-should-retry": "true"}).is_retryable
    assert not error_of(500, b"", {"x-should-retry": "false"}).is_retryable
    assert error_of(500, b"", {"x-should-retry": "perhaps"}).is_retryable


@pytest.mark.case(141)
@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "1e999"}, float("inf")),
        ({"retry-after": "nan"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({}, None),
        ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        # NOW is Sun, 15 Jun 2025 15:06:40 GMT
        ({"retry-after": "Sun, 15 Jun 2025 15:06:50 GMT"}, 10.0),
        ({"retry-after": "Sun, 15 Jun 2025 15:06:50"}, 10.0),
        ({"retry-after": "Sun, 15 Jun 2025 17:06:50 +0200"}, 10.0),
        ({"retry-after": "Sun, 15 Jun 2025 15:06:30 GMT"}, 0.0),
        ({"retry-after": "Fri, 31 Dec 99999 23:59:59 GMT"}, None),
        ({"retry-after": "Mon, 99 Foo 2026 99:99:99 GMT"}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(
    headers: dict[str, str], seconds: float | None
) -> None:
    assert read_retry_after(headers, NOW) == seconds
    assert error_of(429, b"", headers).retry_after_s == seconds


@given(st.text(max_size=40))
def test_no_retry_after_at_all_makes_the_reading_fail(value: str) -> None:
    wait = read_retry_after({"retry-after": value, "retry-after-ms": value}, NOW)
    assert wait is None or wait >= 0


@pytest.mark.parametrize(
    ("body", "is_error"),
    [
        ({"error": {"message": "x"}}, True),
        ({"error": None, "choices": []}, False),
        ({"error": {}, "choices": []}, False),
        ({"object": "error", "message": "x"}, True),
        ({"title": "t", "status": 400}, True),
        ({"detail": "d"}, True),
        ({"type": "ping"}, False),
        ({"choices": [], "message": "beside"}, False),
        ({}, False),
    ],
)
def test_an_error_is_known_inside_a_success(body: dict[str, Any], is_error: bool) -> None:  # noqa: FBT001
    assert is_error_body(body) is is_error


@pytest.mark.parametrize("item", [b"[]", b'{"a":0}', b"0", b'"a"'])
def test_an_error_of_many_values_is_read_as_plain_text(item: bytes) -> None:
    body = b'{"error":{"message":"No.","x":[' + b",".join([item] * 200_000) + b"]}}"
    tracemalloc.start()
    try:
        error = error_of(400, body)
        assert tracemalloc.get_traced_memory()[1] < 6 * len(body)
    finally:
        tracemalloc.stop()
    assert str(error).count('{"error":{"message":"No.","x":[') == 1
    few = b'{"error":{"message":"No.","x":[' + b",".join([item] * 5_000) + b"]}}"
    assert "No." in str(error_of(400, few))
    assert '"x"' not in str(error_of(400, few))
