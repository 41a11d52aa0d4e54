"""Every error that Puna raises.

    PunaError
    ├─ ConfigError                     at load time; names file, line, key and the fix
    └─ APIError
       ├─ APIStatusError
       │  ├─ BadRequestError           ContextWindowExceededError · UnsupportedParamsError
       │  │                            ContentPolicyViolationError
       │  ├─ AuthenticationError · PermissionDeniedError · NotFoundError
       │  ├─ UnprocessableEntityError
       │  ├─ RateLimitError            BudgetExceededError
       │  └─ InternalServerError       ServiceUnavailableError · BadGatewayError
       │                               MalformedReplyError
       └─ APIConnectionError           APITimeoutError · StreamInterruptedError

The names are those of the OpenAI client, so that callers find what they know. A message says what
happened, the value in backticks, then the fix. No message holds a secret: see `puna.types.secret`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any, Literal, Protocol

Fault = Literal["caller", "operator", "upstream", "network"]

UNMET_FORMAT = "response_format_unmet"
"""The code where no answer of a model fitted the caller's format. The host is well all the same."""

UNTOLD = "missing_setting"
"""The code where a host wants to be told something beside a key, such as a region, and is not."""

_BODY_LIMIT = 4_096


class PunaError(Exception):
    """Base of all. `str(error)` is one readable sentence or two."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self.message, self.__dict__))


def _restore(cls: type[PunaError], message: str, state: dict[str, Any]) -> PunaError:
    """Rebuild a pickled or copied error without asking its constructor."""
    error = cls.__new__(cls, message)
    error.args = (message,)
    error.__dict__.update(state)
    return error


class ConfigNotice(Protocol):
    """What `puna.config.schema.Notice` holds; this module stands below it and cannot import it."""

    @property
    def severity(self) -> str: ...
    @property
    def message(self) -> str: ...
    @property
    def line(self) -> int | None: ...
    @property
    def key(self) -> str | None: ...
    def line_in(self, file: str | None) -> str: ...


class ConfigError(PunaError):
    """A configuration that cannot be used, found while loading it.

    `file`, `line` (1-based) and `key` say where; each may be None when it is not known. `problems`
    are all that was found, a line each, and `str(error)` shows them below each other. `notices` are
    warnings about the same configuration that may explain them, and `warnings` the same as lines of
    text. `partial` is what could be read of it all the same, or None.
    """

    def __init__(
        self,
        message: str,
        *,
        file: str | None = None,
        line: int | None = None,
        key: str | None = None,
    ) -> None:
        where = ":".join(str(part) for part in (file, line) if part is not None)
        super().__init__(f"{where}: {message}" if where else message)
        self.file = file
        self.line = line
        self.key = key
        self.problems: tuple[str, ...] = (self.message,)
        self.notices: tuple[ConfigNotice, ...] = ()
        self.partial: object = None

    @property
    def warnings(self) -> tuple[str, ...]:
        """`notices` as lines of text, each with its place and its severity."""
        return tuple(notice.line_in(self.file) for notice in self.notices)

    @classmethod
    def joined(
        cls, errors: Sequence[ConfigError], notices: Iterable[ConfigNotice] = ()
    ) -> ConfigError:
        """One error for all of `errors`, each once; the place is that of the first.

        `notices` come before those that the errors have themselves.
        """
        first = errors[0]
        problems = tuple(dict.fromkeys(line for error in errors for line in error.problems))
        told = (*notices, *(notice for error in errors for notice in error.notices))
        joined = cls("\n".join(problems))
        joined.file, joined.line, joined.key = first.file, first.line, first.key
        joined.problems, joined.notices = problems, tuple(dict.fromkeys(told))
        return joined


class APIError(PunaError):
    """A call that did not give a completion.

    Attributes:
        status_code: the HTTP status that the upstream gave, or the one a gateway should answer.
        code: a machine-readable word, as in OpenAI's error body.
        param: the request field at fault, as a path (`messages[2].content`), or None.
        provider, model: who was asked for what, where it is known.
        body: the upstream's error body, capped, or None.
        headers: upstream reply headers with lower-case names.
        fault: whose it is; `upstream` and `network` faults may be worth another attempt.
        is_retryable: whether another attempt may succeed.
        retry_after_s: how long the upstream asked to wait, or None.
        tries: what was tried in vain, in order (`model: ErrorClass status`); `str(error)` tells
            it when there was more than one. `attempts` is their number.
    """

    status_code: int = 500
    code: str = "internal_error"
    fault: Fault = "upstream"
    is_retryable: bool = False

    def __init__(  # noqa: PLR0913 - an error's facts; all by keyword
        self,
        message: str,
        *,
        status_code: int | None = None,
        code: str | None = None,
        param: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        body: str | None = None,
        headers: Mapping[str, str] | None = None,
        fault: Fault | None = None,
        is_retryable: bool | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(message)
        if status_code is not None:
            self.status_code = status_code
        if code is not None:
            self.code = code
        if fault is not None:
            self.fault = fault
        if is_retryable is not None:
            self.is_retryable = is_retryable
        self.param = param
        self.provider = provider
        self.model = model
        self.body = body[:_BODY_LIMIT] if body is not None else None
        self.headers = dict(headers or {})
        self.retry_after_s = retry_after_s
        self.tries: tuple[str, ...] = ()

    @property
    def attempts(self) -> int:
        """How many requests were sent in vain before this was raised."""
        return len(self.tries)

    def __str__(self) -> str:
        if len(self.tries) < 2:  # noqa: PLR2004 - one try needs no list
            return self.message
        runs = [(what, len(list(same))) for what, same in groupby(self.tries)]
        told = "; ".join(f"{n} x {what}" if n > 1 else what for what, n in runs)
        return f"{self.message} (after {len(self.tries)} tries: {told})"


class APIStatusError(APIError):
    """The upstream answered with an error status, or the request would have earned one."""


class BadRequestError(APIStatusError):
    """The request is wrong; `param` names the field."""

    status_code = 400
    code = "invalid_request_error"
    fault = "caller"


class ContextWindowExceededError(BadRequestError):
    """The prompt, or prompt and output together, do not fit the model's context."""

    code = "context_length_exceeded"


class UnsupportedParamsError(BadRequestError):
    """A parameter that this model or host does not support; `drop_params=True` leaves it out."""

    code = "unsupported_parameter"


class ContentPolicyViolationError(BadRequestError):
    """The host refused the content."""

    code = "content_policy_violation"


class AuthenticationError(APIStatusError):
    """No key, or a key that the host refused."""

    status_code = 401
    code = "invalid_api_key"
    fault = "caller"


class PermissionDeniedError(APIStatusError):
    """The key is known but may not do this."""

    status_code = 403
    code = "permission_denied"
    fault = "caller"


class NotFoundError(APIStatusError):
    """No such model, path or object."""

    status_code = 404
    code = "not_found"
    fault = "caller"


class UnprocessableEntityError(APIStatusError):
    """Well-formed, and still refused (422)."""

    status_code = 422
    code = "unprocessable_entity"
    fault = "caller"


class RateLimitError(APIStatusError):
    """Too many requests or tokens; `retry_after_s` says how long to wait when the host told."""

    status_code = 429
    code = "rate_limit_exceeded"
    is_retryable = True


class BudgetExceededError(RateLimitError):
    """A budget of the gateway is spent."""

    code = "budget_exceeded"
    fault = "caller"
    is_retryable = False


class InternalServerError(APIStatusError):
    """The upstream failed."""

    status_code = 500
    code = "upstream_error"
    is_retryable = True


class ServiceUnavailableError(InternalServerError):
    """The upstream is overloaded or down (503, some say 529)."""

    status_code = 503
    code = "service_unavailable"


class BadGatewayError(InternalServerError):
    """Something between us and the model failed (502)."""

    status_code = 502
    code = "bad_gateway"


class MalformedReplyError(InternalServerError):
    """The upstream answered with something that is not a completion."""

    status_code = 502
    code = "malformed_reply"


class APIConnectionError(APIError):
    """The upstream could not be reached: refused, unknown host, TLS failure, cut connection.

    `was_sent` is False where it is certain that the upstream never got the request.
    """

    was_sent: bool = True
    status_code = 502
    code = "connection_error"
    fault = "network"
    is_retryable = True


class APITimeoutError(APIConnectionError):
    """No answer in time."""

    status_code = 504
    code = "timeout"


class StreamInterruptedError(APIConnectionError):
    """A stream broke after it began. What came before was delivered; it is not tried again."""

    code = "stream_interrupted"
    is_retryable = False


STATUS_CLASSES: Mapping[int, type[APIError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    408: APITimeoutError,
    410: NotFoundError,
    422: UnprocessableEntityError,
    429: RateLimitError,
    500: InternalServerError,
    502: BadGatewayError,
    503: ServiceUnavailableError,
    504: APITimeoutError,
    529: ServiceUnavailableError,
}


def class_for_status(status: int) -> type[APIError]:
    """The error class of an HTTP status. A status without one falls to its family's."""
    known = STATUS_CLASSES.get(status)
    if known is not None:
        return known
    return InternalServerError if status >= 500 else BadRequestError  # noqa: PLR2004 - RFC 9110


__all__ = [
    "STATUS_CLASSES",
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "BudgetExceededError",
    "ConfigError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "Fault",
    "InternalServerError",
    "MalformedReplyError",
    "NotFoundError",
    "PermissionDeniedError",
    "PunaError",
    "RateLimitError",
    "ServiceUnavailableError",
    "StreamInterruptedError",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "class_for_status",
]
