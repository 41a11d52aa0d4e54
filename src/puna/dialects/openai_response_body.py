"""Corrects a host's response object, and reads failure and usage from it.

Puna sets only what is not the host's to say: the public model, the request's fields that are kept
here (`previous_response_id`, `store`, `metadata`), and an id where the host's is not unique.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, cast

from puna.bridges.responses.required import fill_required
from puna.dialects.base import ReadContext
from puna.dialects.error_replies import read_error_frame
from puna.dialects.openai_response_fields import mend_fields
from puna.dialects.secrets import scrub
from puna.errors import APIError
from puna.types.common import Usage
from puna.types.counts import read_count, read_counts
from puna.types.response_request import ResponsesRequest
from puna.types.responses import Response

Context = ReadContext[ResponsesRequest]

_ID = re.compile(r"resp_[A-Za-z0-9_-]{16,200}")
_FEWEST_CHARACTERS = 6
"""Different ones in an id that is not made of filling; 16 random hex digits have fewer about once
in 10,000 times, and then Puna's own id serves as well."""

_STATUSES: Mapping[str, int] = {
    "context_length_exceeded": 400,
    "insufficient_quota": 429,
    "invalid_prompt": 400,
    "rate_limit_exceeded": 429,
    "vector_store_timeout": 504,
}
"""Of the codes of a failed response. Source: OpenAI API reference, "The response object"."""
_ABOUT_THE_INPUT = "image"
"""Stands in all codes of that page about what was sent."""


def mend_response(data: dict[str, Any], context: Context, event: str = "") -> None:
    """Set the fields that Puna decides or that every response must have; correct wrong types.

    `event` is the type of the event that holds the response.
    """
    request = context.request
    mend_fields(data, now=context.now, made_id=context.made_id, event=event)
    given = data.get("id")
    data["id"] = given if isinstance(given, str) and _is_unique(given) else context.made_id
    data["model"] = context.model
    data["previous_response_id"] = request.previous_response_id
    data["store"] = request.is_stored
    data["metadata"] = dict(request.metadata)
    fill_required(data, request.params)
    error = data.get("error")
    if isinstance(error, dict):
        told = cast("dict[str, Any]", error)
        told["message"] = scrub(str(told.get("message", "")), context)


def _is_unique(response_id: str) -> bool:
    """Whether an id looks unique: not a short number, and not a constant such as zeros.

    Stored responses are found by it, so an id that a host gives twice would mix two conversations.
    """
    random = response_id.removeprefix("resp_")
    return _ID.fullmatch(response_id) is not None and len(set(random)) >= _FEWEST_CHARACTERS


def has_failed(data: Mapping[str, Any]) -> bool:
    """Whether a response failed: by its status, or because it holds an error."""
    error = data.get("error")
    is_told = isinstance(error, Mapping) and any(cast("Mapping[str, Any]", error).values())
    return data.get("status") == "failed" or (is_told and "output" in data)


def read_failure(data: Mapping[str, Any], context: Context) -> APIError:
    """The typed error for a response that failed, or for an `error` event.

    The event holds its details inside `error`, or beside its type.
    """
    inner = data.get("error")
    told = cast("Mapping[str, Any]", inner if isinstance(inner, Mapping) else data)
    words = {name: told[name] for name in ("code", "message", "param") if told.get(name)}
    code = str(words.get("code", ""))
    status = _STATUSES.get(code, 400 if _ABOUT_THE_INPUT in code else 500)
    words.setdefault("message", "the response failed, and nothing says why")
    return read_error_frame({"error": {**words, "status": status}}, context)


def usage_of(response: Response) -> Usage | None:
    """The usage of a response in chat's counting; None where it has none.

    Where one count is absurd the others cannot be trusted either: None.
    """
    told = response.usage
    if told is None:
        return None
    names = ("input_tokens", "output_tokens", "total_tokens")
    asked, made, total = read_counts(dict(told), names)
    if asked is None or made is None or total is None:
        return None
    cached = read_count(told.input_tokens_details.cached_tokens)
    thought = read_count(told.output_tokens_details.reasoning_tokens)
    return Usage.model_validate(
        {
            "prompt_tokens": asked,
            "completion_tokens": made,
            "total_tokens": total,
            "prompt_tokens_details": {"cached_tokens": cached},
            "completion_tokens_details": {"reasoning_tokens": thought},
        }
    )
