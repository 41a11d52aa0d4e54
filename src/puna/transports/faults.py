"""Fault injection: what should go wrong with the n-th request.

Client(replay="chat.json", faults=Faults(rate_limited={1: 2.0}, cut={2: 400}))
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from puna.errors import APIError, BadRequestError
from puna.transports.failures import connection_error, smallest_limit, timeout_error
from puna.transports.replay import Recorded
from puna.types.display import display, kind_of
from puna.wire.http import HTTPRequest


@dataclass(frozen=True, slots=True)
class Faults:
    """Which requests fail, and how. Requests are counted from 1; retries count too.

    Attributes:
        rate_limited: seconds for `retry-after` in a 429 reply; the host is not asked.
        refused: the connection is refused.
        cut: the connection breaks after so many bytes of the body, if it has more.
        slow: so many seconds pass before each piece of the body, or before a body that comes
            whole. A pause that is longer than the timeout ends in a timeout error.
    """

    rate_limited: Mapping[int, float] = field(default_factory=dict[int, float])
    refused: AbstractSet[int] = frozenset()
    cut: Mapping[int, int] = field(default_factory=dict[int, int])
    slow: Mapping[int, float] = field(default_factory=dict[int, float])

    def __post_init__(self) -> None:
        for name in ("rate_limited", "refused", "cut", "slow"):
            given: Any = getattr(self, name)
            _check_form(name, given)
            _check_numbers(name, dict.fromkeys(given, 0) if name == "refused" else given)


def _check_form(name: str, given: object) -> None:
    """Refuse faults of a wrong type: `refused` is a set, the others are mappings."""
    is_set = name == "refused"
    if not isinstance(given, AbstractSet if is_set else Mapping):
        form = "a set such as {2}" if is_set else "a mapping such as {1: 2}"
        raise BadRequestError(
            f"`faults.{name}` must be {form}, not {kind_of(given)}.", param=f"faults.{name}"
        )


def _check_numbers(name: str, given: Mapping[Any, Any]) -> None:
    """Refuse request numbers and amounts that are out of range."""
    for number, amount in given.items():
        if isinstance(number, bool) or not isinstance(number, int) or number < 1:
            raise BadRequestError(
                f"`faults.{name}` counts requests from 1, so `{display(number)}` is none.",
                param=f"faults.{name}",
            )
        if not isinstance(amount, int | float) or not 0 <= amount < float("inf"):
            raise BadRequestError(
                f"`faults.{name}[{number}]` must be a number from 0, not `{display(amount)}`.",
                param=f"faults.{name}",
            )


class FaultPlan:
    """Counts requests and gives the fault that is planned for each.

    Safe to share between threads.
    """

    def __init__(self, faults: Faults) -> None:
        self._faults = faults
        self._numbers = itertools.count(1)

    def next(self, request: HTTPRequest) -> PlannedFault:
        """The planned fault of the next request, which may be none."""
        number, faults = next(self._numbers), self._faults
        return PlannedFault(
            request,
            is_refused=number in faults.refused,
            retry_after_s=faults.rate_limited.get(number),
            cut_after=faults.cut.get(number),
            pause_s=faults.slow.get(number, 0.0),
        )


@dataclass(slots=True)
class PlannedFault:
    """The faults that are planned for one request."""

    request: HTTPRequest
    is_refused: bool
    retry_after_s: float | None
    cut_after: int | None
    pause_s: float
    _passed: int = 0

    @property
    def is_none(self) -> bool:
        """Whether the reply arrives without pause and without cut."""
        return not self.pause_s and self.cut_after is None

    def replacement_reply(self) -> Recorded | None:
        """The reply or refusal that takes the place of asking the host.

        None where the host is asked.
        """
        if self.is_refused:
            reason = ConnectionRefusedError("connection refused")
            refusal = connection_error(self.request, reason, was_sent=False)
            return Recorded(error=refusal, is_refused=True)
        if self.retry_after_s is None:
            return None
        said = {"message": "Too many requests.", "type": "rate_limit_error"}
        headers = {
            "content-type": "application/json",
            "retry-after": f"{self.retry_after_s:g}",
        }
        body = json.dumps({"error": said}).encode()
        return Recorded(HTTPStatus.TOO_MANY_REQUESTS.value, headers, [body])

    def pause(self) -> tuple[float, APIError | None]:
        """Seconds to wait before the next piece, and the timeout error if the wait is too long."""
        timeouts = self.request.timeouts
        limit_s = timeouts.idle_s if self.request.is_stream else timeouts.total_s
        if limit_s is None or self.pause_s <= limit_s:
            return self.pause_s, None
        return smallest_limit(self.pause_s, limit_s) or 0.0, timeout_error(
            self.request, is_head=False
        )

    def pass_on(self, piece: bytes) -> tuple[bytes, APIError | None]:
        """The part of a piece that still arrives, and the error if the connection is cut in it."""
        self._passed += len(piece)
        if self.cut_after is None or self._passed <= self.cut_after:
            return piece, None
        kept = piece[: max(0, len(piece) - (self._passed - self.cut_after))]
        reason = ConnectionResetError(f"the connection was cut after {self.cut_after} bytes")
        return kept, connection_error(self.request, reason)
