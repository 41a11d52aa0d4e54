"""One HTTP/1.1 connection to a host.

It serves one exchange at a time. States: *idle* (no exchange; in the pool), *asked* (`begin` wrote
a request, no byte of the reply has come), *reading* (bytes come), and *closed*. Events are the
callbacks of asyncio (`data_received`, `eof_received`, `connection_lost`), the deadline, and the
exchange's `pause`, `resume` and `cut`. A complete reply leads back to idle, if the host keeps the
connection alive and has taken the whole request; everything else leads to closed. Invariants: each
exchange is ended exactly once, by a complete reply or by an error; a connection is handed to the
pool before the sink hears of the end, so that the sink may send the next request on it; after `cut`
no callback follows.

Most replies come in one read and are recognized without a parser (`whole.py`); a streamed chunk
that comes by itself is, too (`read_single_chunk`). All else is parsed by `ReplyReader`.
"""

from __future__ import annotations

import asyncio
import logging
import math
import select
import socket
import ssl
import zlib
from typing import cast

from puna.transports.decoding import STEPS_A_TURN, Decoder, make_decoder
from puna.transports.failures import connection_error, timeout_error, too_long_text
from puna.transports.lean.deadline import Deadline
from puna.transports.lean.exchange import ConnectionOwner, Exchange
from puna.transports.lean.reading import ReplyReader, read_single_chunk
from puna.transports.lean.whole import read_whole
from puna.wire.http import STREAM_TYPES

_log = logging.getLogger("puna.transports")

_JOINED_BYTES = 65_536  # up to here one string costs less than two writes
_OK = 200


class Connection(asyncio.Protocol):
    """One connection, opened for `first_exchange` and then reused for others."""

    def __init__(
        self,
        owner: ConnectionOwner[Connection],
        loop: asyncio.AbstractEventLoop,
        first_exchange: Exchange,
        most_body_bytes: int,
    ) -> None:
        """`most_body_bytes` limits bodies that are kept in memory.

        An answer that is no stream, an error.
        """
        self.first_exchange: Exchange | None = first_exchange
        self.retire_at = math.inf
        self.expires_at = math.inf
        self.is_closed = False
        self.uses = 0
        self._owner = owner
        self._loop = loop
        self._reader = ReplyReader()
        self._is_read = False
        self._decoder: Decoder | None = None
        self._exchange: Exchange | None = None
        self._is_answered = False
        self._is_head_delivered = False
        self._most_body_bytes = most_body_bytes
        self._is_kept_whole = False
        self._is_streamed = False
        self._body_bytes = 0
        self._is_lost = False
        self._is_reading_paused = False
        self._is_decoding = False  # whether the loop will go on with a compressed body
        self._idle_s: float | None = None
        self._deadline = Deadline(loop, self._deadline_passed)
        self.sock: socket.socket | None = None
        """The dialer's, where it opened one."""
        self.unread: select.poll | None = None
        """Tells of bytes, or an end, that the loop has not told yet."""

    # --- what the pool calls

    def begin(self, exchange: Exchange) -> None:
        """Write an exchange's request and wait for its reply. The connection must be idle."""
        self._exchange = exchange
        exchange.connection = self
        self.uses += 1
        self._is_answered = False
        if self._is_read or exchange.has_no_reply_body:
            self._begin_reader(exchange)
        self._deadline.set(exchange.deadline)
        if exchange.is_paused:
            self._pause_reading()
        body = exchange.body
        if len(body) <= _JOINED_BYTES:
            self.transport.write(exchange.start + body)
        else:
            self.transport.writelines((exchange.start, body))

    def watch_unread(self) -> None:
        """Prepare `unread`, which shows the pool whether an idle connection got data or was closed.

        A transport without a socket has none.
        """
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self.unread is None:
            self.unread = select.poll()
            self.unread.register(sock.fileno(), select.POLLIN)

    def fail(self, error: Exception) -> None:
        """Close the connection at once and end its exchange with an error."""
        exchange = self._exchange
        self.cut()
        if exchange is not None:
            exchange.fail(connection_error(exchange.request, error))

    def abandon(self) -> None:
        """Close the socket of an event loop that is closed already."""
        self.is_closed = True
        if self.sock is not None:
            self.sock.close()

    # --- what the exchange calls

    def pause(self) -> None:
        """Stop reading from the socket, because the reader of the reply is slow.

        Stops the idle timeout, too.
        """
        if not self.is_closed:
            self._pause_reading()
        if self._idle_s is not None:
            self._deadline.set(math.inf)

    def resume(self) -> None:
        """Deliver what was held back, then read from the socket again."""
        exchange = self._exchange
        if exchange is None:
            return
        if self._idle_s is not None:
            self._deadline.set_after(self._idle_s)
        if self._decoder is not None:
            self._deliver(exchange)
        self._continue_reading(exchange)

    def _continue_reading(self, exchange: Exchange) -> None:
        """Read from the socket again, unless something still pauses it."""
        is_held = exchange.is_paused or self._is_decoding or self.is_closed
        if self._exchange is exchange and not is_held:
            self._resume_reading()

    def cut(self) -> None:
        """Close the connection at once; its exchange, if any, gets no further callback."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.connection = None
        self._deadline.stop()
        if self._is_lost:
            self._owner.lost(self)
        elif not self.is_closed:
            self.is_closed = True
            self.transport.abort()

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Asyncio's callback: the connection is open, and TLS is established."""
        self.transport = cast("asyncio.Transport", transport)
        self._owner.adopt(self)

    def data_received(self, data: bytes) -> None:
        """Asyncio's callback with bytes of the reply.

        Bytes without a request close the connection.
        """
        exchange = self._exchange
        if exchange is None:
            self.cut()
            return
        if not self._is_answered:
            self._is_answered = True
            if not self._is_read:
                whole = read_whole(data)
                if whole is not None:
                    self._release(is_kept=True)
                    exchange.end_whole(whole)
                    return
                self._is_read = True
        elif self._is_streamed and self._reader.is_at_chunk_end:
            piece = read_single_chunk(data)
            if piece is not None:
                self._deliver_piece(exchange, piece)
                return
        self._reader.feed(data)
        self._deliver(exchange)

    def _deliver_piece(self, exchange: Exchange, piece: bytes) -> None:
        """Deliver the content of a read that was exactly one HTTP chunk, as most reads are."""
        if self._idle_s is not None and not exchange.is_paused:  # as `_restart_idle_timer`
            self._deadline.set_after(self._idle_s)
        try:
            exchange.sink.on_piece(piece)
        except Exception as error:  # noqa: BLE001 - as in `_deliver`
            self._sink_failed(error)

    def _restart_idle_timer(self, exchange: Exchange) -> None:
        """Restart a stream's idle timeout.

        Called when bytes of its body, not only framing, came.
        """
        if self._idle_s is not None and not exchange.is_paused:
            self._deadline.set_after(self._idle_s)

    def eof_received(self) -> bool:
        """Asyncio's callback: the host closed its side. A body without a length ends here."""
        exchange, reader = self._exchange, self._reader
        if exchange is None:
            self.cut()
        elif reader.ends_at_close and reader.failure is None and self._is_clean_end():
            reader.is_complete = True
            self._deliver(exchange)
        else:
            self._broken(exchange, None)
        return False

    def _is_clean_end(self) -> bool:
        """Whether the host itself ended the connection.

        Over TLS an attacker can close a connection, so only a `close_notify` counts.
        """
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return not tls.read(1)  # nothing, after a close_notify
        except ssl.SSLError:  # it waits for more
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Asyncio's callback: the connection is closed, by either side."""
        self._is_lost = self.is_closed = True
        exchange = self._exchange
        if exchange is None:
            self.cut()
        elif not self._reader.is_complete:
            self._broken(exchange, exc)
        # Else a paused reader has the rest of its body still to come.

    # --- delivery

    def _begin_reader(self, exchange: Exchange) -> None:
        """Reset the reader for the next reply. Not needed where the reply came in one read."""
        self._is_read = exchange.has_no_reply_body
        self._is_head_delivered = False
        self._is_streamed = False
        self._decoder = None
        self._idle_s = None
        self._reader.begin(has_no_body=exchange.has_no_reply_body)

    def _deliver(self, exchange: Exchange) -> None:
        """Deliver to the sink what the reader has parsed.

        End the exchange if the reply is whole.
        """
        try:
            goes_on = self._deliver_available(exchange)
        except (zlib.error, _UnreadableBodyError) as error:
            self.fail(error)
            return
        except Exception as error:  # noqa: BLE001 - whatever a sink raises ends its exchange only
            self._sink_failed(error)
            return
        if not goes_on:
            return
        reader = self._reader
        if reader.is_complete:
            self._finish(exchange)
        elif reader.failure is not None:
            self.fail(ValueError(reader.failure))

    def _sink_failed(self, error: Exception) -> None:
        """Fail the exchange because its sink raised."""
        _log.error("A reader of replies failed", exc_info=error)
        self.fail(RuntimeError("the reader of the reply failed"))

    def _deliver_available(self, exchange: Exchange) -> bool:
        """Deliver the head and the pieces that were parsed.

        False where the exchange has ended or more is still to be decompressed.
        """
        reader = self._reader
        if not self._is_head_delivered and reader.has_head:
            self._deliver_head(exchange)
            if self._exchange is not exchange:
                return False
        if self._decoder is not None:
            return self._deliver_decoded(exchange, self._decoder)
        pieces = reader.pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if self._is_kept_whole:
                self._count_kept(len(data))
            self._restart_idle_timer(exchange)
            exchange.sink.on_piece(data)
            return self._exchange is exchange
        return True

    def _count_kept(self, length: int) -> None:
        """Count bytes of a body that is kept in memory. Raises when there are too many."""
        self._body_bytes += length
        if self._body_bytes > self._most_body_bytes:
            raise _UnreadableBodyError(too_long_text(self._most_body_bytes))

    def _deliver_head(self, exchange: Exchange) -> None:
        """Deliver status and headers, and find out how the body is to be delivered."""
        reader, request = self._reader, exchange.request
        self._is_head_delivered = True
        kind = reader.headers.get("content-type", "").partition(";")[0].strip().lower()
        # A whole answer to a stream request is kept whole by its reader, too.
        self._is_kept_whole = (
            not request.is_stream or reader.status != _OK or kind not in STREAM_TYPES
        )
        self._body_bytes = 0
        if request.is_stream:
            self._idle_s = request.timeouts.idle_s
            self._deadline.set_after(None if exchange.is_paused else self._idle_s)
        encoding = reader.headers.get("content-encoding")
        if encoding is not None:
            try:
                self._decoder = make_decoder(encoding)
            except ValueError as error:
                raise _UnreadableBodyError(str(error)) from error
        self._is_streamed = not self._is_kept_whole and self._decoder is None
        exchange.sink.on_head(reader.status, reader.headers)

    def _deliver_decoded(self, exchange: Exchange, decoder: Decoder) -> bool:
        """Decompress and deliver; False where the exchange has ended or decoding goes on later."""
        pieces = self._reader.pieces
        if pieces:
            decoder.feed(b"".join(pieces))
            pieces.clear()
        steps = 0
        while not exchange.is_paused or not decoder.has_output:
            if steps == STEPS_A_TURN and decoder.has_output:
                self._decode_later(exchange)
                return False
            steps += 1
            piece = decoder.step()
            if not piece:
                if self._reader.is_complete:
                    decoder.check_end()
                return True
            if self._is_kept_whole:
                self._count_kept(len(piece))
                decoder.check_ratio()
            self._restart_idle_timer(exchange)
            exchange.sink.on_piece(piece)
            if self._exchange is not exchange:
                return False
        return False

    def _decode_later(self, exchange: Exchange) -> None:  # a small body may open to a giant
        """Continue decompressing in the next turn of the loop.

        A small body may expand to a huge one.
        """
        if not self._is_decoding:
            self._loop.call_soon(self._decode_more, exchange)
        self._is_decoding = True
        if not self.is_closed:
            self._pause_reading()

    def _decode_more(self, exchange: Exchange) -> None:
        """Continue decompressing."""
        self._is_decoding = False
        if self._exchange is exchange and not exchange.is_paused:
            self._deliver(exchange)
            self._continue_reading(exchange)

    def _finish(self, exchange: Exchange) -> None:
        """End the exchange with a complete reply.

        The connection is released first, so that `on_end` can send the next request on it.
        """
        self._release(is_kept=self._reader.keeps_alive)
        exchange.end()

    def _release(self, *, is_kept: bool) -> None:
        """Return the connection to its pool, or close it."""
        self._exchange = None
        # A host may answer before it has the whole request: the next one must not stand behind it.
        if is_kept and not self.is_closed and self.transport.get_write_buffer_size() == 0:
            if self._is_reading_paused:
                self._resume_reading()
            self._owner.release(self)
        else:
            self.cut()

    def _broken(self, exchange: Exchange, exc: Exception | None) -> None:
        """The connection ended before the reply did.

        Retry on a fresh connection, or fail the exchange.

        It is retried once, where the host closed a reused connection before any byte of a reply.
        """
        is_late = self.uses > 1 and not self._is_answered and not exchange.is_retry
        where = "in the middle of its reply" if self._is_answered else "without a reply"
        error = exc or ConnectionError(f"the host closed the connection {where}")
        if self._is_answered and exc is not None:
            error = ConnectionError(f"the connection broke {where}: {exc}")
        if is_late:
            exchange.is_retry = True
            self._owner.retry(exchange)  # first: the place is its own, not a waiter's
        self.cut()
        if not is_late:
            exchange.fail(connection_error(exchange.request, error))

    def _pause_reading(self) -> None:
        """Stop reading from the socket."""
        self._is_reading_paused = True
        self.transport.pause_reading()

    def _resume_reading(self) -> None:
        """Read from the socket again."""
        self._is_reading_paused = False
        self.transport.resume_reading()

    def _deadline_passed(self) -> None:
        """Fail the exchange: the reply, or the next bytes of a stream, did not come in time."""
        exchange = self._exchange
        if exchange is not None:
            self.cut()
            exchange.fail(timeout_error(exchange.request, is_head=not self._is_head_delivered))


class _UnreadableBodyError(ValueError):
    """The body's encoding is not supported, or the body is longer than any answer."""
