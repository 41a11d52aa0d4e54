"""One request of the fast lane on its client's connection.

To uvicorn's protocol it is the connection's cycle: it sets and reads the attributes of one. To the
call it is the writer of its reply, whole or in HTTP chunks, without ASGI in between.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

from puna.errors import APIError
from puna.gateway.access_log import CLIENT_LEFT
from puna.gateway.fast_call import FastCall
from puna.gateway.fast_head import write_lines
from puna.gateway.fast_run import LaneRun
from puna.gateway.replies import Reply, error_event, error_reply, internal_error, stopping
from puna.gateway.visit import Visit
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")

_GOES_ON = b"\r\n"
_CLOSES = b"connection: close\r\n\r\n"


class FastCycle:
    """Made for one request, and done when its reply is: the visit's door of the fast lane."""

    call: FastCall | None = None
    keep_alive = False
    """Whether the connection serves on after the answer. The lane sets it."""

    error_reply: Callable[[APIError], Reply] = staticmethod(error_reply)
    error_event: Callable[[APIError], bytes] = staticmethod(error_event)
    """How an error is told, whole and in a stream; other shapes than chat set their own."""

    has_head = False
    """Whether the head of a stream is written."""

    _pending = b""
    _coming: asyncio.Task[None] | None = None
    """What still decides whether the request is let in."""
    # What uvicorn sets and reads.
    response_complete = False
    disconnected = False
    response_started = True  # an answer may come at any time
    more_body = False

    def __init__(
        self, protocol: Any, visit: Visit, run: LaneRun, under_way: set[FastCycle]
    ) -> None:
        """`under_way` has this cycle until it is done."""
        self._visit = visit
        self._run = run
        self._protocol = protocol
        self._transport = protocol.transport
        self._under_way = under_way
        under_way.add(self)

    def start(self) -> None:
        """Have the request admitted, and send it."""
        try:
            coming = self._visit.admit(self._run)
        except APIError as error:
            self.refuse(error)
            return
        except Exception:  # noqa: BLE001 - whatever fails, the client gets an answer
            _log.exception("A request could not be admitted")
            self.refuse(internal_error())
            return
        if coming is not None:
            self._coming = coming
            coming.add_done_callback(self._decided)
        elif self.call is not None:
            self.call.start()

    def _decided(self, coming: asyncio.Task[None]) -> None:
        """A store has said whether the request is let in."""
        self._coming = None
        error = None if coming.cancelled() else coming.exception()
        if self.response_complete or self.call is None:
            return
        if isinstance(error, APIError):
            self.refuse(error)
        elif error is not None or coming.cancelled():
            self.refuse(internal_error())
        else:
            self.call.start()

    @property
    def message_event(self) -> FastCycle:
        """Set by uvicorn when the connection is lost."""
        return self

    def pause(self) -> None:
        """The client reads slowly."""
        if self.call is not None and not self.response_complete:
            self.call.pause()

    def resume(self) -> None:
        """The client has caught up."""
        if self.call is not None and not self.response_complete:
            self.call.resume()

    def set(self) -> None:
        """Called by uvicorn when the connection is lost; `leave` ends the call."""

    def leave(self) -> None:
        """The client has left."""
        if self.response_complete:
            return
        self.response_complete = True
        try:
            self._end_call()
        finally:
            self._transport.close()
            self._under_way.discard(self)
            self._visit.close(CLIENT_LEFT)

    def stop(self) -> None:
        """The gateway ends: the call ends too, and the client gets an error."""
        if self.response_complete:
            return
        self.keep_alive = False
        try:
            self._end_call()
        finally:
            self._done(self._write_error(stopping()))

    def _end_call(self) -> None:
        """Cut the call, unless it waits to be let in: then it has not begun."""
        call, self.call = self.call, None
        if call is not None and self._coming is None:
            call.client_left()

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """A whole answer."""
        self._transport.write(
            b"%b%bcontent-length: %d\r\nx-litellm-call-id: %b\r\n%b%b"
            % (
                self._protocol.start_of_ok(),
                lines,
                len(body),
                report.call_id.encode(),
                _GOES_ON if self.keep_alive else _CLOSES,
                body,
            )
        )
        self._done(200)

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        self._done(self._write_error(error), error)

    def begin(self, lines: bytes) -> None:
        """The head of a stream of events; it goes out with the first of them."""
        self.has_head = True
        self._pending = self._head(
            self._protocol.start_of_ok(), lines + b"transfer-encoding: chunked\r\n"
        )

    def send(self, events: bytes) -> None:
        """Some of its events, as one HTTP chunk."""
        if self._pending:
            self._transport.write(b"%b%x\r\n%b\r\n" % (self._pending, len(events), events))
            self._pending = b""
        else:
            self._transport.write(b"%x\r\n%b\r\n" % (len(events), events))

    def fail(self, error: APIError) -> None:
        """The last event of a stream that broke."""
        self.send(self.error_event(error))

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        del report  # its visit has it
        self._transport.write(b"0\r\n\r\n")
        self._done(200)

    def break_off(self, error: APIError) -> None:
        """End the reply in whatever state it is; nothing where it is whole."""
        if self.response_complete:
            return
        self._done(self._write_error(error), error)

    def _write_error(self, error: APIError) -> int:
        """The whole reply; of a stream that has begun, its last event and end. Gives the status."""
        if self.has_head:
            self.fail(error)
            self._transport.write(b"0\r\n\r\n")
            return error.status_code
        reply = self.error_reply(error)
        head = self._head(self._protocol.start_of(reply.status), write_lines(reply.head()))
        self._transport.write(head + reply.body)
        return reply.status

    def _head(self, start: bytes, lines: bytes) -> bytes:
        end = _GOES_ON if self.keep_alive else _CLOSES
        return b"%b%bx-litellm-call-id: %b\r\n%b" % (
            start,
            lines,
            self._visit.call_id.encode(),
            end,
        )

    def _done(self, status: int, error: APIError | None = None) -> None:
        self.response_complete = True
        self.call = None  # it holds this cycle: no work for the collector
        if not self.keep_alive:
            self._transport.close()
        self._under_way.discard(self)
        self._visit.close(status, error)
        self._protocol.on_response_complete()
