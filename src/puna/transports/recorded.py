"""What a cassette holds of one exchange with a host: request, reply and error as plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from puna import errors
from puna.errors import APIConnectionError, APIError
from puna.transports.cassette_text import parse_exact_json
from puna.transports.scrubbing import Scrubber
from puna.wire.http import HTTPRequest


@dataclass(frozen=True, slots=True)
class RecordedRequest:
    """A request as a cassette stores it: no headers, no secrets.

    The body is JSON, text or bytes.
    """

    method: str
    url: str
    body: Any = None

    @classmethod
    def of(cls, request: HTTPRequest, scrubber: Scrubber) -> Self:
        """The recorded form of a request, without the secrets that the scrubber knows."""
        body = scrubber.scrub(request.body)
        return cls(request.method, scrubber.scrub_url(request.url), _read_body(body))

    @property
    def path(self) -> str:
        """The URL's path. Comparisons ignore the host, because it differs between machines."""
        try:
            return urlsplit(self.url).path
        except ValueError:  # brackets that do not match
            return self.url


@dataclass(frozen=True, slots=True)
class RecordedFailure:
    """An error that ended an exchange; `name` is the name of its class."""

    name: str
    message: str
    code: str | None = None
    status_code: int | None = None
    is_retryable: bool | None = None

    @classmethod
    def of(cls, error: APIError, scrubber: Scrubber) -> Self:
        """The recorded form of an error, without secrets."""
        return cls(
            name=type(error).__name__,
            message=scrubber.scrub_text(error.message),
            code=error.code,
            status_code=error.status_code,
            is_retryable=error.is_retryable,
        )

    def to_error(self) -> APIError:
        """The error again, to be raised in a replay.

        An unknown class becomes APIConnectionError.
        """
        found: Any = getattr(errors, self.name, None)
        is_own = isinstance(found, type) and issubclass(found, APIError)
        cls: type[APIError] = found if is_own else APIConnectionError
        return cls(
            self.message,
            code=self.code,
            status_code=self.status_code,
            is_retryable=self.is_retryable,
        )


End = RecordedFailure | Literal["whole", "left"]
"""How a reply ended; `left` is a reader that went away before its end."""


@dataclass(frozen=True, slots=True)
class RecordedExchange:
    """One request with the reply or error that followed.

    `sent` is None in a cassette that answers any request. `status` is None when no reply came.
    `pieces` are pairs of milliseconds since the head and bytes of the body.
    """

    sent: RecordedRequest | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[tuple[float, bytes]] = ()
    head_ms: float = 0.0
    end: End = "whole"


def _read_body(body: bytes) -> Any:
    """A body as JSON if that loses nothing, else as text, else as bytes."""
    if not body:
        return None
    value = parse_exact_json(body)
    if value is not None:
        return value
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
