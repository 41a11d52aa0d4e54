"""The server's protocol: chat requests go to the fast lane, all others to ASGI."""

from __future__ import annotations

import math
from typing import Any, Protocol

from typing_extensions import override
from uvicorn.protocols.http.httptools_impl import STATUS_LINE

from puna.gateway.passing.cycle import FastCycle
from puna.gateway.passing.head_cache import KnownHead, LaneHead, learn_head
from puna.gateway.passing.heads import write_lines
from puna.gateway.passing.lane import LANE_PATHS, FastLane
from puna.gateway.server.uvicorn_protocol import LimitedProtocol


class _HasLane(Protocol):
    """An application that has a fast lane, or None for now."""

    fast_lane: FastLane | None


class _NoLane:
    """The fast lane's place for any other application, which has none."""

    fast_lane: FastLane | None = None


class GatewayProtocol(LimitedProtocol):
    """One client connection.

    A request of chat, Messages or Responses is offered to the application's fast lane when its body
    is whole; what that does not accept becomes an ASGI request. A head that this connection has
    sent before is recognized by its bytes, and not parsed again.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Asked with each request: a reload brings another lane.
        app: Any = self.app
        self._lanes: _HasLane = app if hasattr(app, "fast_lane") else _NoLane()
        self._is_open = (
            self._lanes.fast_lane is not None
            and not self.root_path
            and self.limit_concurrency is None
        )
        self._fast: FastCycle | None = None
        # A request that the parser reads for the lane.
        self._head: LaneHead | None = None
        self._pieces: list[bytes] = []
        self._is_declined = False
        self._first_read = b""
        # One whose head is known.
        self._known: KnownHead | None = None
        self._known_start = b""
        self._missing = 0
        # The first lines of a good reply, and the headers that they were made of.
        self._ok_start = b""
        self._ok_headers: object = None

    # --- bytes

    @override
    def data_received(self, data: bytes) -> None:
        if self._missing:
            data = self._read_missing(data)
        elif (
            self._known is not None
            and self._is_between
            and self.cycle.response_complete
            and not self.flow.write_paused
        ):
            self._idle_since = math.inf
            data = self._read_known(self._known, data)
        if data:
            if self._is_between:
                self._first_read = data
            super().data_received(data)

    def _read_known(self, known: KnownHead, data: bytes) -> bytes:
        """Begin the request in `data`, whose head is known. Returns the bytes that must be parsed.

        The parser stands between two messages, and goes on from there.
        """
        found = known.find_body(data)
        lane = self._lanes.fast_lane
        if found is None or lane is None or found[1] > lane.most_known_bytes:
            return data
        if known.meaning.keys is not lane.keys:  # its key may be withdrawn, its host unknown
            self._known = None
            return data
        at, length = found
        missing = length - (len(data) - at)
        if missing > 0:
            self._known_start = data[:at]
            self._pieces = [data[at:]]
            self._missing = missing
            self._note_partial(len(data), in_body=True)
            return b""
        if missing < 0:
            return data
        if self._begin_fast(known.meaning, data[at:], is_kept=known.is_kept):
            return b""
        self._is_declined = True
        return data

    def _read_missing(self, data: bytes) -> bytes:
        """Read more of the body of a request with a known head.

        Returns the bytes that must be parsed.
        """
        self._pieces.append(data)
        left = self._missing - len(data)
        self._missing = max(0, left)
        known, lane = self._known, self._lanes.fast_lane
        if left > 0 or known is None or lane is None:
            self._note_partial(len(data), in_body=True)
            return b""
        self._partial.end()
        body = self._joined_pieces()
        if known.meaning.keys is not lane.keys:  # its key may be withdrawn
            self._known = None
        elif left == 0:
            if self._begin_fast(known.meaning, body, is_kept=known.is_kept):
                return b""
            self._is_declined = True
        return self._known_start + body

    def _joined_pieces(self) -> bytes:
        """Join the kept pieces of a body. They are freed before the body is parsed."""
        body = b"".join(self._pieces)
        self._pieces = []
        return body

    # --- messages

    @override
    def _begin_message(self) -> None:
        self._head = self._read_fast_head()
        if self._head is None:
            self._begin_asgi()

    def _read_fast_head(self) -> LaneHead | None:
        """Read the head, where the fast lane may take the request: length known, connection free.

        A second request on a busy connection waits in uvicorn's queue, so it takes the full lane.
        """
        lane = self._lanes.fast_lane
        if (
            lane is None
            or self._is_declined
            or (path := self.url.partition(b"?")[0]) not in LANE_PATHS
            or self._method != b"POST"
            or self.expect_100_continue
            or not self._is_free()
            or self._parser.get_http_version() != "1.1"
        ):
            return None
        return lane.read_head(path, self.headers)

    def _is_free(self) -> bool:
        """Whether a request can begin now: none is running, and the client reads its answers."""
        cycle: Any = self.cycle  # None before the first request
        return (
            self._is_open
            and (cycle is None or cycle.response_complete)
            and not self.flow.write_paused
        )

    @override
    def on_body(self, body: bytes) -> None:
        if self._head is not None:
            self._pieces.append(body)
        else:
            super().on_body(body)

    @override
    def on_message_complete(self) -> None:
        if self._parser.should_upgrade():
            return
        self._is_between, self._is_declined = True, False
        head, self._head = self._head, None
        if head is not None:
            body = self._joined_pieces()
            is_kept = self._parser.should_keep_alive()
            if self._begin_fast(head, body, is_kept=is_kept):
                self._known = learn_head(self._first_read, body, head, is_kept=is_kept)
                self._first_read = b""
                return
            self._first_read = b""
            self._begin_asgi()
            super().on_body(body)
        super().on_message_complete()

    def _begin_fast(self, head: LaneHead, body: bytes, *, is_kept: bool) -> bool:
        """Offer a request to the fast lane. Returns whether the lane has taken it."""
        lane = self._lanes.fast_lane
        if lane is None or head.keys is not lane.keys:  # of another configuration by now
            return False
        keeps_alive = is_kept and not self.is_last
        cycle = lane.begin(self, head, body, keeps_alive=keeps_alive)
        if cycle is None or cycle.call is None:
            return False
        known: Any = cycle  # it has what uvicorn asks of a cycle
        self._fast = cycle
        self.cycle = known
        cycle.start()
        return True

    # --- what happens to the connection

    @override
    def _drain(self) -> None:
        self._head, self._known = None, None
        self._pieces, self._missing = [], 0
        super()._drain()

    @override
    def shutdown(self) -> None:
        if self._head is not None or self._missing:
            self.is_last = True  # a request whose body is on its way is answered
        else:
            super().shutdown()

    @override
    def _is_head_out(self) -> bool:
        fast = self._fast
        known: Any = self.cycle
        if fast is None or fast is not known:
            return super()._is_head_out()
        return fast.has_head

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self._head, self._pieces, self._missing = None, [], 0
        fast, self._fast = self._fast, None
        if fast is not None:
            fast.leave()
            known: Any = self
            if known.cycle is fast:
                known.cycle = None  # it holds this connection: no work for the collector

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        if self._fast is not None:
            self._fast.pause()

    @override
    def resume_writing(self) -> None:
        super().resume_writing()
        if self._fast is not None:
            self._fast.resume()

    # --- what a cycle writes first

    def start_of(self, status: int) -> bytes:
        """The status line and the usual headers of a reply; uvicorn renews these each second."""
        return STATUS_LINE[status] + write_lines(self.server_state.default_headers)

    def start_of_ok(self) -> bytes:
        """As `start_of` for status 200; cached until uvicorn renews its headers."""
        headers = self.server_state.default_headers
        if headers is not self._ok_headers:
            self._ok_headers, self._ok_start = headers, self.start_of(200)
        return self._ok_start
