"""Requests of the Responses API in the fast lane, and their answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Final

from msgspec import UNSET, Struct
from msgspec.json import decode, encode
from typing_extensions import override

from puna.bridges.plain_answers import read_plain_answer
from puna.bridges.responses.envelope import BridgedResponse, read_responses_envelope
from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.reply import plain_response_of, response_fields_of
from puna.bridges.responses.stored import StoredResponse, make_stored_fields
from puna.bridges.responses.stream import PlainResponseStream
from puna.engine.aside import MANY
from puna.engine.clock import Clock
from puna.errors import APIError, ContextWindowExceededError, RateLimitError
from puna.gateway.endpoints.responses import describe_failure, encode_response_events
from puna.gateway.logs.access_log import log_refusal
from puna.gateway.passing.bridged import BridgedChat, BridgedWriter
from puna.gateway.passing.cycle import FastCycle
from puna.gateway.passing.head_cache import LaneHead
from puna.gateway.passing.heads import write_lines
from puna.gateway.passing.runs import FastRun
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.report import CallReport
from puna.types.request_source import RequestSource
from puna.types.requests import ChatRequest
from puna.types.response_request import read_input
from puna.wire.plain_chunks import read_checked_call, read_checked_chunk
from puna.wire.surrogates import parse_json

_LAST_STORED_S: Final = 5.0
"""How long the end of a gateway waits for what is being stored."""
_FAILURE_LINES: Final = write_lines(
    [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
)


class ResponsesShape:
    """Converts requests of the Responses API to chat, and stores responses. One per configuration.

    `keep` stores a response; it raises nothing. `is_strict`: see `read_responses_envelope`.
    """

    def __init__(
        self,
        keep: Callable[[StoredResponse], Awaitable[None]],
        clock: Clock,
        *,
        is_strict: bool,
    ) -> None:
        self.keep = keep
        self.clock = clock
        self._is_strict = is_strict
        self._kept: set[asyncio.Task[None]] = set()

    def bridge(self, body: bytes, head: LaneHead) -> BridgedChat | None:
        """Convert a request's body to a chat request; None where the full lane must read it."""
        bridged = read_responses_envelope(body, is_strict=self._is_strict)
        if bridged is None or len(bridged.envelope.messages) > MANY:
            return None  # the full lane reads very many items in a thread
        envelope = bridged.envelope

        def make_writer(cycle: FastCycle, run: FastRun) -> ResponsesWriter:
            """Make the writer of this request's answer."""
            return ResponsesWriter(self, bridged, head, cycle, run)

        left_out = bridged.request.left_out
        return BridgedChat(envelope, left_out, _mark_bridged, make_writer)

    @property
    def is_storing(self) -> bool:
        """Whether a response is being stored now."""
        return bool(self._kept)

    async def close(self) -> None:
        """Wait for the responses that are being stored. Called before a configuration is closed."""
        if self._kept:
            await asyncio.wait(self._kept, timeout=_LAST_STORED_S)

    def store(self, stored: StoredResponse, then: Callable[[], None]) -> None:
        """Store a response in a task, then call `then`, also where storing failed."""
        task = asyncio.ensure_future(self.keep(stored))
        self._kept.add(task)  # the event loop itself keeps weak references only

        def go_on(done: asyncio.Task[None]) -> None:
            """The task has ended: forget it, and call `then`."""
            self._kept.discard(done)
            then()

        task.add_done_callback(go_on)


def _mark_bridged(request: ChatRequest) -> ChatRequest:
    """The chat request, marked as one that came in another shape."""
    return replace(request, source=RequestSource())


class ResponsesWriter(BridgedWriter):
    """Converts the chat answer of one call to a response, or to its events, for the client.

    A response that is to be stored is stored before the client reads its end.
    """

    def __init__(
        self,
        shape: ResponsesShape,
        bridged: BridgedResponse,
        head: LaneHead,
        cycle: FastCycle,
        run: FastRun,
    ) -> None:
        super().__init__(cycle)
        clock = shape.clock
        self._shape = shape
        self._bridged = bridged
        self._head = head
        self._run = run
        self._is_stream = bool(bridged.envelope.stream)
        self._id = f"resp_{clock.make_id()}"
        self._began_at = int(run.report.started_at)
        if self._is_stream:
            self._bridge = PlainResponseStream(bridged.request, self._id, self._began_at, clock.now)
            # Not a method of this object: an idle connection keeps its last cycle, and would keep
            # with it the whole configuration that the request was served with.
            cycle.error_event = partial(_failed_event, self._bridge)

    @override
    def refuse(self, error: APIError) -> None:
        # Codex recovers only from a failure that comes inside a stream.
        is_recovered = isinstance(error, ContextWindowExceededError | RateLimitError)
        if not (self._is_stream and self._head.reads_failures and is_recovered):
            super().refuse(error)
            return
        log_refusal("A response", error)
        begun = {
            "id": self._id,
            "object": "response",
            "created_at": int(self._shape.clock.now()),
            "model": self._bridged.request.model,
        }
        failed = NativeResponse(begun, self._shape.clock.now)
        self._cycle.begin(_FAILURE_LINES)
        self._cycle.send(encode_response_events(failed.fail(*describe_failure(error))))
        self._cycle.end(self._run.report)

    @override
    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        if not self._bridged.is_stored:
            super().reply(report, lines, body)
            return
        made = self.convert_answer(body)

        def go_on() -> None:
            """Write the answer, once it is stored."""
            if not self._cycle.response_complete:
                self._cycle.reply(report, lines, made)

        self._store(decode(made), report, go_on)

    @override
    def end(self, report: CallReport) -> None:
        if self._is_broken or not self._bridged.is_stored:
            super().end(report)
            return
        last = self.last_events(report)
        response = self._bridge.response

        def go_on() -> None:
            """Write the last events, once the response is stored."""
            if not self._cycle.response_complete:
                self._cycle.send(last)
                self._cycle.end(report)

        if response is None:
            go_on()
        else:
            self._store(decode(encode(response)), report, go_on)

    @override
    def convert_answer(self, body: bytes) -> bytes:
        now = int(self._shape.clock.now())
        answer = read_plain_answer(body)
        request, made_id, began_at = self._bridged.request, self._id, self._began_at
        if answer is not None:
            return encode(plain_response_of(request, made_id, began_at, answer, completed_at=now))
        whole = ChatCompletion.model_validate_json(body)
        return encode(response_fields_of(request, made_id, began_at, whole, completed_at=now))

    @override
    def convert_event(self, data: bytes) -> bytes:
        # Nearly every event only adds text, or arguments to a call: no chunk is built of it.
        bridge = self._bridge
        place = bridge.open_text
        if place is not None:
            chunk = read_checked_chunk(data)
            if chunk is not None:
                choice = chunk.choices[0]
                text = choice.delta.content
                if choice.index == 0 and text and choice.delta.role is UNSET:
                    place.item.add_sent(text)
                    self._note_tier(data)
                    number = bridge.next_number()
                    return _TEXT_DELTA % (
                        number,
                        place.item_id.encode(),
                        place.output_index,
                        encode(text),
                    )
        elif bridge.has_open_call:
            call_chunk = read_checked_call(data)
            piece = call_chunk.more_arguments if call_chunk is not None else None
            place = bridge.open_call(piece.index) if piece is not None else None
            if piece is not None and place is not None and piece.function.arguments:
                text = piece.function.arguments
                place.item.add_sent(text)
                self._note_tier(data)
                number = bridge.next_number()
                return _ARGUMENTS_DELTA % (
                    number,
                    place.item_id.encode(),
                    place.output_index,
                    encode(text),
                )
        return _encode(bridge.convert(ChatCompletionChunk.model_validate_json(data)))

    def _note_tier(self, data: bytes) -> None:
        """Note the service tier that a chunk names. The value is not checked, as in `tier_of`."""
        if _TIER in data:
            self._bridge.note_tier(decode(data, type=_TierChunk).service_tier)

    @override
    def last_events(self, report: CallReport) -> bytes:
        return _encode(self._bridge.finish())

    def _store(
        self, response: Mapping[str, Any], report: CallReport, then: Callable[[], None]
    ) -> None:
        """Store the response unless the request says not to, then call `then`."""
        stored = make_stored_fields(
            read_input(parse_json(bytes(self._bridged.given_input))),
            response,
            owner=self._run.principal.key_id,
            maker=report.deployment_id,
            made_at=int(report.started_at),
        )
        self._shape.store(stored, then)


_TIER: Final = b'"service_tier"'


class _TierChunk(Struct):
    """A chunk of which only the service tier is read."""

    service_tier: Any = None


_TEXT_DELTA: Final = (
    b"event: response.output_text.delta\n"
    b'data: {"type":"response.output_text.delta","sequence_number":%d,"item_id":"%b",'
    b'"output_index":%d,"content_index":0,"delta":%b,"logprobs":[]}\n\n'
)
_ARGUMENTS_DELTA: Final = (
    b"event: response.function_call_arguments.delta\n"
    b'data: {"type":"response.function_call_arguments.delta","sequence_number":%d,'
    b'"item_id":"%b","output_index":%d,"delta":%b}\n\n'
)


def _failed_event(bridge: PlainResponseStream, error: APIError) -> bytes:
    """The event that ends a stream with an error."""
    return _encode(bridge.fail(*describe_failure(error)))


def _encode(events: Sequence[Mapping[str, Any]]) -> bytes:
    """Serialize events of the Responses API as server-sent events."""
    return b"".join(
        [b"event: %b\ndata: %b\n\n" % (one["type"].encode(), _encode_line(one)) for one in events]
    )


def _encode_line(event: Mapping[str, Any]) -> bytes:
    """An event as JSON on one line.

    Raw values of the request, which a response repeats, may be indented: their line breaks go.
    Inside a string JSON has none.
    """
    data = encode(event)
    if b"\n" in data or b"\r" in data:
        return data.translate(None, b"\r\n")
    return data
