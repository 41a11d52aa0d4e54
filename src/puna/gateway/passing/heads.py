"""Heads of the fast lane's replies: the headers of `answers/replies.py`, mostly prepared."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from puna.catalog.prices import dollars
from puna.gateway.answers.replies import Headers, encode_headers, event_headers, report_headers
from puna.types.report import CallReport

LIMIT_PREFIX: Final = "x-ratelimit-"
"""How the headers of an upstream begin that are handed on, in lower case."""

_JSON = (b"content-type", b"application/json")
_DURATION: Final = "x-litellm-response-duration-ms"


def write_lines(headers: Headers | Sequence[tuple[bytes, bytes]]) -> bytes:
    """Serialize headers as lines of an HTTP/1.1 head."""
    return b"".join([b"%b: %b\r\n" % header for header in headers])


def usual_whole_lines(model: str, deployment_id: str) -> bytes:
    """The header lines of a whole answer at the first try, without duration, price and length.

    Prepared once for each deployment.
    """
    headers = report_headers(_usual_report(model, deployment_id))
    del headers[_DURATION]
    return write_lines([_JSON, *encode_headers(headers)])


def usual_stream_lines(model: str, deployment_id: str) -> bytes:
    """The header lines of a streamed answer at the first try. Prepared once for each deployment."""
    return write_lines(event_headers(_usual_report(model, deployment_id)))


def whole_lines(usual: bytes, report: CallReport, *, has_limits: bool) -> bytes:
    """The header lines of a whole answer, without its length.

    `usual` are those prepared for its deployment. `has_limits`: the host sent rate limit headers.
    """
    # A usual call differs in nothing but duration and price from the deployment's calls before.
    if (
        has_limits
        or report.retries
        or report.fallbacks
        or report.is_usage_estimated
        or report.dropped_params
    ):
        return write_lines([_JSON, *encode_headers(report_headers(report))])
    ms = report.duration_s * 1000
    if report.cost_picos is None:
        return b"%bx-litellm-response-duration-ms: %.3f\r\n" % (usual, ms)
    cost = str(dollars(report.cost_picos)).encode()
    return b"%bx-litellm-response-duration-ms: %.3f\r\nx-litellm-response-cost: %b\r\n" % (
        usual,
        ms,
        cost,
    )


def stream_lines(usual: bytes, report: CallReport, *, has_limits: bool) -> bytes:
    """The header lines of a streamed answer. Parameters as in `whole_lines`."""
    if has_limits or report.retries or report.fallbacks or report.dropped_params:
        return write_lines(event_headers(report))
    return usual


def _usual_report(model: str, deployment_id: str) -> CallReport:
    """The report of a call that went well at the first try, to prepare headers from."""
    return CallReport("", model=model, deployment_id=deployment_id, lane="fast")
