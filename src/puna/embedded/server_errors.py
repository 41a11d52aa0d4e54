"""Converts the error replies of llama.cpp's server to typed errors."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from puna.errors import (
    APIError,
    BadRequestError,
    ContextWindowExceededError,
    InternalServerError,
    ServiceUnavailableError,
    class_for_status,
)

# Two or more segments; a JSON pointer (`#/properties/a`) and a URL's path are left alone.
_PATH = re.compile(r"(?<![\w#./:])(?:/[\w.@+~-]+){2,}")
_SCHEMA_WORDS = ("schema", "grammar")
_UNAVAILABLE = 503
_SERVER_ERRORS = 500


def without_paths(text: str) -> str:
    """The text with file paths replaced by `…`, since they are not the caller's business."""
    return _PATH.sub("…", text)


def read_server_error(status: int, body: Any, *, param: str | None = None) -> APIError:
    """The typed error for the server's error reply.

    `body` is the decoded JSON, `{"error": {"message", "type", …}}`, or anything else. `param` is
    what to name when a schema is at fault: `response_format` or the path of a tool's parameters.
    """
    details = _details(body)
    said = without_paths(str(details.get("message") or f"status {status}"))
    if details.get("type") == "exceed_context_size_error":
        return ContextWindowExceededError(
            f"The prompt has `{details.get('n_prompt_tokens')}` tokens and the embedded model "
            f"holds `{details.get('n_ctx')}`, prompt and answer together; send less.",
            param="messages",
        )
    if status in (401, 403):
        return ServiceUnavailableError(
            "The embedded model's process refused our key; it belongs to somebody else. Try again."
        )
    is_about_schema = any(word in said.lower() for word in _SCHEMA_WORDS)
    if is_about_schema and status != _UNAVAILABLE:
        return cannot_follow(param or "response_format", said)
    cls = class_for_status(status)
    if status >= _SERVER_ERRORS and not issubclass(cls, InternalServerError):
        cls = InternalServerError
    return cls(f"The embedded model answered {status}: {said}", status_code=status)


def cannot_follow(param: str, reason: str) -> BadRequestError:
    """The error for a schema that the server cannot compile to a grammar."""
    return BadRequestError(
        f"The embedded model cannot follow the JSON schema of `{param}`: {reason.rstrip('.')}. "
        "Look for limits that contradict each other, or make the schema simpler.",
        param=param,
    )


def _details(body: Any) -> Mapping[str, Any]:
    if isinstance(body, str):
        return {"message": body}
    if not isinstance(body, Mapping):
        return {}
    error = cast("Mapping[str, Any]", body).get("error")
    if isinstance(error, str):
        return {"message": error}
    return cast("Mapping[str, Any]", error) if isinstance(error, Mapping) else {}
