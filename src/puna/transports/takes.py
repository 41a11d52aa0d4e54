"""The recording of one file: takes of exchanges, some still under way. No secret reaches the file.

The file is written whole after each exchange, and at close: replies that nobody read to their end
are `left` in it.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

from puna.errors import APIError, ConfigError
from puna.transports.cassette import exchange_text, write_texts
from puna.transports.exchanges import End, Exchange, Failure, Sent
from puna.transports.scrubbing import Scrubber
from puna.wire.http import HTTPRequest

_log = logging.getLogger("puna")


class Recorder:
    """Writes a file that begins empty. Safe to share between threads.

    Once it has begun, a file that cannot be written fails no call: a line of the log says so, and
    the next write may succeed. An exchange that cannot be written is left out, and logged.

    `now` gives seconds of a clock that never goes back.

    Raises:
        ConfigError: the file cannot be written.
    """

    def __init__(
        self, path: str | PathLike[str], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self._now = now
        self._lock = threading.Lock()
        self._scrubber = Scrubber()
        self._takes: list[Take] = []
        self._has_failed = False
        write_texts(self._path, ())

    def begin(self, request: HTTPRequest) -> Take:
        """A request is about to be sent."""
        with self._lock:
            self._scrubber.learn(request)
            take = Take(request, self._now, self._write)
            self._takes.append(take)
        return take

    def close(self) -> None:
        """Write what is there. Replies under way count as left."""
        with self._lock:
            takes = tuple(self._takes)
        for take in takes:
            take.left()

    def _write(self) -> None:
        with self._lock:
            texts = [self._text_of(take) for take in tuple(self._takes)]
            try:
                write_texts(self._path, [text for text in texts if text is not None])
            except ConfigError as error:
                if not self._has_failed:
                    _log.warning("%s The calls go on, and are not recorded.", error)
                self._has_failed = True
            else:
                self._has_failed = False

    def _text_of(self, take: Take) -> str | None:
        try:
            return take.text(self._scrubber)
        except Exception:  # noqa: BLE001 - a recording is not worth a call
            self._takes.remove(take)
            _log.exception("An exchange cannot be recorded; the calls go on")
            return None


class Take:
    """One exchange. Only its first end counts."""

    def __init__(
        self, request: HTTPRequest, now: Callable[[], float], write: Callable[[], None]
    ) -> None:
        self._request = request
        self._now = now
        self._write = write
        self._began_at = self._head_at = now()
        self._status: int | None = None
        self._headers: Mapping[str, str] = {}
        self._pieces: list[tuple[float, bytes]] = []
        self._end: APIError | End | None = None
        self._text: tuple[int, str] | None = None

    def head(self, status: int, headers: Mapping[str, str]) -> None:
        """The reply's head has come."""
        self._head_at = self._now()
        self._status = status
        self._headers = headers

    def piece(self, piece: bytes) -> None:
        """Some of its body."""
        if self._end is None:
            self._pieces.append((_ms(self._now() - self._head_at), piece))

    def whole(self) -> None:
        """The body has been read to its end."""
        self._ended("whole")

    def broke(self, error: APIError) -> None:
        """The reply broke, or there was none."""
        self._ended(error)

    def left(self) -> None:
        """Nobody reads any more. A request without a reply's head is forgotten."""
        if self._status is not None:
            self._ended("left")

    def text(self, scrubber: Scrubber) -> str | None:
        """What came as it stands in the file, without secrets; None while it is under way."""
        if self._end is None:
            return None
        # A secret of a later request may be in an earlier reply.
        if self._text is None or self._text[0] != scrubber.known:
            self._text = scrubber.known, exchange_text(self._exchange(self._end, scrubber))
        return self._text[1]

    def _exchange(self, end: APIError | End, scrubber: Scrubber) -> Exchange:
        times = [at_ms for at_ms, _ in self._pieces]
        cleaned = scrubber.clean_pieces([piece for _, piece in self._pieces])
        return Exchange(
            sent=Sent.of(self._request, scrubber),
            status=self._status,
            headers=scrubber.clean_headers(self._headers),
            pieces=[pair for pair in zip(times, cleaned, strict=True) if pair[1]],
            head_ms=_ms(self._head_at - self._began_at),
            end=Failure.of(end, scrubber) if isinstance(end, APIError) else end,
        )

    def _ended(self, end: APIError | End) -> None:
        if self._end is None:
            self._end = end
            self._write()


def _ms(seconds: float) -> float:
    return round(seconds * 1_000, 1)
