"""A driven call whose answer comes as a stream of chunks.

While a host is asked (`engine/drive.py` has the other states), the reply is in one of these states:

- *no head yet*.
- *reading*: `_delivery`, the dialect's reader, reads the events.
- *whole*: the reply is no stream, often an error; its body is collected for `_delivery`.

The head decides between reading and whole. A subclass may pass a reply's first events on unread. It
gives the bytes that it held back from `_hand_over`, and tells the reader what was passed on. A
timer limits how long a host may take with what it adds behind its answer.

What always holds: each byte of the host is read once and in order, unless it was passed on. Before
the first chunk is given to the sink (`_has_begun` is false), a failure leads to another attempt;
after that, to `fail` and `end`.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence

from typing_extensions import override

from puna.engine.delivery import Delivery, is_framed
from puna.engine.drive import CallDrive, RunT, SinkT, drop_frames
from puna.engine.streams import TAIL_S
from puna.errors import APIError
from puna.types.chat import ChatCompletionChunk
from puna.wire.http import HTTPReply


class StreamDrive(CallDrive[RunT, SinkT]):
    """Has the dialect read the events of a stream; a subclass writes what was read."""

    _delivery: Delivery | None = None
    """The dialect's reader; made when it is first needed."""
    _whole: HTTPReply | None = None
    _is_framed = False
    _ending_s: float | None = None
    """How long the host was last given to end its answer; see `_await_end`."""
    _pieces: list[bytes]

    @abstractmethod
    def _emit(self, chunks: Sequence[ChatCompletionChunk]) -> None:
        """Give chunks to the sink. Before the first ones, it calls `_begin`."""

    @abstractmethod
    def _emit_end(self) -> None:
        """Tell the sink that the answer is complete; `end` follows."""

    def _hand_over(self) -> bytes:
        """Begin to read the reply; gives the bytes that were neither passed on nor read."""
        return b""

    @property
    def _has_head(self) -> bool:
        """Whether the head of the present attempt's reply has come."""
        return self._delivery is not None

    @property
    def _under_way(self) -> Delivery:
        """The dialect's reader of the attempt under way."""
        if self._delivery is None:
            self._delivery = Delivery(self._run, self._run.attempt, is_framed=self._is_framed)
        return self._delivery

    def _begin(self) -> None:
        """The host answers: no other attempt follows."""
        self._has_begun = True
        self._run.succeeded()

    @override
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._delivery = self._whole = None
        self._pieces = []
        self._ending_s = None
        self._is_framed = is_framed(headers)
        if not self._is_plain(status, headers) and self._under_way.needs_whole(status, headers):
            self._whole = HTTPReply(status, headers)

    def _is_plain(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the reply is a stream that needs no reader yet; then its head has been noted."""
        del status, headers
        return False

    @override
    def on_piece(self, data: bytes) -> None:
        if not self._is_over:
            self._guarded(self._read_piece, data)

    def _read_piece(self, data: bytes) -> None:
        if self._whole is not None:
            self._pieces.append(data)
        else:
            self._read(data)

    @override
    def _read_end(self) -> None:
        if self._whole is None:
            self._read_rest()
            return
        whole = HTTPReply(self._whole.status, self._whole.headers, b"".join(self._pieces))
        self._pieces = []
        try:
            self._under_way.feed_reply(whole)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    @override
    def _handle_error(self, error: APIError) -> None:
        if not self._has_head:
            super()._handle_error(error)
            return
        self._read_held()
        self._broken(self._under_way.broken(error))

    @override
    def _note_used(self) -> None:
        if self._has_head:
            self._read_held()
            self._under_way.finish()

    def _read_held(self) -> None:
        """Read what was held back when a stream broke: it may hold the usage."""
        held = self._hand_over()
        if held:
            self._under_way.feed(held)

    def _read_rest(self) -> None:
        """Read what was held back, and the end of the body."""
        delivery = self._under_way
        rest = self._hand_over()
        if rest:
            self._read(rest)
        if self._delivery is delivery:  # else the attempt failed, and another began
            self._read(None)

    def _read(self, data: bytes | None) -> None:
        """Have the dialect's reader read bytes, or with None the end of the body."""
        delivery = self._under_way
        if delivery.is_over or self._is_over:
            return
        try:
            delivery.feed(data)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    def _drain(self) -> None:
        """Emit what the reader has ready, and end the call where its answer is complete."""
        delivery = self._under_way
        chunks = delivery.drain()
        if chunks:
            self._emit(chunks)
        if not delivery.is_over:
            if delivery.ending_s is not None:
                self._await_end(delivery.ending_s)
            return
        try:
            delivery.check()
        except APIError as error:
            self._broken(delivery.broken(error))
        else:
            delivery.finish()
            self._settle("success")
            self._emit_end()
            self._end()

    def _await_end(self, limit_s: float) -> None:
        """Give the host `limit_s` seconds for what it adds behind a complete answer."""
        if limit_s != self._ending_s:
            self._ending_s = limit_s
            self._stop_timer()
            self._timer = self._context.loop.call_later(
                limit_s, self._guarded, self._end_after_wait
            )

    def _end_after_wait(self) -> None:
        """The time of `_await_end` is over: end the answer as if the body had ended here."""
        self._timer = None
        self._read_rest()
        if self._is_over:  # else the attempt failed, and another began
            self._stop()

    def _broken(self, error: APIError) -> None:
        """End a failed attempt: try again, or, once the answer has begun, fail."""
        if not self._has_begun:
            self._cut()
            self._delivery = None
            self._failed(error)
            return
        drop_frames(error)
        self._stop()
        delivery = self._under_way
        delivery.finish()
        held = delivery.drain()
        self._settle("failure", error=error)
        if held:
            self._emit(held)
        self._sink.fail(error)
        self._end()

    def _end(self) -> None:
        """End the client's stream; the host gets some time to end its own."""
        if self._exchange is not None:
            # The connection to the host can be used again only after the end of the body.
            self._stop_timer()
            self._timer = self._context.loop.call_later(TAIL_S, self._stop)
        self._sink.end(self._run.report)
