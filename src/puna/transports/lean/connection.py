"""One connection: writes a request, reads its reply, and says when it may serve again."""

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
from puna.transports.failures import timed_out, too_long, unreachable
from puna.transports.lean.deadline import Deadline
from puna.transports.lean.exchange import Exchange, Owner
from puna.transports.lean.reading import ReplyReader, whole_chunk
from puna.transports.lean.whole import read_whole
from puna.wire.http import STREAM_TYPES

_log = logging.getLogger("puna.transports")

_JOINED_BYTES = 65_536  # up to here one string costs less than two writes
_OK = 200


class Connection(asyncio.Protocol):
    """Made for `wanted_by`; kept alive for others after that."""

    def __init__(
        self,
        owner: Owner[Connection],
        loop: asyncio.AbstractEventLoop,
        wanted_by: Exchange,
        most_body_bytes: int,
    ) -> None:
        """`most_body_bytes` limits what is kept whole: an answer that is no stream, an error."""
        self.wanted_by: Exchange | None = wanted_by
        self.grows_old_at = math.inf
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
        self._has_told_head = False
        self._most_body_bytes = most_body_bytes
        self._is_kept_whole = False
        self._is_streamed = False
        self._body_bytes = 0
        self._is_lost = False
        self._is_held = False
        self._is_opening = False  # whether the loop will go on with a compressed body
        self._idle_s: float | None = None
        self._deadline = Deadline(loop, self._on_time)
        self.sock: socket.socket | None = None
        """The dialer's, where it opened one."""
        self.unread: select.poll | None = None
        """Tells of bytes, or an end, that the loop has not told yet."""

    # --- what the pool calls

    def begin(self, exchange: Exchange) -> None:
        """Send a request."""
        self._exchange = exchange
        exchange.line = self
        self.uses += 1
        self._is_answered = False
        if self._is_read or exchange.has_no_reply_body:
            self._begin_reader(exchange)
        self._deadline.set(exchange.deadline)
        if exchange.is_paused:
            self._hold()
        body = exchange.body
        if len(body) <= _JOINED_BYTES:
            self.transport.write(exchange.start + body)
        else:
            self.transport.writelines((exchange.start, body))

    def watch_unread(self) -> None:
        """Make `unread`. A transport without a socket has none."""
        sock = self.transport.get_extra_info("socket")
        if sock is not None and self.unread is None:
            self.unread = select.poll()
            self.unread.register(sock.fileno(), select.POLLIN)

    def fail(self, error: Exception) -> None:
        """Close at once and tell the exchange why."""
        exchange = self._exchange
        self.cut()
        if exchange is not None:
            exchange.fail(unreachable(exchange.request, error))

    def abandon(self) -> None:
        """Close the socket of a loop that is closed: the loop's own ways to do it are gone."""
        self.is_closed = True
        if self.sock is not None:
            self.sock.close()

    # --- what the exchange calls

    def pause(self) -> None:
        """Stop reading. The pauses of the reader are not the host's."""
        if not self.is_closed:
            self._hold()
        if self._idle_s is not None:
            self._deadline.set(math.inf)

    def resume(self) -> None:
        """Read on, with what was held back first."""
        exchange = self._exchange
        if exchange is None:
            return
        if self._idle_s is not None:
            self._deadline.set_after(self._idle_s)
        if self._decoder is not None:
            self._tell(exchange)
        self._read_on(exchange)

    def _read_on(self, exchange: Exchange) -> None:
        is_held = exchange.is_paused or self._is_opening or self.is_closed
        if self._exchange is exchange and not is_held:
            self._let_go()

    def cut(self) -> None:
        """Close at once."""
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.line = None
        self._deadline.stop()
        if self._is_lost:
            self._owner.lost(self)
        elif not self.is_closed:
            self.is_closed = True
            self.transport.abort()

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Connected, and TLS agreed."""
        self.transport = cast("asyncio.Transport", transport)
        self._owner.adopt(self)

    def data_received(self, data: bytes) -> None:
        """Bytes of the reply; anything else ends the connection."""
        exchange = self._exchange
        if exchange is None:
            self.cut()
            return
        if not self._is_answered:
            self._is_answered = True
            if not self._is_read:
                whole = read_whole(data)
                if whole is not None:
                    self._give_back(is_kept=True)
                    exchange.end_whole(whole)
                    return
                self._is_read = True
        elif self._is_streamed and self._reader.is_between:
            piece = whole_chunk(data)
            if piece is not None:
                self._pass_on(exchange, piece)
                return
        self._reader.feed(data)
        self._tell(exchange)

    def _pass_on(self, exchange: Exchange, piece: bytes) -> None:
        """Hand on a piece of a stream that came by itself: what nearly every read is."""
        if self._idle_s is not None and not exchange.is_paused:  # as `_note_piece`
            self._deadline.set_after(self._idle_s)
        try:
            exchange.sink.on_piece(piece)
        except Exception as error:  # noqa: BLE001 - as in `_tell`
            self._sink_failed(error)

    def _note_piece(self, exchange: Exchange) -> None:
        """Some of the body came, so the next pause begins. Framing alone is none of it."""
        if self._idle_s is not None and not exchange.is_paused:
            self._deadline.set_after(self._idle_s)

    def eof_received(self) -> bool:
        """The host says no more."""
        exchange, reader = self._exchange, self._reader
        if exchange is None:
            self.cut()
        elif reader.ends_at_close and reader.failure is None and self._is_meant():
            reader.is_complete = True
            self._tell(exchange)
        else:
            self._broken(exchange, None)
        return False

    def _is_meant(self) -> bool:
        """Whether the end came from the host: over TLS anybody can cut, so it has to say so."""
        tls: ssl.SSLObject | None = self.transport.get_extra_info("ssl_object")
        if tls is None:
            return True
        try:
            return not tls.read(1)  # nothing, after a close_notify
        except ssl.SSLError:  # it waits for more
            return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Closed, by whomever."""
        self._is_lost = self.is_closed = True
        exchange = self._exchange
        if exchange is None:
            self.cut()
        elif not self._reader.is_complete:
            self._broken(exchange, exc)
        # Else a paused reader has the rest of its body still to come.

    # --- delivery

    def _begin_reader(self, exchange: Exchange) -> None:
        """The reader as new: a reply that came whole has not used it."""
        self._is_read = exchange.has_no_reply_body
        self._has_told_head = False
        self._is_streamed = False
        self._decoder = None
        self._idle_s = None
        self._reader.begin(has_no_body=exchange.has_no_reply_body)

    def _tell(self, exchange: Exchange) -> None:
        """Hand on what the reader has, then the end if it has come."""
        try:
            goes_on = self._hand_on(exchange)
        except (zlib.error, _UnreadableError) as error:
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
        _log.error("A reader of replies failed", exc_info=error)
        self.fail(RuntimeError("the reader of the reply failed"))

    def _hand_on(self, exchange: Exchange) -> bool:
        """Whether the exchange goes on and has had all that came."""
        reader = self._reader
        if not self._has_told_head and reader.has_head:
            self._tell_head(exchange)
            if self._exchange is not exchange:
                return False
        if self._decoder is not None:
            return self._tell_opened(exchange, self._decoder)
        pieces = reader.pieces
        if pieces:
            data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
            pieces.clear()
            if self._is_kept_whole:
                self._count(len(data))
            self._note_piece(exchange)
            exchange.sink.on_piece(data)
            return self._exchange is exchange
        return True

    def _count(self, length: int) -> None:
        self._body_bytes += length
        if self._body_bytes > self._most_body_bytes:
            raise _UnreadableError(too_long(self._most_body_bytes))

    def _tell_head(self, exchange: Exchange) -> None:
        reader, request = self._reader, exchange.request
        self._has_told_head = True
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
                raise _UnreadableError(str(error)) from error
        self._is_streamed = not self._is_kept_whole and self._decoder is None
        exchange.sink.on_head(reader.status, reader.headers)

    def _tell_opened(self, exchange: Exchange, decoder: Decoder) -> bool:
        """Whether all that came is delivered and the exchange goes on."""
        pieces = self._reader.pieces
        if pieces:
            decoder.feed(b"".join(pieces))
            pieces.clear()
        steps = 0
        while not exchange.is_paused or not decoder.may_hold:
            if steps == STEPS_A_TURN and decoder.may_hold:
                self._open_later(exchange)
                return False
            steps += 1
            piece = decoder.step()
            if not piece:
                if self._reader.is_complete:
                    decoder.check_end()
                return True
            if self._is_kept_whole:
                self._count(len(piece))
                decoder.check_ratio()
            self._note_piece(exchange)
            exchange.sink.on_piece(piece)
            if self._exchange is not exchange:
                return False
        return False

    def _open_later(self, exchange: Exchange) -> None:  # a small body may open to a giant
        if not self._is_opening:
            self._loop.call_soon(self._open_more, exchange)
        self._is_opening = True
        if not self.is_closed:
            self._hold()

    def _open_more(self, exchange: Exchange) -> None:
        self._is_opening = False
        if self._exchange is exchange and not exchange.is_paused:
            self._tell(exchange)
            self._read_on(exchange)

    def _finish(self, exchange: Exchange) -> None:
        """The reply is whole: the connection first, so that `on_end` may use it again."""
        self._give_back(is_kept=self._reader.keeps_alive)
        exchange.end()

    def _give_back(self, *, is_kept: bool) -> None:
        self._exchange = None
        # A host may answer before it has the whole request: the next one must not stand behind it.
        if is_kept and not self.is_closed and self.transport.get_write_buffer_size() == 0:
            if self._is_held:
                self._let_go()
            self._owner.release(self)
        else:
            self.cut()

    def _broken(self, exchange: Exchange, exc: Exception | None) -> None:
        """The connection ended before the reply did."""
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
            exchange.fail(unreachable(exchange.request, error))

    def _hold(self) -> None:
        self._is_held = True
        self.transport.pause_reading()

    def _let_go(self) -> None:
        self._is_held = False
        self.transport.resume_reading()

    def _on_time(self) -> None:
        """The reply, or its next bytes, have not come in time."""
        exchange = self._exchange
        if exchange is not None:
            self.cut()
            exchange.fail(timed_out(exchange.request, is_head=not self._has_told_head))


class _UnreadableError(ValueError):
    """A body in an encoding that is not read, or a larger one than any answer."""
