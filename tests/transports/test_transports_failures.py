"""Errors of requests that failed on the way: they name the host and the fix, never the key."""

from __future__ import annotations

import pytest

from puna.transports.failures import (
    connect_timeout_error,
    connection_error,
    origin_of,
    smallest_limit,
    timeout_error,
)
from puna.wire.http import HTTPRequest, Timeouts

KEY = "sk-canary-0123456789"


def request(
    url: str = f"http://me:{KEY}@host:8000/v1/chat?key={KEY}",
    *,
    is_stream: bool = False,
    connect_s: float | None = 2.0,
) -> HTTPRequest:
    timeouts = Timeouts(connect_s=connect_s, idle_s=5.0, total_s=30.0)
    return HTTPRequest("POST", url, {"authorization": KEY}, b"", timeouts, is_stream)


@pytest.mark.parametrize(
    ("is_stream", "is_head", "words"),
    [
        (False, True, "within 30 s; raise `timeout`"),
        (False, False, "within 30 s; raise `timeout`"),
        (True, True, "within 30 s; raise `timeout`"),
        (True, False, "within 5 s; raise `stream_timeout`"),
    ],
)
def test_a_timeout_names_the_limit_that_ended_it(
    *, is_stream: bool, is_head: bool, words: str
) -> None:
    error = timeout_error(request(is_stream=is_stream), is_head=is_head)
    assert words in str(error)
    assert not error.is_retryable
    assert KEY not in str(error)


@pytest.mark.parametrize(("connect_s", "may_retry"), [(2.0, True), (None, False), (60.0, False)])
def test_a_connection_that_does_not_come_is_tried_again_while_the_caller_has_time(
    connect_s: float | None, *, may_retry: bool
) -> None:
    error = connect_timeout_error(request(connect_s=connect_s))
    assert error.is_retryable is may_retry
    assert not error.was_sent
    assert f"within {min(connect_s or 30.0, 30.0):g} s" in str(error)


@pytest.mark.parametrize(
    ("scheme", "reason", "advice"),
    [
        ("https", "[SSL: WRONG_VERSION_NUMBER]", "write `http://`"),
        ("https", "CERTIFICATE_VERIFY_FAILED", "SSL_CERT_FILE"),
        ("http", "Connection reset by peer", "write `https://`"),
        ("http", "[Errno 111] Connection refused", "start the server"),
        ("http", "Name or service not known", "DNS knows no such name"),
        ("https", "Network is unreachable", "no network leads there"),
    ],
)
def test_a_known_cause_is_told_with_the_fix(scheme: str, reason: str, advice: str) -> None:
    error = connection_error(request(f"{scheme}://me:{KEY}@host/v1"), OSError(reason))
    assert str(error).startswith(f"Cannot reach `{scheme}://host`: {reason}")
    assert advice in str(error)
    assert KEY not in str(error)


def test_an_unknown_cause_is_told_in_its_own_words() -> None:
    assert (
        str(connection_error(request(), OSError("odd."))) == "Cannot reach `http://host:8000`: odd."
    )
    assert str(connection_error(request(), OSError())).endswith(": OSError")


def test_an_origin_holds_no_credentials() -> None:
    assert origin_of(f"https://me:{KEY}@host:1/v1?k={KEY}") == "https://host:1"
    assert origin_of("http://[::1") == "http://"


def test_the_least_of_limits_leaves_out_those_that_are_none() -> None:
    assert smallest_limit(None, 3.0, 2.0) == 2.0
    assert smallest_limit(None, None) is None
