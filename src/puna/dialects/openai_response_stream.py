"""Parses a streamed response to events.

Guarantees, however the bytes are cut: every event of the host is passed on, unknown types too;
events are numbered from 0 without a gap; all responses in them have one id and the public model;
the last event is `response.completed`, `response.incomplete` or `response.failed`, or the stream
has an error.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from puna.dialects.base import ReadContext
from puna.dialects.error_replies import is_error_body
from puna.dialects.json_http import first_problem, malformed
from puna.dialects.openai_response_body import has_failed, mend_response, read_failure, usage_of
from puna.dialects.openai_response_fields import mend_event
from puna.dialects.stream_faults import interrupted_error
from puna.errors import APIError, StreamInterruptedError
from puna.types.common import Usage
from puna.types.response_request import ResponsesRequest
from puna.types.responses import FAILED_EVENT, LAST_EVENTS, ResponseEvent
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.sse import SSEDecoder, SSEEvent
from puna.wire.surrogates import WellFormedDecoder

_ERROR = "error"
_DONE = b"[DONE]"


class OpenAIResponseStreamReader:
    """Parses one streamed reply. Once it is done, further input is ignored."""

    def __init__(self, context: ReadContext[ResponsesRequest]) -> None:
        self._context = context
        self._decoder = WellFormedDecoder(SSEDecoder())
        self._made = 0
        self._id: str | None = None
        self._has_ended = False
        self.usage: Usage | None = None
        self.error: APIError | None = None

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        return self._decoder.replaced_signs

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: the last event was read, or the stream failed."""
        return self._has_ended or self.error is not None

    def feed(self, data: bytes) -> list[ResponseEvent]:
        """Add bytes; gives the events that they complete."""
        events = self._read_frames(self._decoder.feed(data))
        if self._decoder.fault is not None and not self.is_done:
            self.error = malformed(f"{self._decoder.fault} in its stream", self._context)
        return events

    def close(self) -> list[ResponseEvent]:
        """End the input; gives the remaining events. An end that is too early sets `error`."""
        events = [] if self.is_done else self._read_frames(self._decoder.close())
        if not self.is_done:
            self.error = self._interrupted_error()
        return events

    def _read_frames(self, frames: list[SSEEvent]) -> list[ResponseEvent]:
        """Read events until the last one or a fault; gives them corrected."""
        events: list[ResponseEvent] = []
        for frame in frames:
            if self.is_done:
                break
            if not frame.data.strip():
                continue  # a heartbeat
            try:
                events.append(self._read(frame))
            except APIError as error:
                # Kept, not raised: the events before it are whole and must reach the caller first.
                self.error = error
        return events

    def _read(self, frame: SSEEvent) -> ResponseEvent:
        """One event, corrected."""
        context = self._context
        if frame.data.strip() == _DONE:
            raise self._interrupted_error()
        try:
            data = parse_answer(frame.data)
        except ValueError as error:
            what = describe_fault(error, "an event that is not JSON")
            raise malformed(what, context) from error
        if not isinstance(data, dict):
            raise malformed("an event that is no JSON object", context)
        fields = cast("dict[str, Any]", data)
        if not isinstance(fields.get("type"), str):
            fields["type"] = frame.event
        kind = fields["type"]
        if kind == _ERROR or (not kind and is_error_body(fields)):
            raise read_failure(fields, context)
        return self._make(fields)

    def _make(self, fields: dict[str, Any]) -> ResponseEvent:
        """Build an event from corrected fields, with the next number."""
        told_end = fields.get("response")
        if fields.get("type") in LAST_EVENTS - {FAILED_EVENT} and isinstance(told_end, dict):
            ended = cast("dict[str, Any]", told_end)
            if has_failed(ended):
                raise read_failure({"error": ended.get("error") or {}}, self._context)
        mend_event(fields, self._context.made_id)
        response = fields.get("response")
        if response is not None:
            told = cast("dict[str, Any]", response)
            mend_response(told, self._context, fields["type"])
            self._id = told["id"] = self._id or told["id"]
        fields["sequence_number"] = self._made
        try:
            event = ResponseEvent.model_validate(fields)
        except ValidationError as error:
            what = f"an event whose fields are wrong: {first_problem(error)}"
            raise malformed(what, self._context) from error
        self._made += 1
        if event.type in LAST_EVENTS:
            self._note_last_event(event)
        return event

    def _note_last_event(self, event: ResponseEvent) -> None:
        """Record that the last event came, its usage, and the error of a failed response."""
        self._has_ended = True
        if event.response is not None:
            self.usage = usage_of(event.response)
        if event.type == FAILED_EVENT:
            failed = event.response.to_dict() if event.response is not None else {}
            self.error = read_failure({"error": failed.get("error") or {}}, self._context)

    def _interrupted_error(self) -> StreamInterruptedError:
        """The error for a stream that ended without its last event."""
        what = "before the response was finished" if self._made else "without any event"
        return interrupted_error(what, self._context)
