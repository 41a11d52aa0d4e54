"""One request of the fast lane on its client's connection, without ASGI.

To uvicorn's protocol it is the connection's request cycle, whose attributes the protocol sets and
reads. To the call it is the `ReplyWriter`, which writes HTTP. For the visit it is one of the two
places that have it admitted and close it; the other is `gateway/app.py`.

States: *new*, *waiting for admission* (`_coming` is set), *calling* (the call has started), *done*
(`response_complete`). Every way to done closes the visit exactly once: the reply's end, an error,
a client that left (`leave`), and the end of the gateway (`stop`). No call starts before admission.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, Protocol

from puna.engine.drive import AnswerSink, CallDrive
from puna.errors import APIError
from puna.gateway.answers.replies import Reply, error_event, error_reply, internal_error, stopping
from puna.gateway.logs.access_log import CLIENT_LEFT
from puna.gateway.passing.heads import write_lines
from puna.gateway.passing.runs import FastRun
from puna.gateway.visit import Visit
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")

_GOES_ON = b"\r\n"
_CLOSES = b"connection: close\r\n\r\n"


class ReplyWriter(AnswerSink, Protocol):
    """Writes the answer of one call to the client. `lines` are headers, each with its line end.

    It gets `reply`; or `refuse`; or `begin`, `send`s and `end`, with `fail` before the end of a
    broken stream; or `break_off` at any time; or nothing more, once the client has left.
    """

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """Write a whole answer. It ends the reply."""
        ...

    def begin(self, lines: bytes) -> None:
        """Begin a stream of events."""
        ...

    def send(self, events: bytes) -> None:
        """Write some events of the stream."""
        ...


class FastCycle:
    """Serves one request: has its visit admitted, starts its call, and writes the reply."""

    call: CallDrive[Any, Any] | None = None
    keep_alive = False
    """Whether the connection stays open after the answer. The lane sets it."""

    error_reply: Callable[[APIError], Reply] = staticmethod(error_reply)
    error_event: Callable[[APIError], bytes] = staticmethod(error_event)
    """How errors are written, whole and in a stream. APIs other than chat set their own."""

    has_head = False
    """Whether a stream has begun."""

    _pending = b""
    """The head of a stream, until it is sent with the first events."""
    _coming: asyncio.Task[None] | None = None
    """The admission that is still being decided."""
    # What uvicorn sets and reads.
    response_complete = False
    disconnected = False
    response_started = True  # an answer may come at any time
    more_body = False

    def __init__(
        self, protocol: Any, visit: Visit, run: FastRun, under_way: set[FastCycle]
    ) -> None:
        """`under_way` holds this cycle until it is done."""
        self._visit = visit
        self._run: FastRun | None = run
        self._protocol = protocol
        self._transport = protocol.transport
        self._under_way = under_way
        under_way.add(self)

    def start(self) -> None:
        """Have the visit admitted, then start the call, at once or when a store has answered.

        Called once. The run is let go of: it has the request, and an idle connection keeps its last
        cycle.
        """
        run, self._run = self._run, None
        if run is None:
            return
        try:
            coming = self._visit.admit(run)
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
        """The admission is decided: start the call, or refuse the request."""
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
        """The client reads slowly: stop reading from the host. Called by the protocol."""
        if self.call is not None and not self.response_complete:
            self.call.pause()

    def resume(self) -> None:
        """The client has caught up: read from the host again. Called by the protocol."""
        if self.call is not None and not self.response_complete:
            self.call.resume()

    def set(self) -> None:
        """Called by uvicorn when the connection is lost; `leave` ends the call."""

    def leave(self) -> None:
        """The client has left: end the call, and close the visit."""
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
        """The gateway stops: end the call, and answer the client with an error."""
        if self.response_complete:
            return
        self.keep_alive = False
        try:
            self._end_call()
        finally:
            self._done(self._write_error(stopping()))

    def _end_call(self) -> None:
        """End the call, if it has started; one that waits for admission has not."""
        call, self.call = self.call, None
        if call is not None and self._coming is None:
            call.client_left()

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """Write a whole answer, with status 200."""
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
        """Write an error, before any byte was sent."""
        self._done(self._write_error(error), error)

    def begin(self, lines: bytes) -> None:
        """Begin a stream; its head is sent together with the first events."""
        self.has_head = True
        self._pending = self._head(
            self._protocol.start_of_ok(), lines + b"transfer-encoding: chunked\r\n"
        )

    def send(self, events: bytes) -> None:
        """Write some events of the stream, as one HTTP chunk."""
        if self._pending:
            self._transport.write(b"%b%x\r\n%b\r\n" % (self._pending, len(events), events))
            self._pending = b""
        else:
            self._transport.write(b"%x\r\n%b\r\n" % (len(events), events))

    def fail(self, error: APIError) -> None:
        """Write the error event of a stream that broke."""
        self.send(self.error_event(error))

    def end(self, report: CallReport) -> None:
        """End the stream."""
        del report  # the visit has it
        self._transport.write(b"0\r\n\r\n")
        self._done(200)

    def break_off(self, error: APIError) -> None:
        """End the reply with an error, whatever was written; does nothing after its end."""
        if self.response_complete:
            return
        self._done(self._write_error(error), error)

    def _write_error(self, error: APIError) -> int:
        """Write an error as a whole reply, or at the end of a stream; gives its status."""
        if self.has_head:
            self.fail(error)
            self._transport.write(b"0\r\n\r\n")
            return error.status_code
        reply = self.error_reply(error)
        head = self._head(self._protocol.start_of(reply.status), write_lines(reply.head()))
        self._transport.write(head + reply.body)
        return reply.status

    def _head(self, start: bytes, lines: bytes) -> bytes:
        """A head: `start` has the status line, `lines` headers; id and end are added."""
        end = _GOES_ON if self.keep_alive else _CLOSES
        return b"%b%bx-litellm-call-id: %b\r\n%b" % (
            start,
            lines,
            self._visit.call_id.encode(),
            end,
        )

    def _done(self, status: int, error: APIError | None = None) -> None:
        """The reply is written: close the visit, and free the connection."""
        self.response_complete = True
        self.call = None  # it refers to this cycle; break the reference cycle
        if not self.keep_alive:
            self._transport.close()
        self._under_way.discard(self)
        self._visit.close(status, error)
        self._protocol.on_response_complete()
