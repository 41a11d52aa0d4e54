"""Records exchanges into a cassette file. No secret reaches the file.

The whole file is rewritten after each exchange and at close. Replies that were not read to their
end are marked `left`.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping
from os import PathLike
from pathlib import Path

from puna.errors import APIError, ConfigError
from puna.transports.cassette import serialize_exchange, write_cassette
from puna.transports.recorded import End, RecordedExchange, RecordedFailure, RecordedRequest
from puna.transports.scrubbing import Scrubber
from puna.wire.http import HTTPRequest

_log = logging.getLogger("puna")


class Recorder:
    """Writes a cassette, which begins empty. Safe to share between threads.

    Later failures to write do not fail a call: they are logged, and the next write may succeed. An
    exchange that cannot be serialized is left out and logged.

    `now` gives the seconds of a steady clock.

    Raises:
        ConfigError: the file cannot be written at the start.
    """

    def __init__(
        self, path: str | PathLike[str], *, now: Callable[[], float] = time.monotonic
    ) -> None:
        self._path = Path(path)
        self._now = now
        self._lock = threading.Lock()
        self._scrubber = Scrubber()
        self._recordings: list[ExchangeRecording] = []
        self._has_failed = False
        write_cassette(self._path, ())

    def begin(self, request: HTTPRequest) -> ExchangeRecording:
        """Start the recording of a request that is about to be sent."""
        with self._lock:
            self._scrubber.learn(request)
            recording = ExchangeRecording(request, self._now, self._write)
            self._recordings.append(recording)
        return recording

    def close(self) -> None:
        """Write the file. Replies that are still being read are marked `left`."""
        with self._lock:
            recordings = tuple(self._recordings)
        for recording in recordings:
            recording.leave()

    def _write(self) -> None:
        """Write all finished exchanges to the file."""
        with self._lock:
            texts = [self._serialize(recording) for recording in tuple(self._recordings)]
            try:
                write_cassette(self._path, [text for text in texts if text is not None])
            except ConfigError as error:
                if not self._has_failed:
                    _log.warning("%s The calls go on, and are not recorded.", error)
                self._has_failed = True
            else:
                self._has_failed = False

    def _serialize(self, recording: ExchangeRecording) -> str | None:
        """The text of a finished exchange.

        None while it is open, or where it cannot be recorded.
        """
        try:
            return recording.serialize(self._scrubber)
        except Exception:  # noqa: BLE001 - a recording is not worth a call
            self._recordings.remove(recording)
            _log.exception("An exchange cannot be recorded; the calls go on")
            return None


class ExchangeRecording:
    """Collects one exchange while it runs, for the cassette.

    It is open until `finish`, `fail` or `leave` is called; only the first of these counts, and
    makes the recorder write its file.
    """

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

    def add_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Record the reply's status and headers."""
        self._head_at = self._now()
        self._status = status
        self._headers = headers

    def add_piece(self, piece: bytes) -> None:
        """Record bytes of the body, with their time."""
        if self._end is None:
            self._pieces.append((_ms(self._now() - self._head_at), piece))

    def finish(self) -> None:
        """Note that the body was read to its end."""
        self._end_with("whole")

    def fail(self, error: APIError) -> None:
        """Note that the reply broke, or that there was none."""
        self._end_with(error)

    def leave(self) -> None:
        """Note that the reader stopped early.

        A request whose reply had not begun is not recorded.
        """
        if self._status is not None:
            self._end_with("left")

    def serialize(self, scrubber: Scrubber) -> str | None:
        """The exchange as JSON text without secrets; None while it is open."""
        if self._end is None:
            return None
        # A secret of a later request may be in an earlier reply.
        if self._text is None or self._text[0] != scrubber.secret_count:
            self._text = (
                scrubber.secret_count,
                serialize_exchange(self._to_recorded(self._end, scrubber)),
            )
        return self._text[1]

    def _to_recorded(self, end: APIError | End, scrubber: Scrubber) -> RecordedExchange:
        """The exchange as values for the cassette, without secrets."""
        times = [at_ms for at_ms, _ in self._pieces]
        cleaned = scrubber.scrub_pieces([piece for _, piece in self._pieces])
        return RecordedExchange(
            sent=RecordedRequest.of(self._request, scrubber),
            status=self._status,
            headers=scrubber.scrub_headers(self._headers),
            pieces=[pair for pair in zip(times, cleaned, strict=True) if pair[1]],
            head_ms=_ms(self._head_at - self._began_at),
            end=RecordedFailure.of(end, scrubber) if isinstance(end, APIError) else end,
        )

    def _end_with(self, end: APIError | End) -> None:
        """Note the end, if it is the first, and have the file written."""
        if self._end is None:
            self._end = end
            self._write()


def _ms(seconds: float) -> float:
    """Seconds as milliseconds, rounded."""
    return round(seconds * 1_000, 1)
