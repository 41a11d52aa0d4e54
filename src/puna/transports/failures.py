"""The errors of requests that failed on the way. They name the host, never the key."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from puna.errors import APIConnectionError, APITimeoutError
from puna.wire.http import HTTPRequest


def timeout_error(request: HTTPRequest, *, is_head: bool) -> APITimeoutError:
    """Make the error for a reply that did not come in the caller's time. It is not retryable.

    `is_head` is whether the head was awaited; else a stream paused for too long.
    """
    is_pause = request.is_stream and not is_head
    limit_s = request.timeouts.idle_s if is_pause else request.timeouts.total_s
    keyword = "stream_timeout" if is_pause else "timeout"
    return _timeout_after(limit_s, f"No answer from `{origin_of(request.url)}`", keyword)


def connect_timeout_error(request: HTTPRequest) -> APITimeoutError:
    """Make the error for a connection that was not made in time.

    Retryable where the connect timeout ended, and not the caller's total time.
    """
    connect_s, total_s = request.timeouts.connect_s, request.timeouts.total_s
    limit_s = smallest_limit(connect_s, total_s)
    error = _timeout_after(limit_s, f"No connection to `{origin_of(request.url)}`", "timeout")
    error.was_sent = False
    error.is_retryable = limit_s != total_s
    return error


def connection_error(
    request: HTTPRequest, error: Exception, *, was_sent: bool = True
) -> APIConnectionError:
    """Make the error for a connection that failed or broke; known causes get a clause with the fix.

    `was_sent` is whether the host may have received the request.
    """
    reason = str(error) or type(error).__name__
    message = f"Cannot reach `{origin_of(request.url)}`: {reason}"
    scheme = request.url.partition(":")[0].lower()
    advice = next(
        (text for of, words, text in _CAUSES if of in ("", scheme) and words.search(reason)), None
    )
    failure = APIConnectionError(f"{message.rstrip('.')}; {advice}." if advice else message)
    failure.was_sent = was_sent
    return failure


_NO_TLS = "that port does not speak TLS: if the server is plain HTTP, write `http://`"
_TLS = "if the server speaks TLS, write `https://`"
_UNTRUSTED = "its certificate is not trusted here: check the address, or set `SSL_CERT_FILE`"
_REFUSED = "nothing listens there: start the server, or correct the address (`api_base`)"
_NAMELESS = "DNS knows no such name: correct the address (`api_base`), or try again"
_NO_ROUTE = "no network leads there: check the address (`api_base`) and the network"
_CAUSES = tuple(
    (scheme, re.compile(words, re.IGNORECASE), text)
    for scheme, words, text in (
        ("https", r"WRONG_VERSION_NUMBER|record layer|UNEXPECTED_EOF|http request", _NO_TLS),
        ("https", r"CERTIFICATE_VERIFY_FAILED", _UNTRUSTED),
        (
            "http",
            r"without (sending a response|a reply)|reset by peer|status line|illegal|malformed",
            _TLS,
        ),
        ("", r"connection refused", _REFUSED),
        ("", r"not known|no address associated|name resolution|nodename", _NAMELESS),
        ("", r"unreachable|no route", _NO_ROUTE),
    )
)
"""Scheme, words of the reason, and what to look at. The first that fits counts."""


def too_long_text(limit: int) -> str:
    """The error text for a reply that is longer than `limit` bytes."""
    return f"the reply is longer than {limit} bytes"


def smallest_limit(*limits: float | None) -> float | None:
    """The smallest of some limits in seconds; None means no limit."""
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, without credentials, for error messages."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not match
        return f"{url.partition(':')[0]}://"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _timeout_after(limit_s: float | None, what: str, keyword: str) -> APITimeoutError:
    """Make a timeout error; `keyword` is the argument that sets the limit."""
    within = f"within {limit_s:g} s; raise `{keyword}` or try again" if limit_s else "in time"
    return APITimeoutError(f"{what} {within}.", is_retryable=False)
