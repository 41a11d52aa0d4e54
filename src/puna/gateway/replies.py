"""What the gateway answers: JSON, errors in the shape that OpenAI's clients read, events."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from puna import __version__
from puna.catalog.prices import dollars
from puna.errors import APIError
from puna.transports.embedded import SCHEME
from puna.types.report import CallReport
from puna.wire.sse import encode_event

Headers = list[tuple[bytes, bytes]]

_JSON = b"application/json"
DONE = encode_event(b"[DONE]")

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "invalid_request_error",
    405: "invalid_request_error",
    413: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    502: "upstream_error",
    504: "timeout_error",
}

_UPSTREAM_WORDS = {401: "upstream_invalid_api_key", 403: "upstream_permission_denied"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole reply. `headers` stand besides content type and length."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    content_type: bytes = _JSON

    def head(self) -> Headers:
        """The headers as ASGI wants them."""
        return [
            (b"content-type", self.content_type),
            (b"content-length", str(len(self.body)).encode()),
            *encode_headers(self.headers),
        ]


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Any JSON value as a reply."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, body, headers or {})


def error_reply(error: APIError) -> Reply:
    """An error as a reply: same status as the upstream's, the body that OpenAI's SDK reads.

    A provider that refuses the gateway's own key keeps its status, with a code of its own
    (`upstream_invalid_api_key`), so that nobody takes it for a wrong gateway key.
    """
    headers = {"x-puna-error-source": error_source(error), **_limits(error.headers)}
    if "allow" in error.headers and error_source(error) == "gateway":
        headers["allow"] = error.headers["allow"]
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(error.retry_after_s)))
    if error.status_code == 401 and error_source(error) == "gateway":  # noqa: PLR2004 - RFC 9110
        headers["www-authenticate"] = 'Bearer realm="puna"'
    return json_reply(error_body(error), error.status_code, headers)


def error_body(error: APIError) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`; all texts, `param` may be null."""
    status = error.status_code
    code = error.code
    if error_source(error) == "upstream":
        code = _UPSTREAM_WORDS.get(status, code)
    kind = _TYPES.get(status) or ("server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return {
        "error": {"message": error.message, "type": kind, "param": error.param, "code": str(code)}
    }


def error_source(error: APIError) -> str:
    """`upstream` for what a provider answered, else `gateway`."""
    return "upstream" if error.provider and error.body is not None else "gateway"


def report_headers(report: CallReport) -> dict[str, str]:
    """How a call went, as headers. Names are LiteLLM's; no address and no key is in them."""
    headers = {
        "x-litellm-model-group": report.model,
        "x-litellm-model-id": report.deployment_id,
        "x-litellm-version": __version__,
        "x-litellm-attempted-retries": str(report.retries),
        "x-litellm-attempted-fallbacks": str(report.fallbacks),
        "x-litellm-response-duration-ms": f"{report.duration_s * 1000:.3f}",
    }
    if report.cost_picos is not None:
        headers["x-litellm-response-cost"] = str(dollars(report.cost_picos))
    if report.dropped_params:
        headers["x-puna-dropped-params"] = ",".join(report.dropped_params)
    if report.is_usage_estimated:
        headers["x-puna-usage"] = "estimated"
    if report.api_base.startswith(SCHEME):
        headers["x-puna-embedded-model"] = report.upstream_model
    return {**headers, **_limits(report.headers)}


def _limits(headers: Mapping[str, str]) -> dict[str, str]:
    """An upstream's rate-limit headers: the only ones of its that are handed on."""
    return {name: value for name, value in headers.items() if name.startswith("x-ratelimit-")}


def event_headers(report: CallReport) -> Headers:
    """The head of a stream of events."""
    headers = report_headers(report)
    # Not known before the stream ends.
    for name in ("x-litellm-response-duration-ms", "x-litellm-response-cost", "x-puna-usage"):
        headers.pop(name, None)
    return [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-cache"),
        (b"x-accel-buffering", b"no"),
        *encode_headers(headers),
    ]


def encode_headers(headers: Mapping[str, str]) -> Headers:
    """Text headers as bytes; what is no header text is left out rather than breaking a reply."""
    return [
        (name.encode("ascii", "ignore"), value.encode("ascii", "replace"))
        for name, value in headers.items()
        if "\r" not in value and "\n" not in value
    ]
