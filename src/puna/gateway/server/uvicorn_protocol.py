"""uvicorn's HTTP protocol, with limits on heads, time and connections, and HTTP/1.0 as it is.

Its own errors are JSON. What it uses of uvicorn is listed in `uvicorn_contract.py`.
"""

from __future__ import annotations

import asyncio
import math
from typing import Any, Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from puna.errors import APIError, BadRequestError
from puna.gateway.answers.replies import error_reply, out_of_memory, stopping
from puna.gateway.passing.heads import write_lines
from puna.gateway.requests.host_header import host_fault
from puna.gateway.server.asgi_connection import LastingTransport, PlainSend
from puna.gateway.server.client_limits import ClientLimits, PartialRequest, took_too_long
from puna.gateway.server.connection_limit import ConnectionLimit, too_many_connections

MOST_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together. The parser itself knows no limit."""

_OVERHEAD: Final = 32
_OF_AN_UPGRADE: Final = frozenset((b"connection", b"http2-settings", b"upgrade"))
_TICK_S: Final = 0.01
_VERSIONS: Final = ("1.1", "1.0")
_LAST_CALL_S: Final = 1.0
"""How long an idle client may still ask when the server ends."""

_DEFAULT_LIMITS: Final = ClientLimits()
_MOST_QUEUED: Final = 16
"""Requests of one connection that wait for their turn; behind them no more is read."""


class LimitedProtocol(HttpToolsProtocol):
    """One client connection, each of its requests an ASGI request.

    Its time limits need one timer, which is looked at when it ends, not armed with each reply.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._limits: ClientLimits = getattr(self.app, "client_limits", _DEFAULT_LIMITS)
        self._idle_since = math.inf
        self._idle_limit_s = self._limits.head_s
        self._partial = PartialRequest()
        self._in_body = False
        self._is_between = True
        """Whether no request has begun that is not whole."""
        self._is_draining = False
        """Whether the last answer was given, and what still comes is thrown away."""
        self._head_bytes = 0
        self._is_other_version = self._lacks_memory = False
        self._fault: tuple[int, str] | None = None
        self._is_spoiled = False
        """Whether bad bytes came behind good requests: these are answered, and no more is read."""
        self.is_last = False
        """Whether the next reply is the connection's last."""

    @property
    def _parser(self) -> Any:
        """The HTTP parser. It exists while bytes come; httptools ships no types."""
        return self.parser

    # --- heads

    @override
    def on_message_begin(self) -> None:
        # The scope is made when it is known that ASGI will want it.
        self._is_between = self._in_body = False
        self._partial.end()
        if not self.is_last:
            self._idle_limit_s = self.timeout_keep_alive
        self._head_bytes = 0
        self.url = b""
        self.headers = []
        self.expect_100_continue = False

    @override
    def on_url(self, url: bytes) -> None:
        self._head_bytes += len(url)
        if self._head_bytes > MOST_HEAD_BYTES:
            raise _TooLargeError
        self.url += url

    @override
    def on_header(self, name: bytes, value: bytes) -> None:
        self._head_bytes += len(name) + len(value) + _OVERHEAD
        if self._head_bytes > MOST_HEAD_BYTES:
            raise _TooLargeError
        name = name.lower()
        if name == b"expect" and value.lower() == b"100-continue":
            self.expect_100_continue = True
        self.headers.append((name, value))

    @override
    def on_headers_complete(self) -> None:
        self._in_body = True
        parser = self._parser
        self._method = parser.get_method()
        self._check_version()
        if not parser.should_upgrade():
            self._begin_message()
        elif self._method == b"CONNECT":
            raise ValueError("this is no proxy")

    def _check_version(self) -> None:
        """Refuse HTTP versions other than 1.0 and 1.1."""
        if self._parser.get_http_version() not in _VERSIONS:
            self._is_other_version = True
            raise ValueError("no version that is spoken here")

    def _begin_message(self) -> None:
        """The head is complete: begin the request."""
        self._begin_asgi()

    def _begin_asgi(self) -> None:
        """Begin an ASGI request, once its `Host` header is checked."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        is_required = self._parser.get_http_version() != "1.0"
        fault = host_fault(headers, is_required=is_required)
        if fault is not None:
            self._fault = 400, fault
            raise ValueError(fault)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()
        self.cycle.keep_alive = self.cycle.keep_alive and not self.is_last
        self._lasting.serve_cycle(self.cycle)
        if self.pipeline and len(self.pipeline) <= _MOST_QUEUED:
            self.flow.resume_reading()  # else nobody hears that the client leaves
        if self.scope["http_version"] == "1.0":
            cycle: Any = self.cycle
            cycle.send = PlainSend(cycle)  # its task has not begun

    # --- bytes

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_spoiled:
            if self._is_draining:
                self._partial.note(len(data), self.loop.time(), in_body=True)
            return
        idle_since = self._idle_since
        self._idle_since = math.inf
        for _ in range(_MOST_QUEUED):
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError as error:
                self._lacks_memory = isinstance(error.__context__, MemoryError)
                break
            else:
                self._note_read(len(data), idle_since)
                return
        self.send_400_response("")

    @override
    def on_message_complete(self) -> None:
        self._is_between = True
        super().on_message_complete()

    def _note_read(self, size: int, idle_since: float) -> None:
        """Bytes were parsed, after an idle time since `idle_since`: update the time limits."""
        if not self._is_between:
            self._note_partial(size, in_body=self._in_body)
            return
        self._partial.end()
        known: Any = self.cycle
        if (known is None or known.response_complete) and self._idle_since == math.inf:
            # Only line ends, or the end of a request that was answered before.
            self._idle_since = idle_since if idle_since < math.inf else self.loop.time()
            self._watch()

    def _note_partial(self, size: int, *, in_body: bool) -> None:
        """A part of a request has come: set the client's time for the rest."""
        self._partial.note(size, self.loop.time(), in_body=in_body)
        self._watch()

    def _without_upgrade(self, rest: bytes) -> bytes:
        """What to read instead, to answer in HTTP/1.1.

        Java's clients ask for HTTP/2 like this, and send their body at once. The parser leaves off
        after such a head. A fresh one gets the head again, without the wish.
        """
        head = b"".join(
            name + b": " + value + b"\r\n"
            for name, value in self.headers
            if name not in _OF_AN_UPGRADE
        )
        line: bytes = self._method + b" " + self.url + b" HTTP/1.1\r\n"
        self.parser = httptools.HttpRequestParser(self)
        return line + head + b"\r\n" + rest

    @override
    def send_400_response(self, msg: str) -> None:
        if self._answers_first():
            self._is_spoiled = True
            return
        known: Any = self.cycle
        if known is not None and not known.response_complete and known.response_started:
            self.transport.close()  # the bytes would stand in the middle of a reply
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            status, message = 431, f"The request's head is larger than {MOST_HEAD_BYTES} bytes."
        elif self._is_other_version:
            status, message = 505, "This server speaks HTTP/1.1."
        else:
            status, message = self._fault or (400, "This is not an HTTP request.")
        bad = BadRequestError(message, status_code=status, code="invalid_request")
        self._refuse(out_of_memory() if self._lacks_memory else bad)

    def _refuse(self, error: APIError) -> None:
        """Answer with an error before a request is whole, and close the connection."""
        reply = error_reply(error)
        lines = write_lines([*reply.head(), (b"connection", b"close")])
        self.transport.write(STATUS_LINE[reply.status] + lines + b"\r\n" + reply.body)
        self._drain()

    def _answers_first(self) -> bool:
        """Whether whole requests that came before the bad bytes are still to be answered."""
        known: Any = self.cycle
        if known is None or known.response_complete:
            return False
        if not known.more_body:
            known.keep_alive = False
            return True
        # The bad bytes are in its body; others may stand before it.
        if self.pipeline:
            self.pipeline.popleft()
            return True
        return False

    # --- the end of a reply, and of a connection

    @override
    def on_response_complete(self) -> None:
        self.server_state.total_requests += 1
        if self.transport.is_closing() or self._is_draining:
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        if self._is_spoiled:
            self._drain()
            return
        self._idle_since = self.loop.time()
        if not self._is_between and self.cycle.more_body:
            self._partial.answered(self._idle_since)
        if self.timeout_keep_alive_task is None:
            self._watch_idle(self._idle_limit_s)

    @override
    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        now = self.loop.time()
        if self._partial.is_on and self.flow.read_paused:
            self._partial.postpone(now)
        left_s = self._due() - now
        if _TICK_S < left_s < math.inf:
            self._watch_idle(left_s)
        elif left_s <= _TICK_S:
            self._give_up()

    def _due(self) -> float:
        """The time by which the client must have sent what is awaited."""
        idle_due = self._idle_since + self._idle_limit_s
        if not self._partial.is_on:
            return idle_due
        due = self._partial.due(self._limits)
        return min(due, idle_due) if self.is_last else due

    def _give_up(self) -> None:
        """Close a connection whose client took too long; status 408 if it had begun a request."""
        known: Any = self.cycle
        open_cycle: Any = known if known is not None and not known.response_complete else None
        partial = self._partial
        is_over = not partial.is_on or partial.is_answered
        if is_over or (
            open_cycle is not None and open_cycle.response_started and open_cycle.more_body
        ):
            self.transport.close()
            return
        if self.pipeline or (open_cycle is not None and not open_cycle.more_body):
            self._watch_idle(self._limits.head_s)  # it stands behind requests that are answered
            return
        if open_cycle is not None:
            open_cycle.disconnected = True
            open_cycle.message_event.set()
        if self.is_last and partial.due(self._limits) - self.loop.time() > _TICK_S:
            self._refuse(stopping())  # an idle connection's limit ended, not this request's
            return
        self._refuse(took_too_long(self._limits, in_body=partial.in_body))

    def _watch(self) -> None:
        """Start the timer that checks the time limits, unless it runs."""
        if self.timeout_keep_alive_task is None:
            self._watch_idle(self._due() - self.loop.time())

    def _watch_idle(self, seconds: float) -> None:
        """Start the timer again, for at most an idle connection's limit."""
        seconds = min(seconds, max(self.timeout_keep_alive, _LAST_CALL_S))
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    def close_after_reply(self) -> None:
        """Close the connection after this answer, once the rest of its request was read."""
        if self._is_between:
            self.transport.close()
        else:
            self._drain()

    def _drain(self) -> None:
        """Close the connection when the client has closed it, or had time to read the answer.

        What it still sends is discarded. Closed at once, the connection would be reset, and the
        client might lose an answer that it has not read while it writes.
        """
        if self.transport.is_closing() or self._is_draining:
            return
        if self.is_last or self._limits.linger_s <= 0:
            self.transport.close()
            return
        self._is_spoiled = self._is_draining = True
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self._partial.answered(self.loop.time())
        self._watch()

    @override
    def shutdown(self) -> None:
        """The server ends: a client that is about to ask is answered, and told to close.

        uvicorn would close an idle connection at once, and lose a request that is on its way.
        """
        known: Any = self.cycle
        self.is_last = True
        if self._is_draining:
            self.transport.close()
            return
        self._idle_limit_s = _LAST_CALL_S
        self._unset_keepalive_if_required()
        if known is None or known.response_complete:
            self._idle_since = self.loop.time()
            self._watch_idle(_LAST_CALL_S)
        elif not self._is_head_out():
            known.keep_alive = False  # else it is promised that one more may come

    def _is_head_out(self) -> bool:
        """Whether the head of the current reply was sent."""
        known: Any = self.cycle
        return bool(known.response_started)

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's
        super().connection_made(transport)
        self._lasting = LastingTransport(self, transport)
        self._idle_since = self.loop.time()
        self._watch_idle(self._idle_limit_s)
        limit: ConnectionLimit | None = getattr(self.app, "connection_limit", None)
        if limit is None:
            return
        sock = transport.get_extra_info("socket")
        number = sock.fileno() if sock is not None else 0
        connections: Any = self.connections
        if not limit.has_room(connections, self, number, self._idle_since):
            self._refuse(too_many_connections())
            self.transport.close()  # no file is kept for it

    @property
    def idle_since(self) -> float:
        """Since when the client asks for nothing; infinite while it asks, -infinite at its end."""
        if self._is_draining:
            return -math.inf
        return math.inf if self._partial.is_on else self._idle_since

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()
        self._lasting.detach_cycles()


class _TooLargeError(ValueError):
    """The request's head is too large. The parser wraps this in its own error, answered above."""
