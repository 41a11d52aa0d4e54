"""The base of deliveries, which turn the bytes of one streamed reply into chunks for the caller."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic, TypeVar

from puna.dialects.base import StreamReader
from puna.engine.call import Attempt
from puna.engine.run import CallRun
from puna.engine.usage import RunningEstimate
from puna.wire.http import STREAM_TYPES, HTTPReply

RunT = TypeVar("RunT", bound=CallRun[Any, Any, Any])
ChunkT = TypeVar("ChunkT")


class ChunkDelivery(ABC, Generic[RunT, ChunkT]):
    """Turns the bytes of one streamed reply into chunks.

    `feed` it pieces until `is_over`, `drain` the chunks after each, then `check` and settle. Before
    the first chunk a fault is raised at once, so that another attempt may follow. After it the
    chunks that came whole are delivered first, and `check` raises.
    """

    _run: RunT
    _attempt: Attempt[Any, Any]
    _reader: StreamReader[ChunkT]

    def __init__(self) -> None:
        self.is_over = False
        self.ending_s: float | None = None
        """How long the rest may take from now on; None while the answer is under way."""
        self._ready: list[ChunkT] = []
        self._last: ChunkT | None = None
        self._tokens = RunningEstimate()

    @property
    def has_begun(self) -> bool:
        """Whether a chunk is ready or was delivered."""
        return bool(self._ready) or self._last is not None

    def needs_whole(self, status: int, headers: Mapping[str, str]) -> bool:
        """Note the head of a reply.

        Returns whether its body is no stream: an error, or a whole answer.

        Such a body must be read to its end, and given to `feed_reply`.
        """
        self._run.note_head(self._attempt, status, headers)
        return is_no_stream(status, headers)

    def feed_reply(self, reply: HTTPReply) -> None:
        """Read a body that is no stream, though a stream was asked for; the answer becomes chunks.

        Raises:
            APIError: the reply is an error, or holds no answer.
        """
        self.feed_answer(self._run.read_whole(self._attempt, reply))

    @abstractmethod
    def feed_answer(self, answer: Any) -> None:
        """Make chunks of a whole answer."""

    def drain(self) -> list[ChunkT]:
        """The chunks that are ready, each once."""
        chunks, self._ready = self._ready, []
        if chunks:
            if self._last is None:
                self._run.note_first_chunk()
            self._last = chunks[-1]
        return chunks

    def check(self) -> None:
        """Raise the error that broke the stream, if any. Called when all chunks are drained."""
        if self._reader.error is not None:
            raise self._reader.error

    def _note_reading(self) -> None:
        """Note in the report what the reader had to correct."""
        report, reader = self._run.report, self._reader
        report.is_finish_assumed = reader.is_finish_assumed
        report.replaced_signs = max(report.replaced_signs, reader.replaced_signs)


def is_no_stream(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the reply to a stream request is an error or a whole answer, by its head."""
    head = HTTPReply(status, headers)
    return not head.is_success or head.media_type not in STREAM_TYPES
