"""Builds JSON requests over HTTP (URL, headers, body), and parses JSON replies."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, cast
from urllib.parse import quote, urlencode

from pydantic import ValidationError

from puna.dialects.base import ReadContext, Target
from puna.dialects.error_replies import read_error_reply
from puna.dialects.secrets import scrub_start
from puna.errors import BadRequestError, MalformedReplyError
from puna.types.model_request import ModelRequest
from puna.wire.http import HTTPReply, HTTPRequest, Timeouts
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.surrogates import repair_text

_BODY_LIMIT = 1_000


def build_post(
    url: str,
    body: bytes,
    request: ModelRequest,
    target: Target,
    timeouts: Timeouts,
    *,
    stream_type: str = "text/event-stream",
) -> HTTPRequest:
    """Build the POST of a serialized body, with the headers of the request and of the target.

    `stream_type` is the `accept` header of a stream.
    """
    return HTTPRequest(
        method="POST",
        url=url,
        headers=_headers(request, target, stream_type if request.is_stream else "application/json"),
        body=body,
        timeouts=timeouts,
        is_stream=request.is_stream,
    )


def malformed(
    what: str, context: ReadContext[ModelRequest], *, body: str | None = None
) -> MalformedReplyError:
    """Make the error for a success that does not hold what was requested."""
    return MalformedReplyError(
        f"{context.target.provider} answered with {what}.",
        provider=context.target.provider,
        model=context.model,
        body=body,
    )


def parse_object(
    reply: HTTPReply, context: ReadContext[ModelRequest], *, has_vectors: bool = False
) -> dict[str, Any]:
    """Parse the body of a success as a JSON object; raises the fitting error for anything else."""
    try:
        data = parse_answer(reply.body, has_vectors=has_vectors)
    except ValueError as error:
        if reply.body.lstrip()[:1] == b"<":
            raise read_error_reply(reply, context) from error
        what = describe_fault(error, "broken JSON") if reply.body.strip() else "an empty body"
        text = scrub_start(reply.body, context)
        said = f"{what} (status {reply.status})"
        raise malformed(said, context, body=text[:_BODY_LIMIT]) from error
    if not isinstance(data, dict):
        raise malformed(f"JSON that is no object (status {reply.status})", context)
    return cast("dict[str, Any]", data)


def first_problem(error: ValidationError) -> str:
    """The first invalid field of a pydantic error, and what is wrong with it."""
    first = error.errors(include_url=False, include_input=False)[0]
    return f"`{'.'.join(str(part) for part in first['loc'])}` ({first['msg']})"


def build_url(target: Target, path: str) -> str:
    """The URL of a path at the target, with the target's query."""
    query = f"?{urlencode(target.query)}" if target.query else ""
    base, prefix = target.base_url, target.quirks.path_prefix
    if prefix:
        if "{model}" in prefix:
            prefix = prefix.replace("{model}", model_segment(target))
        base = base if base.endswith(prefix) else base + prefix
    return f"{base}{path}{query}"


def model_segment(target: Target) -> str:
    """The model's name as a path segment.

    Raises:
        BadRequestError: the name would lead to another path of the host.
    """
    if target.model in (".", ".."):
        raise BadRequestError(
            f"`{target.model}` is no model: give the name that the host knows.",
            param="model",
            provider=target.provider,
            model=target.model,
        )
    return quote(target.model, safe="")


def _headers(request: ModelRequest, target: Target, accept: str) -> dict[str, str]:
    """The headers of a request: the target's, the caller's over them, and the credentials."""
    headers = {
        "accept": accept,
        "content-type": "application/json",
        **target.headers,
        **request.headers,
    }
    # An extra header may name its own authorization; leaving it empty must not remove the key.
    if not headers.get("authorization"):
        headers.pop("authorization", None)
    own = _credentials(target)
    if own is not None and not any(request.headers.get(name) for name in ("authorization", own[0])):
        headers[own[0]] = own[1]
    return headers


def _credentials(target: Target) -> tuple[str, str] | None:
    """The header with the target's credentials, as name and value; None without credentials."""
    if target.api_key is not None and target.quirks.key_header is not None:
        return target.quirks.key_header, target.api_key.reveal()
    if target.api_key is not None:
        return "authorization", f"Bearer {target.api_key.reveal()}"
    if target.basic_auth is not None:
        encoded = b64encode(target.basic_auth.reveal().encode()).decode()
        return "authorization", f"Basic {encoded}"
    return None


def encode_body(body: Mapping[str, Any]) -> bytes:
    """Serialize a body. Halves of surrogate pairs become U+FFFD.

    Raises:
        BadRequestError: it holds a value that JSON does not have.
    """
    try:
        text = _to_text(body)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequestError(
            f"The request cannot be written as JSON: {error}. Give plain values."
        ) from error
    try:
        return text.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return repair_text(text).encode()


def _to_text(body: Mapping[str, Any]) -> str:
    """The JSON text of a body; its long lists are serialized by batches.

    The encoder holds a piece of text for each sign and value until its end, 10 to 20 times the size
    of a body of short messages or texts.
    """
    long = {name for name, value in body.items() if _is_long(value)}
    if not long or not all(type(name) is str for name in body):
        return _ENCODER.encode(body)
    members = [
        f"{_ENCODER.encode(name)}:{_list_text(value) if name in long else _ENCODER.encode(value)}"
        for name, value in body.items()
    ]
    return f"{{{','.join(members)}}}"


def _is_long(value: Any) -> bool:
    """Whether a value is a list so long that it is serialized by batches."""
    return isinstance(value, list | tuple) and len(cast("Sequence[Any]", value)) > _BATCH


def _list_text(values: Sequence[Any]) -> str:
    """The JSON text of a long list."""
    batches = range(0, len(values), _BATCH)
    return f"[{','.join([_ENCODER.encode(values[at : at + _BATCH])[1:-1] for at in batches])}]"


def _to_json_value(value: Any) -> Any:
    """Convert a value that JSON does not have. Called by the JSON encoder."""
    dump = None if isinstance(value, type) else getattr(value, "model_dump", None)
    if callable(dump):
        return dump(mode="json", exclude_none=True)
    if isinstance(value, Mapping):
        return dict(cast("Mapping[str, Any]", value))
    if isinstance(value, set | frozenset | tuple):
        return list(cast("tuple[Any, ...]", value))
    raise TypeError(f"`{type(value).__name__}` is not a JSON value")


_BATCH = 256
_ENCODER = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=_to_json_value
)
"""It keeps nothing of a body, and making it takes longer than a small body."""
