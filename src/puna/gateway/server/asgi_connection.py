"""What ASGI requests write to: a connection that lasts until its answer is read, and HTTP/1.0."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from puna.gateway.passing.heads import write_lines


class ClosesAfterReply(Protocol):
    """A connection that stays open until its client has read the last answer.

    Closed while the client still sends, it would be reset, and the answer lost.
    """

    def close_after_reply(self) -> None:
        """The answer was the connection's last."""
        ...


class LastingTransport:
    """A connection as ASGI sees it; closed, it is still read until the client has its answer."""

    def __init__(self, protocol: ClosesAfterReply, transport: asyncio.Transport) -> None:
        self._protocol: ClosesAfterReply | None = protocol
        self._cycles: list[Any] = []
        self.write = transport.write
        self.is_closing = transport.is_closing

    def forward(self, cycle: Any) -> None:
        """Be what a request's cycle writes to, and tell it when the connection is lost."""
        self._cycles = [one for one in self._cycles if not one.response_complete]
        self._cycles.append(cycle)
        cycle.transport = self

    def close(self) -> None:
        """No more is written."""
        if self._protocol is not None:
            self._protocol.close_after_reply()

    def forget(self) -> None:
        """The connection is lost. Its cycles hold this: no work for the collector.

        uvicorn tells only the last of several pipelined requests, which is not the one under way.
        """
        self._protocol = None
        cycles, self._cycles = self._cycles, []
        for cycle in cycles:
            if not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()


class PlainSend:
    """ASGI's `send` for an HTTP/1.0 client, which knows no chunks: the end closes the body."""

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle

    async def __call__(self, message: Any) -> None:
        """Write a message of the reply."""
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
