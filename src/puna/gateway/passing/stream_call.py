"""A call of the fast lane whose answer comes as a stream of events.

The states of a reply are those of `engine/stream_drive.py`, and two before *reading*:

- *passing*: `_plain` passes the events on as bytes.
- *ending*: text and calls are complete; `_plain_end` holds the last events back.

The head decides between passing and whole. The first event that is no text or call leads to ending,
or, where that is not possible, to reading; an odd end leads from ending to reading. Nothing leads
back: `_hand_over` gives the reader the bytes that were held back, and tells it what was sent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Final

from typing_extensions import override

from puna.engine.rescue import CallScreen
from puna.engine.stream_drive import StreamDrive
from puna.engine.streams import ENDING_S, USAGE_S
from puna.gateway.answers.replies import DONE
from puna.gateway.passing.cycle import ReplyWriter
from puna.gateway.passing.heads import LIMIT_PREFIX, stream_lines
from puna.gateway.passing.plain_end import Ending, PlainEnd
from puna.gateway.passing.plain_stream import NO_TOOLS, PlainStream, StreamTools
from puna.gateway.passing.runs import FastRun
from puna.types.chat import ChatCompletionChunk
from puna.wire.http import safe_headers
from puna.wire.sse import encode_event

_EVENTS: Final = "text/event-stream"


class StreamCall(StreamDrive[FastRun, ReplyWriter]):
    """Passes on the events of one stream, or has them read by the dialect."""

    _plain: PlainStream | None = None
    _plain_end: PlainEnd | None = None
    _has_limits = False

    @property
    @override
    def _has_head(self) -> bool:
        return self._delivery is not None or self._plain is not None

    @override
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._has_limits = any(name.startswith(LIMIT_PREFIX) for name in headers)
        self._plain = self._plain_end = None
        super()._read_head(status, headers)
        if self._whole is None:
            self._plain = PlainStream(self._run.route.renaming, self._stream_tools())

    @override
    def _is_plain(self, status: int, headers: Mapping[str, str]) -> bool:
        if status != 200 or not headers.get("content-type", "").startswith(_EVENTS):  # noqa: PLR2004 - RFC 9110
            return False
        self._note_headers(status, headers)
        return True

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
        masker = self._run.route.masker
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
                self._sink.send(events)
            else:
                self._pass_on(plain, data)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    @override
    def _read_piece(self, data: bytes) -> None:
        if self._plain_end is not None:
            self._feed_plain_end(self._plain_end, data)
        else:
            super()._read_piece(data)

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
                self._sink.send(events)
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
                self._run.route.name,
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
            limit_s = USAGE_S if end.lacks_usage else ENDING_S
            total_s = self._run.ready.streamed.request.timeouts.total_s
            self._await_end(limit_s if total_s is None else min(limit_s, total_s))

    def _end_plainly(self, ending: Ending) -> None:
        """Note reason and usage of a plain end, and send its events."""
        run, usage = self._run, ending.usage
        run.report.finish_reason = ending.finish_reason
        run.note_usage(
            run.ready.price, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        )
        self._settle("success")
        self._sink.send(ending.events)
        self._end()

    @override
    def _hand_over(self) -> bytes:
        """Change to the state reading, and tell the reader what was sent."""
        plain, end = self._plain, self._plain_end
        self._plain = self._plain_end = None
        if plain is None:
            return b""
        self._under_way.passed_on(plain.pop_text())
        self._under_way.continue_after(*plain.passed_events())
        return end.held if end is not None else plain.unsent

    @override
    def _emit(self, chunks: Sequence[ChatCompletionChunk]) -> None:
        self._deliver(b"".join([encode_event(chunk.to_json_bytes()) for chunk in chunks]))

    @override
    def _emit_end(self) -> None:
        self._sink.send(DONE)

    def _deliver(self, events: bytes) -> None:
        """Send events, after the head where they are the first."""
        if not self._has_begun:
            self._begin()
            # The headers also report what the reader has mended.
            is_unusual = self._has_limits or self._delivery is not None
            lines = self._run.ready.stream_lines
            self._sink.begin(stream_lines(lines, self._run.report, has_limits=is_unusual))
        self._sink.send(events)
