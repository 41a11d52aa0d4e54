"""What a transport says when a request did not come through: it names the host, never the key."""

from __future__ import annotations

from urllib.parse import urlsplit

from puna.errors import APIConnectionError, APITimeoutError
from puna.wire.http import HTTPRequest


def timed_out(request: HTTPRequest, *, is_head: bool) -> APITimeoutError:
    """The caller's patience is used up, so the same host is not asked again."""
    is_pause = request.is_stream and not is_head
    limit_s = request.timeouts.idle_s if is_pause else request.timeouts.total_s
    keyword = "stream_timeout" if is_pause else "timeout"
    return _timeout_after(limit_s, f"No answer from `{origin_of(request.url)}`", keyword)


def not_connected(request: HTTPRequest) -> APITimeoutError:
    """No connection in time; worth another try when the caller has time left."""
    connect_s, total_s = request.timeouts.connect_s, request.timeouts.total_s
    limit_s = least(connect_s, total_s)
    error = _timeout_after(limit_s, f"No connection to `{origin_of(request.url)}`", "timeout")
    error.is_retryable = limit_s != total_s
    return error


def unreachable(request: HTTPRequest, error: Exception) -> APIConnectionError:
    """No connection, or it broke."""
    reason = str(error) or type(error).__name__
    return APIConnectionError(f"Cannot reach `{origin_of(request.url)}`: {reason}")


def too_long(limit: int) -> str:
    """Why a reply is not read to its end."""
    return f"the reply is longer than {limit} bytes"


def least(*limits: float | None) -> float | None:
    """The shortest limit; None is no limit."""
    known = [limit for limit in limits if limit is not None]
    return min(known) if known else None


def origin_of(url: str) -> str:
    """Scheme, host and port of a URL, without the credentials that may be in it."""
    try:
        parts = urlsplit(url)
    except ValueError:  # brackets that do not match
        return f"{url.partition(':')[0]}://"
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _timeout_after(limit_s: float | None, what: str, keyword: str) -> APITimeoutError:
    within = f"within {limit_s:g} s; raise `{keyword}` or try again" if limit_s else "in time"
    return APITimeoutError(f"{what} {within}.", is_retryable=False)
