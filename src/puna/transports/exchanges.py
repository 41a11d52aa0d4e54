"""What passed between us and a host, as plain values: what a cassette holds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Self
from urllib.parse import urlsplit

from puna import errors
from puna.errors import APIConnectionError, APIError
from puna.transports.cassette_text import exact_json
from puna.transports.scrubbing import Scrubber
from puna.wire.http import HTTPRequest


@dataclass(frozen=True, slots=True)
class Sent:
    """A request as a cassette holds it: no headers, no secret. Its body is JSON, text or bytes."""

    method: str
    url: str
    body: Any = None

    @classmethod
    def of(cls, request: HTTPRequest, scrubber: Scrubber) -> Self:
        """A request without what the scrubber knows."""
        body = scrubber.clean(request.body)
        return cls(request.method, scrubber.clean_url(request.url), _read_body(body))

    @property
    def path(self) -> str:
        """The address's path alone: hosts differ from machine to machine."""
        try:
            return urlsplit(self.url).path
        except ValueError:  # brackets that do not match
            return self.url


@dataclass(frozen=True, slots=True)
class Failure:
    """An error that ended an exchange; `name` is its class."""

    name: str
    message: str
    code: str | None = None
    status_code: int | None = None
    is_retryable: bool | None = None

    @classmethod
    def of(cls, error: APIError, scrubber: Scrubber) -> Self:
        """What is kept of an error."""
        return cls(
            name=type(error).__name__,
            message=scrubber.clean_text(error.message),
            code=error.code,
            status_code=error.status_code,
            is_retryable=error.is_retryable,
        )

    def to_error(self) -> APIError:
        """The error again; a class that this release lacks is a broken connection."""
        found: Any = getattr(errors, self.name, None)
        is_ours = isinstance(found, type) and issubclass(found, APIError)
        cls: type[APIError] = found if is_ours else APIConnectionError
        return cls(
            self.message,
            code=self.code,
            status_code=self.status_code,
            is_retryable=self.is_retryable,
        )


End = Failure | Literal["whole", "left"]
"""How a reply ended; `left` is a reader that went away before its end."""


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request and what came of it.

    `sent` is None where any request will do. `status` is None when no reply came. `pieces` are
    pairs: milliseconds since the head, and bytes.
    """

    sent: Sent | None
    status: int | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    pieces: Sequence[tuple[float, bytes]] = ()
    head_ms: float = 0.0
    end: End = "whole"


def _read_body(body: bytes) -> Any:
    if not body:
        return None
    value = exact_json(body)
    if value is not None:
        return value
    try:
        return body.decode()
    except UnicodeDecodeError:
        return body
