"""Parses error replies of all kinds of hosts into typed errors.

Bodies seen in the wild: OpenAI's `{"error": {message, type, param, code}}`, problem details
`{title, detail, status}` (Meta's Llama API), `{"detail": …}`, `{"message": …}`, `{"error": "…"}`,
HTML pages of proxies, plain text, nothing at all.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from email.utils import mktime_tz, parsedate_tz
from typing import Any, cast

from puna.dialects.base import ReadContext
from puna.dialects.secrets import scrub, scrub_headers, scrub_start
from puna.dialects.url_faults import find_url_fault
from puna.errors import (
    APIError,
    BadRequestError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    MalformedReplyError,
    NotFoundError,
    class_for_status,
)
from puna.types.model_request import ModelRequest
from puna.wire.http import HTTPReply
from puna.wire.json_size import JSONLimits

_TEXT_LIMIT = 600
_WORD_LIMIT = 200

_CONTEXT_WORDS = re.compile(
    r"context[ _-]?(length|window|size)|maximum context|context_length_exceeded"
    r"|exceed(s|ed)? .{0,40}(context|token limit)|prompt is too long|input is too long"
    r"|too many (input )?tokens|maximum (number of )?(input )?tokens"
    r"|input .{0,40}is too large to process|maximum (allowed )?(input|prompt) length"
    r"|reduce the length of the (messages|prompt|input)|tokens.{0,4} \+ .{0,4}max_new_tokens",
    re.IGNORECASE,
)
_POLICY_WORDS = re.compile(
    r"content[ _](policy|filter|management)|flagged by|safety (system|policy|guard)"
    r"|violat\w+ .{0,40}polic",
    re.IGNORECASE,
)
_TITLE = re.compile(r"<title[^<>]{0,200}>([^<]{0,600})</title>", re.IGNORECASE)
_TAG = re.compile(r"<[^<>]+>")
_PAGE_LIMIT = 65_536
"""Characters of a web page or a plain text that are looked at."""

_MOST_DETAILS = JSONLimits(values=50_000, containers=10_000)
"""No error holds so much; one that does is read as plain text."""

_RETRYABLE_CONFLICTS = frozenset(("lock_timeout", "conflict_retryable", "resource_locked"))
_GONE = frozenset((403, 404, 410))
_MODEL_GONE = frozenset((400, 404, 410))
"""Some hosts answer 400 for a model that they no longer have."""
_NO_PATH = frozenset((404, 405))
_WANTS_TLS = re.compile(r"plain HTTP request was sent|HTTP request to an HTTPS", re.IGNORECASE)
"""As nginx and Go's server put it."""
_ERROR_STATUS = re.compile(r"[45][0-9][0-9]")


def read_error_reply(reply: HTTPReply, context: ReadContext[ModelRequest]) -> APIError:
    """The typed error for a reply whose status is no success, or whose body is an error."""
    text = scrub_start(reply.body, context)
    return _make(
        status=reply.status,
        headers=scrub_headers(reply.headers, context),
        details=_read_details(text),
        text=text,
        context=context,
    )


def read_error_frame(
    frame: Any, context: ReadContext[ModelRequest], *, status: int | None = None
) -> APIError:
    """The typed error for an error object inside a success: a body or a stream event.

    `status` is the one that the dialect knows for it; else the object may hold one.
    """
    raw = frame if isinstance(frame, str) else json.dumps(frame, ensure_ascii=False)
    text = scrub(raw, context)
    details = (
        _Details(message=text[:_PAGE_LIMIT]) if isinstance(frame, str) else _read_details(text)
    )
    return _make(
        status=status or _status_of(details),
        headers={},
        details=details,
        text=text,
        context=context,
    )


def is_error_body(body: Mapping[str, Any]) -> bool:
    """Whether a decoded body or stream event of a success is an error.

    Besides `{"error": …}` hosts send `{"object": "error", …}` and problem details.
    """
    if body.get("error") or body.get("object") == "error" or body.get("type") == "error":
        return True
    if body.get("choices"):
        return False
    said = bool(_first_text(body, "detail", "title", "message", "msg", "error_message"))
    if "choices" not in body:
        return said
    return said and bool(_ERROR_STATUS.fullmatch(str(body.get("code") or body.get("status"))))


def read_retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """The seconds that the host asks to wait, from `retry-after-ms` or `retry-after` (RFC 9110).

    `now` is Unix time in seconds, for dates. None where there is no such header.
    """
    milliseconds = _parse_number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return max(0.0, milliseconds / 1000)
    value = headers.get("retry-after", "")
    seconds = _parse_number(value)
    if seconds is not None:
        return max(0.0, seconds)
    try:
        date = parsedate_tz(value)
        return max(0.0, mktime_tz(date) - now) if date is not None else None
    except (ValueError, OverflowError):
        return None  # a day that no calendar has


def _parse_number(text: str) -> float | None:
    """Parse a number; None where the text is none, or NaN."""
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number  # noqa: PLR0124 - only NaN differs from itself


class _Details(dict[str, str]):
    """`message`, `type`, `param`, `code` and `status` of an error body, as far as it has them."""


def _make(
    *,
    status: int,
    headers: Mapping[str, str],
    details: _Details,
    text: str,
    context: ReadContext[ModelRequest],
) -> APIError:
    """Build the typed error from the details of a reply."""
    target = context.target
    said = details.get("message") or _short_text(text) or f"status {status} with an empty body"
    message = f"{target.provider} answered {status}: {scrub(said, context)}"
    is_redirect = 300 <= status < 400  # noqa: PLR2004 - RFC 9110
    is_page = _is_html(text) or is_redirect
    cls = _class_of(status, details, said)
    if is_redirect:
        cls = NotFoundError
        # Where to is not told: a host behind the gateway is nobody's business.
        message = (
            f"{target.provider} answered {status}, a redirect; redirects are not followed, so that "
            "no key travels to another host. Set `api_base` to the address that it leads to."
        )
    if target.retirement and (status in _GONE or (is_page and status < 500)):  # noqa: PLR2004
        message = f"{message.rstrip('.')}. {target.retirement}"
    elif target.model_end and status in _MODEL_GONE:
        message = f"{message.rstrip('.')}. {target.model_end}"
    elif status in _NO_PATH and (fault := find_url_fault(target.base_url)) is not None:
        message = f"{message.rstrip('.')}. Its address (`api_base`) {fault}."
    elif status == 400 and _WANTS_TLS.search(said):  # noqa: PLR2004 - as these servers answer
        message = f"{message.rstrip('.')}. It speaks TLS there: write `https://` in `api_base`."
    error = cls(
        message,
        status_code=_status_for(cls, status),
        code=_code_of(cls, details),
        param=details.get("param"),
        provider=target.provider,
        model=context.model,
        body=text,
        headers=headers,
        retry_after_s=read_retry_after(headers, context.now),
    )
    if is_page and status < 400:  # noqa: PLR2004 - RFC 9110
        error.is_retryable = False  # a web page stays one
    return _decide_retry(error, headers, details)


def _status_for(cls: type[APIError], status: int) -> int | None:
    """The host's status, if this class of error may have it; None for the class's own."""
    is_wrong_family = status >= 500 and issubclass(cls, BadRequestError)  # noqa: PLR2004 - RFC 9110
    return status if status >= 400 and not is_wrong_family else None  # noqa: PLR2004 - RFC 9110


def _class_of(status: int, details: _Details, said: str) -> type[APIError]:
    """The class of error for a status and the words of the message."""
    words = f"{details.get('code', '')} {details.get('type', '')} {said}"
    if status in (400, 413, 422, 500) and _CONTEXT_WORDS.search(words):
        return ContextWindowExceededError
    if status in (400, 403, 422) and _POLICY_WORDS.search(words):
        return ContentPolicyViolationError
    return class_for_status(status) if status >= 400 else MalformedReplyError  # noqa: PLR2004


def _code_of(cls: type[APIError], details: _Details) -> str | None:
    """The error's `code`, from the host if it is no number; None for the class's own."""
    code = details.get("code", "")
    if cls in (ContextWindowExceededError, ContentPolicyViolationError):
        return cls.code
    return code if code and not code.isdigit() else None


def _decide_retry(error: APIError, headers: Mapping[str, str], details: _Details) -> APIError:
    """Set `is_retryable` where the host, a conflict or a context overflow decides it."""
    wish = headers.get("x-should-retry")
    if wish in ("true", "false"):
        error.is_retryable = wish == "true"
    elif error.status_code == 409:  # noqa: PLR2004 - RFC 9110
        error.is_retryable = details.get("code") in _RETRYABLE_CONFLICTS
    elif isinstance(error, ContextWindowExceededError):
        error.is_retryable = False
    return error


def _read_details(text: str) -> _Details:
    """The details in the text of an error body."""
    if len(text) > _MOST_DETAILS.containers:
        data = text.encode("utf-8", "surrogatepass")
        if _MOST_DETAILS.exceeded_by(data) is not None:
            return _Details()
    try:
        details = _details_of(json.loads(text))
    except (ValueError, RecursionError):
        return _Details()
    # JSON can spell half of a surrogate pair, which no text can hold.
    return _Details({name: v.encode("utf-8", "replace").decode() for name, v in details.items()})


def _details_of(body: Any) -> _Details:
    """The details in a decoded error body, whatever its shape."""
    if isinstance(body, list) and body:
        body = cast("list[Any]", body)[0]
    if isinstance(body, str):
        return _Details(message=body[:_TEXT_LIMIT])
    if not isinstance(body, Mapping):
        return _Details()
    outer = cast("Mapping[str, Any]", body)
    inner = outer.get("error", outer)
    if isinstance(inner, str):
        return _Details({**_details_of({**outer, "error": None}), "message": inner[:_TEXT_LIMIT]})
    fields = cast("Mapping[str, Any]", inner) if isinstance(inner, Mapping) else outer
    said = _first_text(fields, "message", "detail", "title", "error_message", "msg", "errors")
    title = fields.get("title")
    if isinstance(title, str) and title and said and title not in said:
        said = f"{title}: {said}"
    details = _Details(message=said) if said else _Details()
    for name, keys in _FIELDS.items():
        value = next((fields[key] for key in keys if fields.get(key) not in (None, "")), None)
        if isinstance(value, str | int) and not isinstance(value, bool):
            details[name] = str(value)[:_WORD_LIMIT]
    return details


_FIELDS: Mapping[str, tuple[str, ...]] = {
    "type": ("type",),
    "param": ("param",),
    "code": ("code",),
    "status": ("status", "status_code", "http_status", "code"),
}


def _first_text(fields: Mapping[str, Any], *keys: str) -> str:
    """The first of these fields with a content, as text; lists and objects as JSON."""
    for key in keys:
        value = fields.get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()[:_TEXT_LIMIT]
        if isinstance(value, list | Mapping) and value:
            return json.dumps(value, ensure_ascii=False)[:_TEXT_LIMIT]
    return ""


def _status_of(details: _Details) -> int:
    """The HTTP status for an error body: its own, or the one for its code or type; else 500."""
    status = details.get("status", "")
    if _ERROR_STATUS.fullmatch(status):
        return int(status)
    words = (details.get(name, "").lower() for name in ("code", "type", "status"))
    return next((_STATUSES[word] for word in words if word in _STATUSES), 500)


_STATUSES: Mapping[str, int] = {
    "invalid_argument": 400,
    "invalid_request_error": 400,
    "authentication_error": 401,
    "invalid_api_key": 401,
    "permission_denied": 403,
    "permission_error": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "insufficient_quota": 429,
    "rate_limit_error": 429,
    "rate_limit_exceeded": 429,
    "resource_exhausted": 429,
    "too_many_requests": 429,
    "engine_overloaded": 503,
    "insufficient_system_resource": 503,
    "overloaded": 503,
    "overloaded_error": 503,
    "server_is_overloaded": 503,
    "service_unavailable": 503,
    "service_unavailable_error": 503,
    "unavailable": 503,
    "timeout": 504,
    "timeout_error": 504,
}
"""Of the words of errors inside a success, which have no status of their own."""


def _is_html(text: str) -> bool:
    """Whether an error body is an HTML page, as proxies send."""
    return text.lstrip()[:200].lower().startswith(("<!doctype html", "<html"))


def _short_text(text: str) -> str:
    """An error body as short text: an HTML page by its title, everything else by its beginning."""
    text = text.lstrip()[:_PAGE_LIMIT]
    if _is_html(text):
        title = _TITLE.search(text)
        said = title.group(1) if title else _TAG.sub(" ", text)
        return f"a web page, “{' '.join(said.split())[:200]}”"
    return " ".join(text.split())[:_TEXT_LIMIT]
