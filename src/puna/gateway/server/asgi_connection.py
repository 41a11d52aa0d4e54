"""What ASGI requests write to: a connection that lasts until its answer is read, and HTTP/1.0."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from puna.gateway.passing.heads import write_lines


class ClosesAfterReply(Protocol):
    """A connection that stays open until its client has read the last answer.

    If it were closed while the client still sends, it would be reset, and the answer lost.
    """

    def close_after_reply(self) -> None:
        """Close the connection once the client has read this answer."""
        ...


class LastingTransport:
    """The transport that ASGI requests write to.

    After `close`, the client's bytes are still read until it has its answer.
    """

    def __init__(self, protocol: ClosesAfterReply, transport: asyncio.Transport) -> None:
        self._protocol: ClosesAfterReply | None = protocol
        self._cycles: list[Any] = []
        self.write = transport.write
        self.is_closing = transport.is_closing

    def serve_cycle(self, cycle: Any) -> None:
        """Become the transport of a request's cycle.

        The cycle is informed when the connection is lost.
        """
        self._cycles = [one for one in self._cycles if not one.response_complete]
        self._cycles.append(cycle)
        cycle.transport = self

    def close(self) -> None:
        """Nothing more is written: close the connection once the client has its answer."""
        if self._protocol is not None:
            self._protocol.close_after_reply()

    def detach_cycles(self) -> None:
        """The connection is lost: inform the cycles, and drop the references to them.

        uvicorn informs only the last of several pipelined requests, which is not the one being
        answered.
        """
        self._protocol = None
        cycles, self._cycles = self._cycles, []
        for cycle in cycles:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()


class PlainSend:
    """ASGI's `send` for an HTTP/1.0 client.

    No chunked encoding, and the connection's end ends the body.
    """

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle

    async def __call__(self, message: Any) -> None:
        """Write an ASGI message of the reply."""
        cycle = self._cycle
        if cycle.flow.write_paused and not cycle.disconnected:
            await cycle.flow.drain()
        if cycle.disconnected or cycle.response_complete:
            return
        if message["type"] == "http.response.start":
            cycle.response_started = True
            head = [*cycle.default_headers, *message["headers"], (b"connection", b"close")]
            cycle.transport.write(STATUS_LINE[message["status"]] + write_lines(head) + b"\r\n")
            return
        if cycle.scope["method"] != "HEAD":
            cycle.transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            cycle.response_complete = True
            cycle.message_event.set()
            cycle.transport.close()
            cycle.on_response()
