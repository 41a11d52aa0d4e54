"""A call of the fast lane whose answer comes as a stream of events.

While a host is asked (`passing/call.py` has the other states), the reply is in one of these states:

- *no head yet*.
- *passing*: `_plain` passes the events on as bytes.
- *ending*: text and calls are complete; `_plain_end` holds the last events back.
- *reading*: `_delivery`, the dialect's reader, reads the events; `_plain` is None.
- *whole*: the reply is no stream, often an error; its body is collected for `_delivery`.

The head decides between passing and whole. The first event that is no text or call leads to ending,
or, where that is not possible, to reading; an odd end leads from ending to reading. Nothing leads
back: `_hand_over` gives the reader the bytes that were held back, and tells it what was sent. A
timer limits how long a host may take with what it adds behind its answer.

What always holds: each byte of the host is passed on or read, once and in order. Before the first
event is sent (`_has_begun` is false), a failure leads to another attempt; after that, to an error
event and the end.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final

from typing_extensions import override

from puna.engine.call import attribute
from puna.engine.delivery import Delivery, is_framed
from puna.engine.rescue import CallScreen
from puna.engine.streams import ENDING_S, TAIL_S, USAGE_S
from puna.errors import APIError
from puna.gateway.answers.replies import DONE
from puna.gateway.passing.call import FastCall, drop_frames
from puna.gateway.passing.heads import LIMIT_PREFIX, stream_lines
from puna.gateway.passing.plain_end import Ending, PlainEnd
from puna.gateway.passing.plain_stream import NO_TOOLS, PlainStream, StreamTools
from puna.wire.http import HTTPReply, safe_headers
from puna.wire.sse import encode_event

_EVENTS: Final = "text/event-stream"


class StreamCall(FastCall):
    """Passes on the events of one stream, or has them read by the dialect."""

    _delivery: Delivery | None = None
    """The dialect's reader; made when it is first needed."""
    _plain: PlainStream | None = None
    _plain_end: PlainEnd | None = None
    _whole: HTTPReply | None = None
    _has_limits = False
    _is_framed = False
    _ending_s: float | None = None
    """How long the host was last given to end its answer; see `_await_end`."""
    _pieces: list[bytes]

    @property
    def _under_way(self) -> Delivery:
        """The dialect's reader of the attempt under way."""
        if self._delivery is None:
            self._delivery = Delivery(self._run, self._run.attempt, is_framed=self._is_framed)
        return self._delivery

    @override
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._has_limits = any(name.startswith(LIMIT_PREFIX) for name in headers)
        self._delivery = self._plain = self._plain_end = self._whole = None
        self._pieces = []
        self._ending_s = None
        self._is_framed = is_framed(headers)
        if status == 200 and headers.get("content-type", "").startswith(_EVENTS):  # noqa: PLR2004
            self._note_headers(status, headers)
        elif self._under_way.needs_whole(status, headers):
            self._whole = HTTPReply(status, headers)
            return
        self._plain = PlainStream(self._route.renaming, self._stream_tools())

    def _stream_tools(self) -> StreamTools:
        """What the stream must know of the request's tools."""
        run = self._run
        names, may_think = run.tool_names, run.looks_for_thoughts
        if not names and not may_think:
            return NO_TOOLS
        known = run.tools_to_rescue
        make_screen = partial(CallScreen, known) if known is not None else None
        return StreamTools(names, make_screen, may_think)

    def _note_headers(self, status: int, headers: Mapping[str, str]) -> None:
        """Note the reply's headers in the report, masked where they may hold a secret."""
        values = "\n".join(headers.values()).encode("latin-1")
        masker = self._route.masker
        if masker.may_be_in(values) or (self._context.hooks and masker.may_be_encoded_in(values)):
            self._run.note_head(self._run.attempt, status, headers)
            return
        report = self._run.report
        report.status_code, report.headers = status, safe_headers(headers)

    @override
    def on_piece(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            plain = self._plain
            if plain is None or self._plain_end is not None:
                self._read_piece(data)
                return
            events = plain.feed_known(data) if self._has_begun else b""
            if events:
                self._writer.send(events)
            else:
                self._pass_on(plain, data)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def _read_piece(self, data: bytes) -> None:
        """Read bytes of the body in the states whole, ending and reading."""
        if self._whole is not None:
            self._pieces.append(data)
        elif self._plain_end is not None:
            self._feed_plain_end(self._plain_end, data)
        else:
            self._read(data)

    def _pass_on(self, plain: PlainStream, data: bytes) -> None:
        """Read bytes of the body in the state passing, and leave the state where they demand it."""
        held = plain.rest
        events, rest = plain.feed(data)
        if (
            rest is not None
            and not self._has_begun
            and (plain.may_have_calls or not plain.has_text)
        ):
            # Nothing was sent yet. If what follows is a failure, another attempt is possible; and
            # the headers can still report tool calls that came as text.
            self._plain = None
            self._read(held + data)
            return
        if events:
            if self._has_begun:
                self._writer.send(events)
            else:
                self._run.note_first_chunk()
                self._deliver(events)
            if plain.is_full:
                self._under_way.passed_on(plain.pop_text())
        if rest is None:
            return
        if plain.head is not None and plain.has_one_choice and plain.has_whole_calls:
            self._plain_end = PlainEnd(
                plain.head,
                self._route.name,
                wants_usage=self._run.wants_usage,
                has_calls=plain.has_calls,
            )
            self._feed_plain_end(self._plain_end, rest)
        else:
            self._read(self._hand_over() + rest)

    def _feed_plain_end(self, end: PlainEnd, data: bytes) -> None:
        """Read bytes of the body in the state ending."""
        ending = end.feed(data)
        if ending is not None:
            self._end_plainly(ending)
        elif end.is_odd:
            self._read(self._hand_over())
        else:
            self._await_end(USAGE_S if end.lacks_usage else ENDING_S)

    def _end_plainly(self, ending: Ending) -> None:
        """Note reason and usage of a plain end, and send its events."""
        run, usage = self._run, ending.usage
        run.report.finish_reason = ending.finish_reason
        run.note_usage(
            self._current.price, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        )
        self._finish(ending.events)

    @override
    def _read_end(self) -> None:
        delivery = self._under_way
        if self._whole is None:
            rest = self._hand_over()
            if rest:
                self._read(rest)
            if self._delivery is delivery:  # else the attempt failed, and another began
                self._read(None)
            return
        whole = HTTPReply(self._whole.status, self._whole.headers, b"".join(self._pieces))
        self._pieces = []
        try:
            delivery.feed_reply(whole)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    @override
    def _handle_error(self, error: APIError) -> None:
        if self._delivery is None and self._plain is None:
            self._failed(attribute(error, self._run.attempt))
            return
        self._read_held()
        self._broken(self._under_way.broken(error))

    @override
    def _note_used(self) -> None:
        if self._delivery is not None or self._plain is not None:
            self._read_held()
            self._under_way.finish()

    def _read_held(self) -> None:
        """Read what was held back when a stream broke: it may hold the usage."""
        held = self._hand_over()
        if held:
            self._under_way.feed(held)

    def _hand_over(self) -> bytes:
        """Change to the state reading: tell the reader what was sent; give the bytes held back."""
        plain, end = self._plain, self._plain_end
        self._plain = self._plain_end = None
        if plain is None:
            return b""
        self._under_way.passed_on(plain.pop_text())
        self._under_way.continue_after(*plain.passed_events())
        return end.held if end is not None else plain.unsent

    def _read(self, data: bytes | None) -> None:
        """Have the dialect's reader read bytes, or with None the end of the body."""
        delivery = self._under_way
        if delivery.is_over:
            return
        try:
            delivery.feed(data)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    def _drain(self) -> None:
        """Send what the reader has ready, and end the call where its answer is complete."""
        delivery = self._under_way
        chunks = delivery.drain()
        if chunks:
            self._deliver(b"".join([encode_event(chunk.to_json_bytes()) for chunk in chunks]))
        if not delivery.is_over:
            if delivery.ending_s is not None:
                self._await_end(delivery.ending_s)
            return
        try:
            delivery.check()
        except APIError as error:
            self._broken(delivery.broken(error))
        else:
            delivery.finish()
            self._finish(DONE)

    def _await_end(self, limit_s: float) -> None:
        """Give the host `limit_s` seconds for what it adds behind a complete answer."""
        if limit_s == self._ending_s:
            return
        self._ending_s = limit_s
        if self._timer is not None:
            self._timer.cancel()
        total_s = self._current.request.timeouts.total_s
        wait_s = limit_s if total_s is None else min(limit_s, total_s)
        self._timer = self._context.loop.call_later(wait_s, self._guarded, self._end_after_wait)

    def _end_after_wait(self) -> None:
        """The time of `_await_end` is over: end the answer as if the body had ended here."""
        self._timer = None
        delivery = self._under_way
        rest = self._hand_over()
        if rest:
            self._read(rest)
        if self._delivery is delivery and not self._is_over:
            self._read(None)
        self._stop()

    def _deliver(self, events: bytes) -> None:
        """Send events, after the head where they are the first."""
        if not self._has_begun:
            self._has_begun = True
            self._run.succeeded()
            # The headers also report what the reader has mended.
            is_unusual = self._has_limits or self._delivery is not None
            lines = stream_lines(
                self._current.stream_lines, self._run.report, has_limits=is_unusual
            )
            self._writer.begin(lines)
        self._writer.send(events)

    def _broken(self, error: APIError) -> None:
        """End a failed attempt: try again, or, once events were sent, send an error event."""
        if self._has_begun:
            drop_frames(error)
            self._stop()
            delivery = self._under_way
            delivery.finish()
            held = b"".join([encode_event(one.to_json_bytes()) for one in delivery.drain()])
            self._settle("failure", error)
            if held:
                self._writer.send(held)
            self._writer.fail(error)
            self._end()
            return
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None
        self._delivery = None
        self._failed(error)

    def _finish(self, last: bytes) -> None:
        """Settle a good answer, send its last events, and end the stream."""
        self._settle("success")
        self._writer.send(last)
        self._end()

    def _end(self) -> None:
        """End the client's stream; the host gets some time to end its own."""
        exchange = self._exchange
        if exchange is not None:
            # The connection to the host can be used again only after the end of the body.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._context.loop.call_later(TAIL_S, self._stop)
        self._writer.end(self._run.report)
