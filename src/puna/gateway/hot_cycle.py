"""One request of the fast lane on its client's connection.

To uvicorn's protocol it is the connection's cycle: it sets and reads the attributes of one. To the
call it is the client: it writes the reply, whole or in HTTP chunks, without ASGI in between.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

from puna.errors import APIError
from puna.gateway.fast_call import FastCall
from puna.gateway.hot_head import status_line, stream_head, whole_head, write_lines
from puna.gateway.replies import error_reply
from puna.types.report import CallReport

CLIENT_LEFT: Final = 499
"""The status in the log of a call whose client left."""

OnDone = Callable[["HotCycle", int, CallReport | None, APIError | None], None]
"""Told once of each request: its status, how the call went, and the error it was refused with."""


class HotCycle:
    """Made for one request, and done when its reply is."""

    def __init__(self, protocol: Any, call_id: str, on_done: OnDone) -> None:
        self._protocol = protocol
        self._transport = protocol.transport
        self._call_id = call_id.encode()
        self._on_done = on_done
        self._pending = b""
        self.call: FastCall | None = None
        self.started_s = time.perf_counter()
        # What uvicorn sets and reads.
        self.keep_alive: bool = protocol.parser.should_keep_alive()
        self.response_complete = False
        self.disconnected = False
        self.response_started = True  # an answer may come at any time

    @property
    def message_event(self) -> HotCycle:
        """Set by uvicorn when the connection is lost."""
        return self

    def start(self) -> None:
        """Begin the call."""
        if self.call is not None:
            self.call.start()

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
        """The client has left, or the gateway ends."""
        if self.response_complete:
            return
        self.response_complete = True
        call, self.call = self.call, None
        if call is not None:
            call.client_left()
        self._transport.close()
        self._on_done(self, CLIENT_LEFT, None, None)

    def reply(self, report: CallReport, body: bytes) -> None:
        """A whole answer."""
        head = self._head(200, b"%bcontent-length: %d\r\n" % (whole_head(report), len(body)))
        self._transport.write(head + body)
        self._done(200, report)

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        reply = error_reply(error)
        self._transport.write(self._head(reply.status, write_lines(reply.head())) + reply.body)
        self._done(reply.status, None, error)

    def begin(self, report: CallReport) -> None:
        """The head of a stream of events; it goes out with the first of them."""
        self._pending = self._head(200, stream_head(report) + b"transfer-encoding: chunked\r\n")

    def send(self, events: bytes) -> None:
        """Some of its events, as one HTTP chunk."""
        self._transport.write(b"%b%x\r\n%b\r\n" % (self._pending, len(events), events))
        self._pending = b""

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        self._transport.write(b"0\r\n\r\n")
        self._done(200, report)

    def _head(self, status: int, lines: bytes) -> bytes:
        return b"%b%b%bx-litellm-call-id: %b\r\n%b" % (
            status_line(status),
            write_lines(self._protocol.server_state.default_headers),
            lines,
            self._call_id,
            b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n",
        )

    def _done(self, status: int, report: CallReport | None, error: APIError | None = None) -> None:
        self.response_complete = True
        self.call = None  # it holds this cycle: no work for the collector
        if not self.keep_alive:
            self._transport.close()
        self._on_done(self, status, report, error)
        self._protocol.on_response_complete()
