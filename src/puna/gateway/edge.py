"""uvicorn's HTTP protocol, with a limit on heads, JSON in its own errors, and HTTP/1.0 as it is."""

from __future__ import annotations

import math
from typing import Any, Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from puna.errors import BadRequestError
from puna.gateway.fast_head import write_lines
from puna.gateway.host_header import host_fault
from puna.gateway.replies import error_reply

MOST_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together. The parser itself knows no limit."""

_OVERHEAD: Final = 32
_OF_AN_UPGRADE: Final = frozenset((b"connection", b"http2-settings", b"upgrade"))
_TICK_S: Final = 0.01
_VERSIONS: Final = ("1.1", "1.0")
_LAST_CALL_S: Final = 1.0
"""How long an idle client may still ask when the server ends."""

_MOST_QUEUED: Final = 16
"""Requests of one connection that wait for their turn; behind them no more is read."""


class EdgeProtocol(HttpToolsProtocol):
    """One client connection, each of its requests an ASGI request.

    Its keep-alive limit needs one timer, which is looked at when it ends, not armed with each
    reply.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._idle_since = math.inf
        self._idle_limit_s: float = self.timeout_keep_alive
        self._head_bytes = 0
        self._is_other_version = False
        self._host_fault: str | None = None
        self._is_spoiled = False
        """Whether bad bytes came behind good requests: these are answered, and no more is read."""
        self.is_last = False
        """Whether the next reply is the connection's last."""

    @property
    def _parser(self) -> Any:
        """Never None while bytes come; httptools ships no types."""
        return self.parser

    # --- heads

    @override
    def on_message_begin(self) -> None:
        # The scope is made when it is known that ASGI will want it.
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
        parser = self._parser
        self._method = parser.get_method()
        self._check_version()
        if not parser.should_upgrade():
            self._begin_message()
        elif self._method == b"CONNECT":
            raise ValueError("this is no proxy")

    def _check_version(self) -> None:
        if self._parser.get_http_version() not in _VERSIONS:
            self._is_other_version = True
            raise ValueError("no version that is spoken here")

    def _begin_message(self) -> None:
        """The head is whole."""
        self._begin_asgi()

    def _begin_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        is_required = self._parser.get_http_version() != "1.0"
        self._host_fault = host_fault(headers, is_required=is_required)
        if self._host_fault is not None:
            raise ValueError(self._host_fault)
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()
        self.cycle.keep_alive = self.cycle.keep_alive and not self.is_last
        if self.pipeline and len(self.pipeline) <= _MOST_QUEUED:
            self.flow.resume_reading()  # else nobody hears that the client leaves
        if self.scope["http_version"] == "1.0":
            cycle: Any = self.cycle
            cycle.send = _PlainSend(cycle)  # its task has not begun

    # --- bytes

    @override
    def data_received(self, data: bytes) -> None:
        if self._is_spoiled:
            return
        self._idle_since = math.inf
        for _ in range(_MOST_QUEUED):
            try:
                self._parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._without_upgrade(data[upgrade.args[0] :])
            except httptools.HttpParserError:
                break
            else:
                return
        self.send_400_response("")

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
            status, said = 431, f"The request's head is larger than {MOST_HEAD_BYTES} bytes."
        elif self._is_other_version:
            status, said = 505, "This server speaks HTTP/1.1."
        else:
            status, said = 400, self._host_fault or "This is not an HTTP request."
        reply = error_reply(BadRequestError(said, status_code=status, code="invalid_request"))
        lines = write_lines([*reply.head(), (b"connection", b"close")])
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + reply.body)
        self.transport.close()

    def _answers_first(self) -> bool:
        """Whether requests came whole before the bad bytes; the last one ends the connection."""
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
        if self.transport.is_closing():
            return
        if self.flow.read_paused:
            self.flow.resume_reading()
        if self.pipeline:
            cycle, app = self.pipeline.pop()
            self._start_asgi_task(cycle, app)
            return
        if self._is_spoiled:
            self.transport.close()
            return
        self._idle_since = self.loop.time()
        if self.timeout_keep_alive_task is None:
            self._watch_idle(self._idle_limit_s)

    @override
    def timeout_keep_alive_handler(self) -> None:
        self.timeout_keep_alive_task = None
        left_s = self._idle_since + self._idle_limit_s - self.loop.time()
        if left_s <= _TICK_S:
            super().timeout_keep_alive_handler()
        elif left_s < math.inf:
            self._watch_idle(left_s)

    def _watch_idle(self, seconds: float) -> None:
        self.timeout_keep_alive_task = self.loop.call_later(
            seconds, self.timeout_keep_alive_handler
        )

    @override
    def shutdown(self) -> None:
        """The server ends: a client that is about to ask is answered, and told to close.

        uvicorn would close an idle connection at once, and lose a request that is on its way.
        """
        known: Any = self.cycle
        self.is_last = True
        self._idle_limit_s = _LAST_CALL_S
        self._unset_keepalive_if_required()
        if known is None or known.response_complete:
            self._idle_since = self.loop.time()
            self._watch_idle(_LAST_CALL_S)
        elif not self._is_head_out():
            known.keep_alive = False  # else it is promised that one more may come

    def _is_head_out(self) -> bool:
        """Whether the head of the reply under way was sent."""
        known: Any = self.cycle
        return bool(known.response_started)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._unset_keepalive_if_required()


class _TooLargeError(ValueError):
    """The head is; the parser turns this into its own error, and that becomes the reply above."""


class _PlainSend:
    """ASGI's `send` for an HTTP/1.0 client, which knows no chunks: the end closes the body."""

    def __init__(self, cycle: Any) -> None:
        self._cycle = cycle

    async def __call__(self, message: Any) -> None:
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
