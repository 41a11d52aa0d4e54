"""Heads of the fast lane's replies: the same headers as `replies.py` writes, mostly prepared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from http import HTTPStatus

from puna.gateway.replies import Headers, encode_headers, event_headers, report_headers
from puna.types.report import CallReport

_JSON = (b"content-type", b"application/json")


@lru_cache(maxsize=256)
def status_line(status: int) -> bytes:
    """The first line of a reply; a status that has no name goes without one."""
    named = {one.value: one.phrase for one in HTTPStatus}
    return f"HTTP/1.1 {status} {named.get(status, '')}\r\n".encode()


def write_lines(headers: Headers | Sequence[tuple[bytes, bytes]]) -> bytes:
    """Headers as they go on the wire."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def whole_head(report: CallReport) -> bytes:
    """The headers of a whole answer; without its length."""
    if _is_usual(report):
        usual = _usual_whole(report.model, report.deployment_id)
        return b"%bx-litellm-response-duration-ms: %.3f\r\n" % (usual, report.duration_s * 1000)
    return write_lines([_JSON, *encode_headers(report_headers(report))])


def stream_head(report: CallReport) -> bytes:
    """The headers of a stream of events."""
    if _is_usual(report):
        return _usual_stream(report.model, report.deployment_id)
    return write_lines(event_headers(report))


def _is_usual(report: CallReport) -> bool:
    """Whether nothing but the duration differs from the calls of the same deployment before."""
    return (
        not report.retries
        and not report.fallbacks
        and report.cost_picos is None
        and not report.is_usage_estimated
        and "x-ratelimit-" not in " ".join(report.headers)
    )


@lru_cache(maxsize=1024)
def _usual_whole(model: str, deployment_id: str) -> bytes:
    headers = report_headers(_usual(model, deployment_id))
    del headers["x-litellm-response-duration-ms"]
    return write_lines([_JSON, *encode_headers(headers)])


@lru_cache(maxsize=1024)
def _usual_stream(model: str, deployment_id: str) -> bytes:
    return write_lines(event_headers(_usual(model, deployment_id)))


def _usual(model: str, deployment_id: str) -> CallReport:
    return CallReport("", model=model, deployment_id=deployment_id, lane="fast")
