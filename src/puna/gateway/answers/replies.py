"""What the gateway answers: JSON, errors in the shape that OpenAI's clients read, events."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from puna.catalog.prices import dollars
from puna.errors import (
    APIConnectionError,
    APIError,
    AuthenticationError,
    BudgetExceededError,
    InternalServerError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from puna.gateway.answers.recovery import last_words, overflow_words
from puna.gateway.error_source import error_source
from puna.gateway.requests.free_memory import lacks_memory
from puna.transports.embedded import SCHEME
from puna.types.chat import ChatCompletion, Choice
from puna.types.report import CallReport
from puna.version import __version__
from puna.wire.splicing import insert_fields
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
    415: "invalid_request_error",
    422: "invalid_request_error",
    429: "rate_limit_error",
    502: "upstream_error",
    504: "timeout_error",
}

_OWN_TYPE = "_model_access_denied"
"""How LiteLLM's types of errors about models that a key may not use end."""

_OWN_HEADERS = ("accept-encoding", "allow", "connection", "upgrade")
"""Headers that an error of the gateway may bring along; a host's go nowhere."""

_LONGEST_PAUSE_S = 86_400
_LONGEST_HEADER = 2_048
_PLAIN = "[]:/ !#$&'()*=?@^`{|}<>;"
"""Stands in a name beside letters, digits and `_.-~` as it is; a comma does not."""
_WITH_ADDRESS = (APIConnectionError, AuthenticationError, PermissionDeniedError)
_ADDRESS = re.compile(r"`https?://[^`\s]+`")
# A host may answer with any header; one that holds a key must not look like a limit.
_LIMIT_NAME = re.compile(r"x-ratelimit-(limit|remaining|reset|used)(-[a-z-]+)?")
_LIMIT_VALUE = re.compile(r"(?!.*(?=[0-9]*[a-zA-Z])[0-9a-zA-Z]{12})[0-9][0-9a-zA-Z.:+ -]{0,39}")
"""A number, a duration, a time; no run of letters and digits in which some of a key has room."""

_UPSTREAM_WORDS = {401: "upstream_invalid_api_key", 403: "upstream_permission_denied"}


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole HTTP reply. `headers` are sent besides content type and length."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    content_type: bytes = _JSON

    def head(self) -> Headers:
        """The headers as ASGI wants them."""
        if self.status == 204:  # noqa: PLR2004 - RFC 9110: no content, so nothing about it
            return encode_headers(self.headers)
        return [
            (b"content-type", self.content_type),
            (b"content-length", str(len(self.body)).encode()),
            *encode_headers(self.headers),
        ]


def json_reply(value: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Reply:
    """Any JSON value as a reply."""
    body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    return Reply(status, body, headers or {})


_MOST_COPIED = 1_000_000
"""Bytes of an answer that is copied to add fields; a longer one is written anew instead."""


def chat_body(answer: ChatCompletion) -> bytes:
    """Serialize a chat completion for the client, with the empty fields that hosts leave out.

    Called for every whole answer that a dialect has read. Sources: OpenAI's OpenAPI document,
    `CreateChatCompletionResponse`, read 2026-11-26, for `refusal` and `logprobs`; the answers in
    its API reference, "Chat", for `annotations`.
    """
    body = answer.to_json_bytes()
    lacks = {
        (
            "refusal" not in one.message.model_fields_set,
            "annotations" not in one.message.model_fields_set,
            "logprobs" not in one.model_fields_set,
        )
        for one in answer.choices
    }
    filled = None
    if len(lacks) == 1 and len(body) <= _MOST_COPIED:
        filled = insert_fields(body, len(answer.choices), lacks.pop())
    del body  # a long one would lie in memory twice
    return filled or _with_empty_fields(answer).to_json_bytes()


def _with_empty_fields(answer: ChatCompletion) -> ChatCompletion:
    """A copy of an answer with the empty fields added to its objects.

    The slow way of `chat_body`, for an answer in whose bytes they cannot be inserted.
    """
    choices: list[Choice] = []
    for one in answer.choices:
        said = one.message
        empty = {"refusal": said.refusal, "annotations": said.annotations or []}
        message = said.model_copy(update=empty)
        choices.append(one.model_copy(update={"message": message, "logprobs": one.logprobs}))
    return answer.model_copy(update={"choices": choices})


def error_reply(error: APIError) -> Reply:
    """An error as a reply: same status as the upstream's, the body that OpenAI's SDK reads.

    A provider that refuses the gateway's own key keeps its status, with a code of its own
    (`upstream_invalid_api_key`), so that nobody takes it for a wrong gateway key.
    """
    headers = {"x-puna-error-source": error_source(error), **_rate_limit_headers(error.headers)}
    if error_source(error) == "gateway":
        headers |= {name: error.headers[name] for name in _OWN_HEADERS if name in error.headers}
    if error.retry_after_s is not None:
        headers["retry-after"] = str(max(1, round(min(error.retry_after_s, _LONGEST_PAUSE_S))))
    if error.status_code == 401 and error_source(error) == "gateway":  # noqa: PLR2004 - RFC 9110
        headers["www-authenticate"] = 'Bearer realm="puna"'
        headers["x-should-retry"] = "false"  # Claude Code would try again for minutes
    return json_reply(error_body(error), _status(error), headers)


def error_body(error: APIError) -> dict[str, Any]:
    """`{"error": {message, type, param, code}}`; all texts, `param` may be null.

    The address of an upstream that could not be reached, or refused a key, stays in the log.
    """
    status = _status(error)
    message = str(error)
    if isinstance(error, _WITH_ADDRESS):
        message = _ADDRESS.sub("the upstream", message)
    message = overflow_words(error, message)
    code = error.code
    if error_source(error) == "upstream":
        code = _UPSTREAM_WORDS.get(status, code)
    is_own = isinstance(error, BudgetExceededError) or code.endswith(_OWN_TYPE)
    kind = code if is_own else _TYPES.get(status)  # LiteLLM's words, whatever the status
    kind = kind or ("server_error" if status >= 500 else "invalid_request_error")  # noqa: PLR2004
    return {"error": {"message": message, "type": kind, "param": error.param, "code": str(code)}}


def error_event(error: APIError) -> bytes:
    """The last event of a stream that broke: OpenAI's SDKs raise an error on it.

    No `[DONE]` follows.
    """
    return encode_event(json_reply(last_error_body(error)).body)


def last_error_body(error: APIError) -> dict[str, Any]:
    """`error_body` for the end of a stream, where no status tells clients what to do."""
    body = error_body(error)
    body["error"]["message"] = last_words(error, body["error"]["message"])
    return body


def internal_error() -> InternalServerError:
    """Make the error for an unforeseen exception (status 500). Its cause is in the log only."""
    return InternalServerError(
        "The gateway failed on this request; its log says why.",
        code="internal_error",
        fault="operator",
    )


def out_of_memory() -> ServiceUnavailableError:
    """Make the error (status 503) for a request that the process has no memory for.

    The memory of its parts is freed.
    """
    return ServiceUnavailableError(
        "The gateway has not enough memory for this request now. Send a smaller one, or try again "
        "later.",
        code="out_of_memory",
        fault="operator",
    )


def crash_error(error: BaseException | None) -> APIError:
    """What the client gets for an exception that nobody foresaw."""
    return out_of_memory() if lacks_memory(error) else internal_error()


def stopping() -> ServiceUnavailableError:
    """Make the error (status 503) for a request still running when the gateway has to exit."""
    return ServiceUnavailableError(
        "The gateway stops, and this answer took longer than it waits. Ask again.",
        code="gateway_stopping",
        fault="operator",
    )


def _status(error: APIError) -> int:
    """The HTTP status for an error.

    Its own, or 502 where a host answered with a number beyond 599.
    """
    return error.status_code if 400 <= error.status_code < 600 else 502  # noqa: PLR2004 - RFC 9110


def report_headers(report: CallReport) -> dict[str, str]:
    """The headers of an answer that report its call: model, deployment, attempts, cost, duration.

    Names are LiteLLM's. No address and no key is in them.
    """
    headers = {
        "x-litellm-model-group": report.model,
        "x-litellm-model-id": report.deployment_id,
        "x-litellm-version": __version__,
        "x-puna-lane": report.lane,
        "x-litellm-attempted-retries": str(report.retries),
        "x-litellm-attempted-fallbacks": str(report.fallbacks),
        "x-litellm-response-duration-ms": f"{report.duration_s * 1000:.3f}",
    }
    if report.cost_picos is not None:
        headers["x-litellm-response-cost"] = str(dollars(report.cost_picos))
    if report.dropped_params:
        headers["x-puna-dropped-params"] = dropped_names(report.dropped_params)
    if report.rescued_calls:
        headers["x-puna-rescued-tool-calls"] = str(report.rescued_calls)
    if report.repaired_arguments:
        headers["x-puna-repaired-arguments"] = str(report.repaired_arguments)
    if report.replaced_signs:
        headers["x-puna-replaced-signs"] = str(report.replaced_signs)
    if report.format_tries:
        headers["x-puna-format-tries"] = str(report.format_tries)
    if report.is_usage_estimated:
        headers["x-puna-usage"] = "estimated"
    if report.api_base.startswith(SCHEME):
        headers["x-puna-embedded-model"] = report.upstream_model
    return {**headers, **_rate_limit_headers(report.headers)}


def dropped_names(names: Sequence[str]) -> str:
    """The names as a header's value: what a client made up is escaped, as in URLs.

    Where they are too many for a header, the last word says how many more there are.
    """
    told: list[str] = []
    room = _LONGEST_HEADER - len("+99999")
    for name in names:
        shown = quote(name, safe=_PLAIN, errors="replace")
        room -= len(shown) + 1
        if room < 0:
            told.append(f"+{len(names) - len(told)}")
            break
        told.append(shown)
    return ",".join(told)


def _rate_limit_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """Pick the upstream's rate limit headers.

    They are the only headers of a host that clients get.
    """
    return {
        name: value
        for name, value in headers.items()
        if _LIMIT_NAME.fullmatch(name) and _LIMIT_VALUE.fullmatch(value)
    }


def event_headers(report: CallReport) -> Headers:
    """The headers of a streamed answer: content type, no caching, and those of `report_headers`."""
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
    """Encode headers for ASGI. One with characters that no header may hold is left out."""
    return [
        (name.encode("ascii", "ignore"), value[:_LONGEST_HEADER].encode("ascii", "replace"))
        for name, value in headers.items()
        if value.isprintable()
    ]
