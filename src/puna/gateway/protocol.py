"""uvicorn's HTTP protocol, with a limit on heads, JSON in its own errors, and HTTP/1.0 as it is."""

from __future__ import annotations

from typing import Any, Final

import httptools
from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from puna.errors import BadRequestError
from puna.gateway.hot_cycle import HotCycle
from puna.gateway.hot_lane import HotLane
from puna.gateway.replies import error_reply

MOST_HEAD_BYTES: Final = 64 * 1024
"""Request line and headers together. The parser itself knows no limit."""

_OVERHEAD: Final = 32
_OF_AN_UPGRADE: Final = frozenset((b"connection", b"http2-settings", b"upgrade"))


_HOT_PATHS: Final = frozenset((b"/v1/chat/completions", b"/chat/completions"))


class GatewayProtocol(HttpToolsProtocol):
    """One client connection.

    A request for a hot path is offered to the application's fast lane when its body is whole; what
    that does not take goes on as an ASGI request, as all others do.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lane: HotLane | None = getattr(self.app, "hot_lane", None)
        self._hot: HotCycle | None = None
        self._hot_body: list[bytes] | None = None
        self._is_last = False

    @property
    def _parser(self) -> Any:
        """Never None while bytes come; httptools ships no types."""
        return self.parser

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
    def data_received(self, data: bytes) -> None:
        self._unset_keepalive_if_required()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._go_on_without_upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self.send_400_response("")

    def _go_on_without_upgrade(self, rest: bytes) -> None:
        """Answer in HTTP/1.1: Java's clients ask for HTTP/2 like this, and send their body at once.

        The parser leaves off after such a head. A fresh one gets the head again, without the wish.
        """
        head = b"".join(
            name + b": " + value + b"\r\n"
            for name, value in self.headers
            if name not in _OF_AN_UPGRADE
        )
        line = self._method + b" " + self.url + b" HTTP/1.1\r\n"
        self.parser = httptools.HttpRequestParser(self)
        self.data_received(line + head + b"\r\n" + rest)

    @override
    def on_body(self, body: bytes) -> None:
        if self._hot_body is not None:
            self._hot_body.append(body)
        else:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        pieces, self._hot_body = self._hot_body, None
        if pieces is not None:
            body = b"".join(pieces)
            if self._begin_hot(body):
                return
            self._begin_asgi()
            self.cycle.keep_alive = self.cycle.keep_alive and not self._is_last
            super().on_body(body)
        super().on_message_complete()

    def _begin_hot(self, body: bytes) -> bool:
        """Whether the fast lane has taken the request."""
        lane = self._lane
        cycle = lane.begin(self, self.url, self.headers, body) if lane is not None else None
        if cycle is None:
            return False
        known: Any = cycle  # it has what uvicorn asks of a cycle
        cycle.keep_alive = cycle.keep_alive and not self._is_last
        self._hot = cycle
        self.cycle = known
        cycle.start()
        return True

    def _is_hot(self) -> bool:
        """Whether to keep the body for the fast lane: of known length, and nothing else going on.

        A second request on a busy connection waits in uvicorn's queue, so it goes the long way.
        """
        return (
            self._lane is not None
            and self.url in _HOT_PATHS
            and self._method == b"POST"
            and not self.expect_100_continue
            and not self.root_path
            and self.limit_concurrency is None
            and not self.flow.write_paused  # whoever does not read waits, as with ASGI
            and self._is_idle()
            and self._parser.get_http_version() == "1.1"
            and self._lane.admits(self.headers)
        )

    @override
    def shutdown(self) -> None:
        if self._hot_body is None:
            super().shutdown()
        self._is_last = True  # a request whose body is on its way is answered

    def _is_idle(self) -> bool:
        cycle: Any = self.cycle  # None before the first request
        return cycle is None or cycle.response_complete

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._hot_body = None
        hot, self._hot = self._hot, None
        if hot is not None:
            hot.leave()
            known: Any = self
            if known.cycle is hot:
                known.cycle = None  # it holds this connection: no work for the collector

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._hot is not None:
            self._hot.pause()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._hot is not None:
            self._hot.resume()

    @override
    def on_headers_complete(self) -> None:
        parser = self._parser
        self._method = parser.get_method()
        if parser.should_upgrade():
            if self._method == b"CONNECT":
                raise ValueError("this is no proxy")
            return
        if self._is_hot():
            self._hot_body = []
            return
        self._begin_asgi()

    def _begin_asgi(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers  # the list that the scope holds
        super().on_headers_complete()
        if self.scope["http_version"] == "1.0":
            cycle: Any = self.cycle
            cycle.send = _PlainSend(cycle)  # its task has not begun

    @override
    def send_400_response(self, msg: str) -> None:
        known: Any = self.cycle
        if known is not None and not known.response_complete and known.response_started:
            self.transport.close()  # the bytes would stand in the middle of a reply
            return
        if self._head_bytes > MOST_HEAD_BYTES:
            status, said = 431, f"The request's head is larger than {MOST_HEAD_BYTES} bytes."
        else:
            status, said = 400, "This is not an HTTP request."
        reply = error_reply(BadRequestError(said, status_code=status, code="invalid_request"))
        head = [*reply.head(), (b"connection", b"close")]
        lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
        self.transport.write(STATUS_LINE[status] + lines + b"\r\n" + reply.body)
        self.transport.close()


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
            lines = b"".join(name + b": " + value + b"\r\n" for name, value in head)
            cycle.transport.write(STATUS_LINE[message["status"]] + lines + b"\r\n")
            return
        if cycle.scope["method"] != "HEAD":
            cycle.transport.write(message.get("body", b""))
        if not message.get("more_body", False):
            cycle.response_complete = True
            cycle.message_event.set()
            cycle.transport.close()
            cycle.on_response()
