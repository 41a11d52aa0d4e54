"""Finds the recorded reply for a request, and explains what differs when there is none."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from itertools import islice, pairwise
from typing import Any, Final, cast

from puna.errors import APIConnectionError, BadRequestError
from puna.transports.cassette_text import comparable_text
from puna.transports.recorded import RecordedExchange, RecordedFailure, RecordedRequest
from puna.transports.replay import Recorded
from puna.transports.scrubbing import Scrubber
from puna.types.display import display
from puna.wire.http import HTTPRequest

_MOST_SHOWN = 3

Difference = tuple[str, Any, Any]
"""A place in a request, what was recorded there, and what was sent."""

_NOTHING: Final = object()


class CassettePlayer:
    """Replays recorded exchanges: a request gets the reply recorded for its method, path and body.

    Each exchange is used once; those of equal requests in their recorded order. `speed` scales the
    recorded pauses: 0 means none, 1 as recorded, 2 half as long.
    """

    def __init__(
        self, exchanges: Sequence[RecordedExchange], *, name: str, speed: float = 0.0
    ) -> None:
        self._left = list(exchanges)
        self._all = tuple(exchanges)
        self._name = name
        self._speed = speed
        self._lock = threading.Lock()

    def __call__(self, request: HTTPRequest) -> Recorded:
        """The recorded reply for a request. Called by the replay transport for each request.

        Raises:
            BadRequestError: the request was not recorded, or its recordings are used up.
        """
        scrubber = Scrubber()
        scrubber.learn(request)
        sent = RecordedRequest.of(request, scrubber)
        with self._lock:
            place = next((i for i, one in enumerate(self._left) if _matches(one, sent)), None)
            if place is None:
                raise self._not_recorded(sent)
            return _to_recorded(self._left.pop(place), self._speed)

    def _not_recorded(self, sent: RecordedRequest) -> BadRequestError:
        """The error for a request without a recording: names what differs from the nearest one."""
        same = sum(_matches(one, sent) for one in self._all)
        request = f"`{sent.method} {sent.path}`"
        if same:
            replies = "one reply" if same == 1 else f"{same} replies"
            return _refusal(
                f"The cassette `{self._name}` has {replies} to this {request}, played already; "
                "record again with as many calls as are made now."
            )
        found = [
            (list(_differences(one.sent, sent)), place)
            for place, one in enumerate(self._all)
            if one.sent is not None
        ]
        if not found:
            return _refusal(
                f"The cassette `{self._name}` holds no request, so {request} is not in it; "
                "record it first."
            )
        differences, place = min(found, key=lambda pair: (len(pair[0]), pair[1]))
        told = "; ".join(_describe(one) for one in islice(differences, _MOST_SHOWN))
        more = len(differences) - _MOST_SHOWN
        return _refusal(
            f"{request} is not in the cassette `{self._name}`. The closest is "
            f"`exchanges[{place}]`; what differs: {told}"
            f"{f'; and {more} more' if more > 0 else ''}. Send what was "
            "recorded, or record again.",
            param=differences[0][0],
        )


def _refusal(message: str, param: str | None = None) -> BadRequestError:
    """Make the error for a request that was not recorded."""
    return BadRequestError(message, code="not_recorded", param=param)


def _matches(exchange: RecordedExchange, sent: RecordedRequest) -> bool:
    """Whether an exchange was recorded for such a request."""
    own = exchange.sent
    return own is None or _match_key(own) == _match_key(sent)


def _match_key(sent: RecordedRequest) -> tuple[str, str, str]:
    """What must be equal for a recording to match: method, path and body."""
    return sent.method, sent.path, comparable_text(sent.body)


def _to_recorded(exchange: RecordedExchange, speed: float) -> Recorded:
    """The exchange as a reply to replay, with its pauses scaled."""
    end = exchange.end
    error = end.to_error() if isinstance(end, RecordedFailure) else None
    if end == "left":
        error = APIConnectionError(
            "The recording ends here: its reader went away before the reply's end.",
            is_retryable=False,
        )
    return Recorded(
        status=exchange.status or 0,
        headers=exchange.headers,
        pieces=[piece for _, piece in exchange.pieces],
        error=error,
        is_refused=exchange.status is None,
        pauses_s=_pauses(exchange, speed) if speed else (),
    )


def _pauses(exchange: RecordedExchange, speed: float) -> list[float]:
    """The seconds to wait before the head and before each piece."""
    times = [0.0, *(at_ms for at_ms, _ in exchange.pieces)]
    between = (max(0.0, after - before) for before, after in pairwise(times))
    return [ms / 1_000 / speed for ms in (exchange.head_ms, *between)]


def _differences(recorded: RecordedRequest | None, sent: RecordedRequest) -> Iterator[Difference]:
    """Where a request differs from a recorded one."""
    if recorded is None:
        return
    for name in ("method", "path"):
        ours, theirs = getattr(recorded, name), getattr(sent, name)
        if ours != theirs:
            yield name, ours, theirs
    yield from _body_differences("", recorded.body, sent.body)


def _body_differences(place: str, recorded: Any, sent: Any) -> Iterator[Difference]:
    """Where a body differs from a recorded one, down to members and items."""
    if comparable_text(recorded) == comparable_text(sent):
        return
    if isinstance(recorded, dict) and isinstance(sent, dict):
        ours, theirs = cast("dict[str, Any]", recorded), cast("dict[str, Any]", sent)
        for name in ours | theirs:
            inner = f"{place}.{name}" if place else name
            yield from _body_differences(
                inner, ours.get(name, _NOTHING), theirs.get(name, _NOTHING)
            )
    elif isinstance(recorded, list) and isinstance(sent, list):
        pairs = [cast("list[Any]", one) for one in (recorded, sent)]
        for i in range(max(map(len, pairs))):
            yield from _body_differences(
                f"{place}[{i}]", *(one[i] if i < len(one) else _NOTHING for one in pairs)
            )
    else:
        yield place or "body", recorded, sent


def _describe(difference: Difference) -> str:
    """A difference in words."""
    place, recorded, sent = difference
    return f"`{place}` was {_quoted(recorded)}, now {_quoted(sent)}"


def _quoted(value: Any) -> str:
    """A value as a difference shows it."""
    return "not there" if value is _NOTHING else f"`{display(value)}`"
