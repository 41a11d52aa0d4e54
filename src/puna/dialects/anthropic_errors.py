"""Parses errors of the Messages API, whose `type` stands for a status.

Source: Anthropic API reference, "Errors"; read 2026-11-26.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.dialects.base import ReadContext
from puna.dialects.error_replies import read_error_frame
from puna.errors import APIError

_STATUSES: Mapping[str, int] = {
    "invalid_request_error": 400,
    "authentication_error": 401,
    "billing_error": 402,
    "permission_error": 403,
    "not_found_error": 404,
    "request_too_large": 413,
    "rate_limit_error": 429,
    "api_error": 500,
    "timeout_error": 504,
    "overloaded_error": 529,
}


def read_messages_error(frame: Mapping[str, Any] | str, context: ReadContext) -> APIError:
    """The typed error for an error event, or for an error body with a success status."""
    inner = frame.get("error") if isinstance(frame, Mapping) else None
    kind = cast("Mapping[str, Any]", inner).get("type") if isinstance(inner, Mapping) else None
    status = _STATUSES.get(str(kind))
    return read_error_frame(frame, context, status=status)
