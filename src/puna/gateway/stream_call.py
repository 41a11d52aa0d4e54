"""A call of the fast lane whose answer comes as events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from typing_extensions import override

from puna.engine.call import attribute
from puna.engine.delivery import Delivery, is_framed
from puna.engine.rescue import CallScreen, tools_to_rescue
from puna.engine.streams import ENDING_S, TAIL_S, USAGE_S
from puna.errors import APIError
from puna.gateway.fast_call import FastCall, drop_frames
from puna.gateway.fast_head import LIMIT_PREFIX, stream_lines
from puna.gateway.plain_end import Ending, PlainEnd
from puna.gateway.plain_stream import NO_TOOLS, PlainStream, StreamTools
from puna.gateway.replies import DONE
from puna.wire.http import HTTPReply, shown_headers
from puna.wire.sse import encode_event

_EVENTS: Final = "text/event-stream"


class StreamCall(FastCall):
    """A call whose answer comes as events."""

    _delivery: Delivery | None = None
    """Made when a reader of the long way is needed."""
    _plain: PlainStream | None = None
    _plain_end: PlainEnd | None = None
    _whole: HTTPReply | None = None
    _has_begun = False
    _has_limits = False
    _is_framed = False
    _ending_s: float | None = None
    """How long the host was last given to end its answer; see `_await_end`."""
    _pieces: list[bytes]

    @property
    def _under_way(self) -> Delivery:
        if self._delivery is None:
            self._delivery = Delivery(self._run, self._tried, is_framed=self._is_framed)
        return self._delivery

    @override
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None:
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

    @property
    def _wants_usage(self) -> bool:
        """Whether the caller wants the usage as a chunk."""
        return self._envelope.wants_usage

    def _stream_tools(self) -> StreamTools:
        """What may be called, and whether calls are looked for in texts."""
        tools = self._envelope.tools
        if not tools:
            return NO_TOOLS
        names = frozenset([tool.function.name for tool in tools])
        return StreamTools(names, self._make_screen if self._tool_names else None)

    def _make_screen(self) -> CallScreen:
        known = tools_to_rescue(self._tried.context.request)
        assert known is not None, "asked only where calls are looked for"  # noqa: S101 - narrows
        return CallScreen(known)

    def _note_headers(self, status: int, headers: Mapping[str, str]) -> None:
        values = "\n".join(headers.values()).encode("latin-1")
        masker = self._route.masker
        if masker.may_be_in(values) or (self._context.hooks and masker.may_be_coded_in(values)):
            self._run.take_headers(self._tried, status, headers)
            return
        report = self._run.report
        report.status_code, report.headers = status, shown_headers(headers)

    @override
    def on_piece(self, data: bytes) -> None:
        if self._is_over:
            return
        try:
            plain = self._plain
            if plain is None or self._plain_end is not None:
                self._take_piece(data)
                return
            events = plain.take_known(data) if self._has_begun else b""
            if events:
                self._writer.send(events)
            else:
                self._pass_on(plain, data)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def _take_piece(self, data: bytes) -> None:
        if self._whole is not None:
            self._pieces.append(data)
        elif self._plain_end is not None:
            self._take_plain_end(self._plain_end, data)
        else:
            self._read(data)

    def _pass_on(self, plain: PlainStream, data: bytes) -> None:
        held = plain.rest
        events, rest = plain.take(data)
        if (
            rest is not None
            and not self._has_begun
            and (plain.may_have_calls or not plain.has_text)
        ):
            # Nothing is said yet: if what follows is a failure, another attempt may follow; and
            # the headers can still tell of calls that came as text.
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
                self._under_way.passed_on(plain.take_text())
        if rest is None:
            return
        if plain.head is not None and plain.has_one_choice and plain.has_whole_calls:
            self._plain_end = PlainEnd(
                plain.head,
                self._route.name,
                wants_usage=self._wants_usage,
                has_calls=plain.has_calls,
            )
            self._take_plain_end(self._plain_end, rest)
        else:
            self._read(self._hand_over() + rest)

    def _take_plain_end(self, end: PlainEnd, data: bytes) -> None:
        ending = end.take(data)
        if ending is not None:
            self._end_plainly(ending)
        elif end.is_odd:
            self._read(self._hand_over())
        else:
            self._await_end(USAGE_S if end.lacks_usage else ENDING_S)

    def _end_plainly(self, ending: Ending) -> None:
        run, usage = self._run, ending.usage
        run.report.finish_reason = ending.finish_reason
        run.note_usage(
            self._asked.price, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        )
        self._finish(ending.events)

    @override
    def _take_end(self) -> None:
        delivery = self._under_way
        if self._whole is None:
            rest = self._hand_over()
            if rest:
                self._read(rest)
            if self._delivery is delivery:  # else the rest was no answer, and another try began
                self._read(None)
            return
        whole = HTTPReply(self._whole.status, self._whole.headers, b"".join(self._pieces))
        self._pieces = []
        try:
            delivery.take_whole(whole)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    @override
    def _take_error(self, error: APIError) -> None:
        if self._delivery is None and self._plain is None:
            self._failed(attribute(error, self._tried))
            return
        self._read_held()
        self._broken(self._under_way.broken(error))

    @override
    def _note_used(self) -> None:
        if self._delivery is not None or self._plain is not None:
            self._read_held()
            self._under_way.finish()

    def _read_held(self) -> None:
        """At a break: what was held back may tell what was used."""
        held = self._hand_over()
        if held:
            self._under_way.take(held)

    def _hand_over(self) -> bytes:
        """From here on the dialect's reader reads; gives the bytes that were held back."""
        plain, end = self._plain, self._plain_end
        self._plain = self._plain_end = None
        if plain is None:
            return b""
        self._under_way.passed_on(plain.take_text())
        self._under_way.take_over(*plain.passed_events())
        return end.held if end is not None else plain.unsent

    def _read(self, data: bytes | None) -> None:
        delivery = self._under_way
        if delivery.is_over:
            return
        try:
            delivery.take(data)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    def _drain(self) -> None:
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
        """The answer is whole but for what hosts add at its end, for which they get some time."""
        if limit_s == self._ending_s:
            return
        self._ending_s = limit_s
        if self._timer is not None:
            self._timer.cancel()
        total_s = self._asked.request.timeouts.total_s
        wait_s = limit_s if total_s is None else min(limit_s, total_s)
        self._timer = self._context.loop.call_later(wait_s, self._guarded, self._end_unsaid)

    def _end_unsaid(self) -> None:
        """The time is over: the answer ends without `[DONE]`."""
        self._timer = None
        delivery = self._under_way
        rest = self._hand_over()
        if rest:
            self._read(rest)
        if self._delivery is delivery and not self._is_over:
            self._read(None)
        self._stop()

    def _deliver(self, events: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._run.succeeded()
            # What a reader mended is in the headers, too.
            is_unusual = self._has_limits or self._delivery is not None
            lines = stream_lines(self._asked.stream_lines, self._run.report, has_limits=is_unusual)
            self._writer.begin(lines)
        self._writer.send(events)

    def _broken(self, error: APIError) -> None:
        """A failure: another attempt, or after the first byte a last event."""
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
        self._settle("success")
        self._writer.send(last)
        self._end()

    def _end(self) -> None:
        exchange = self._exchange
        if exchange is not None:
            # The end of the body is still to come: only after it can the connection serve again.
            if self._timer is not None:
                self._timer.cancel()
            self._timer = self._context.loop.call_later(TAIL_S, self._stop)
        self._writer.end(self._run.report)
