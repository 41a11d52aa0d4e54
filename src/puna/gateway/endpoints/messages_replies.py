"""What clients of Anthropic's API read: errors in its shape, and its list of models.

Source: Anthropic API reference, "Errors" and "List models".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.bridges.messages.request import NO_THREADS
from puna.errors import APIError, ContextWindowExceededError
from puna.gateway.answers.recovery import TOO_LONG, is_worth_retrying, last_words
from puna.gateway.answers.replies import Reply, error_body, error_reply, json_reply
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.status import Allows, get_model, list_models
from puna.gateway.error_source import error_source
from puna.gateway.requests.body import Incoming
from puna.wire.sse import encode_event

_PATHS = ("/messages", "/v1/messages", "/anthropic/")
_MODEL_PATHS = ("/models", "/v1/models")
_VERSION_HEADER = "anthropic-version"

_TYPES: Mapping[int, str] = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_UNAVAILABLE = 503
_OVERLOADED = 529
_SERVER_ERROR = 500

_UNKNOWN_DATE = "1970-01-01T00:00:00Z"  # the reference: an epoch value where none is known


def speaks_messages(head: Incoming) -> bool:
    """Whether a request comes from a client of Anthropic's API.

    It gets errors and lists of models in that format. Known by the path, or by the version header
    where both APIs share the path.
    """
    if head.path.startswith(_PATHS):
        return True
    return _VERSION_HEADER in head.headers and head.path.startswith(_MODEL_PATHS)


def messages_error_reply(error: APIError, call_id: str) -> Reply:
    """An error as a reply; a host that is overloaded or down gives Anthropic's own status."""
    plain = error_reply(error)
    body = json_reply(messages_error_body(error, call_id)).body
    return replace(plain, status=_status(error, plain.status), body=body)


def messages_error_event(error: APIError, call_id: str) -> bytes:
    """The last event of a stream that broke.

    One that is worth a retry is an `overloaded_error`: Claude Code tries again on no other type
    inside a stream.
    """
    body = messages_error_body(error, call_id)
    told = body["error"]
    if is_worth_retrying(error):
        told["type"] = _TYPES[_OVERLOADED]
    told["message"] = last_words(error, told["message"])
    return encode_event(json_reply(body).body, "error")


def messages_error_body(error: APIError, call_id: str) -> dict[str, Any]:
    """The body `{"type": "error", "error".

    {type, message}, "request_id"}`, with `details` if any.
    """
    status = _status(error, error.status_code)
    message = str(error_body(error)["error"]["message"])
    if isinstance(error, ContextWindowExceededError):
        message = TOO_LONG + message
    kind = "api_error" if status >= _SERVER_ERROR else "invalid_request_error"
    told: dict[str, Any] = {"type": _TYPES.get(status, kind), "message": message}
    if error.code == NO_THREADS:
        told["details"] = {"error_code": NO_THREADS}
    return {
        "type": "error",
        "error": told,
        "request_id": call_id,
    }


def list_messages_models(directory: Directory, allows: Allows) -> dict[str, Any]:
    """The body of `GET /v1/models` for Anthropic's clients: the caller's models on one page."""
    data = [_model_entry(one) for one in list_models(directory, allows)["data"]]
    return {
        "data": data,
        "has_more": False,
        "first_id": data[0]["id"] if data else None,
        "last_id": data[-1]["id"] if data else None,
    }


def get_messages_model(directory: Directory, name: str, allows: Allows) -> dict[str, Any]:
    """The body of `GET /v1/models/{id}` for Anthropic's clients.

    Raises:
        NotFoundError: nothing serves it.
    """
    return _model_entry(get_model(directory, name, allows))


def _model_entry(one: Mapping[str, Any]) -> dict[str, Any]:
    """Convert an entry of the usual list of models to Anthropic's format."""
    limits = {"max_input_tokens": "max_input_tokens", "max_tokens": "max_output_tokens"}
    return {
        "type": "model",
        "id": one["id"],
        "display_name": one["id"],
        "created_at": _UNKNOWN_DATE,
        "lifecycle": "active",
        "capabilities": None,
        **{name: one.get(known) for name, known in limits.items()},
    }


def _status(error: APIError, status: int) -> int:
    """The status for Anthropic's clients: 529 for an unavailable host, else `status`."""
    is_overloaded = status == _UNAVAILABLE and error_source(error) == "upstream"
    return _OVERLOADED if is_overloaded else status
