"""Parses ConverseStream to chat chunks.

The guarantees at the head of `openai_stream.py` hold here too. The order of events: `messageStart`,
then for each block a start, deltas and a stop, then `messageStop` with the reason, then `metadata`
with the usage, which ends the stream. Source: Amazon Bedrock API reference, "ConverseStream", read
2026-11-26.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any, NamedTuple, cast

from pydantic import ValidationError

from puna.dialects.base import ReadContext
from puna.dialects.converse_replies import (
    call_id,
    call_name,
    read_exception,
    read_finish_reason,
    read_reasoning,
    read_usage,
)
from puna.dialects.error_replies import read_error_frame
from puna.dialects.finish_reasons import failure_body, is_failure_reason
from puna.dialects.json_http import first_problem, malformed
from puna.dialects.openai_replies import is_index, make_call_id
from puna.dialects.stream_faults import interrupted_error
from puna.dialects.tool_call_identity import AssignedPiece, ToolCallTracker, TrackedCall
from puna.errors import APIError
from puna.types.chat import ChatCompletionChunk
from puna.types.common import Usage
from puna.wire.event_stream import EventStreamDecoder, EventStreamMessage
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.surrogates import HalfJoiner

_KEPT = ("metrics", "performanceConfig", "serviceTier", "trace")


class _BareBlock(NamedTuple):
    """A block of a call that has begun and has had no arguments yet.

    `length` is that of the call's arguments at its start: more than 0 where its id is an earlier
    call's.
    """

    call: TrackedCall
    host_id: str
    name: str
    length: int


class ConverseStreamReader:
    """Parses one streamed reply.

    Once `error` is set, or after `close()`, further input is ignored.
    """

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._decoder = EventStreamDecoder()
        self._joiner = HalfJoiner[EventStreamMessage](
            lambda message: message.payload, lambda message, data: replace(message, payload=data)
        )
        self._calls = ToolCallTracker()
        self._bare: dict[int | None, _BareBlock] = {}
        self._has_begun = False
        self._stop_reason: str | None = None
        self._extra: dict[str, Any] = {}
        self._usage: dict[str, Any] | None = None
        self._is_done = False
        self.is_finish_assumed = False
        self.error: APIError | None = None

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        return self._joiner.replaced_signs

    @property
    def usage(self) -> Usage | None:
        """The usage that the host reported; None if it reported none."""
        return Usage.model_validate(self._usage) if self._usage is not None else None

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, in OpenAI's terms, once it is known."""
        return read_finish_reason(self._stop_reason, has_calls=bool(self._calls.calls))

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: the metadata was read, or the stream failed."""
        return self._is_done or self.error is not None

    @property
    def has_finished(self) -> bool:
        """Whether `messageStop` came; the metadata with the usage follows it."""
        return self._stop_reason is not None

    def feed(self, data: bytes) -> list[ChatCompletionChunk]:
        """Add bytes; gives the chunks that they complete."""
        if self.is_done:
            return []
        chunks = self._read_all(self._joiner.add(self._decoder.feed(data)))
        if self._decoder.fault is not None and not self.is_done:
            self.error = malformed(f"{self._decoder.fault} in its stream", self._context)
        return chunks

    def _read_all(self, messages: Iterable[EventStreamMessage]) -> list[ChatCompletionChunk]:
        """Read messages until one breaks the stream; gives their chunks."""
        chunks: list[ChatCompletionChunk] = []
        for message in messages:
            try:
                chunks += self._read(message)
            except APIError as error:
                # Kept, not raised: the chunks before it are whole and must reach the caller first.
                self.error = error
            if self._is_done or self.error is not None:
                break
        return chunks

    def close(self) -> list[ChatCompletionChunk]:
        """End the input; gives the remaining chunks. An end that is too early sets `error`."""
        chunks = [] if self.is_done else self._read_all(self._joiner.close())
        if self.is_done:
            return chunks
        if not self._decoder.is_at_message_end:
            self.error = interrupted_error("in the middle of a frame", self._context)
        elif self._stop_reason is not None:
            return chunks + self._end()
        else:
            what = "before the answer was finished" if self._has_begun else "without any content"
            self.error = interrupted_error(f"{what}: no `messageStop` came", self._context)
        return chunks

    def _read(self, message: EventStreamMessage) -> list[ChatCompletionChunk]:
        """The chunks of one message, which is an event or an exception."""
        headers = message.headers
        kind = headers.get(":message-type", "event")
        if kind == "error":
            # A fault that the service has no shape for: its words stand in headers.
            text = headers.get(":error-message") or headers.get(":error-code", "")
            raise read_exception(headers.get(":error-code", ""), text.encode(), self._context)
        if kind == "exception":
            name = headers.get(":exception-type", "")
            raise read_exception(name, message.payload, self._context)
        return self._read_event(headers.get(":event-type", ""), self._parse(message.payload))

    def _parse(self, payload: bytes) -> dict[str, Any]:
        """The JSON object in a message."""
        try:
            data = parse_answer(payload)
        except ValueError as error:
            what = describe_fault(error, "broken JSON")
            raise malformed(f"{what} in its stream", self._context) from error
        if not isinstance(data, dict):
            raise malformed("JSON that is no object in its stream", self._context)
        return cast("dict[str, Any]", data)

    def _read_event(self, name: str, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        """The chunks of an event, by its type."""
        if name == "messageStart":
            return [] if self._has_begun else [self._delta_chunk({"content": ""})]
        if name == "contentBlockStart":
            return self._begin_block(data)
        if name == "contentBlockDelta":
            return self._read_delta(data)
        if name == "contentBlockStop":
            return self._end_block(data)
        if name == "messageStop":
            self._read_stop(data)
        elif name == "metadata":
            self._usage = read_usage(data.get("usage"))
            self._extra.update({key: data[key] for key in _KEPT if data.get(key) is not None})
            if self._stop_reason is None:
                what = "before the answer was finished: no `messageStop` came"
                raise interrupted_error(what, self._context)
            return self._end()
        return []  # what nobody knows

    def _read_stop(self, data: dict[str, Any]) -> None:
        """Read `messageStop`, which says why the message ended."""
        reason = data.get("stopReason")
        if not isinstance(reason, str):
            raise malformed("a `messageStop` without a reason in its stream", self._context)
        if is_failure_reason(reason):
            raise read_error_frame(failure_body(reason), self._context)
        self._stop_reason = self._stop_reason or reason
        fields = data.get("additionalModelResponseFields")
        if fields is not None:
            self._extra["additionalModelResponseFields"] = fields

    def _begin_block(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        """The chunk for the start of a block, if it calls a tool."""
        start = data.get("start")
        call = cast("dict[str, Any]", start).get("toolUse") if isinstance(start, dict) else None
        if not isinstance(call, dict):
            return []
        fields = cast("dict[str, Any]", call)
        name, count = call_name(fields, self._context), len(self._calls.calls)
        # A block that begins is another call, also where it has no id.
        host_id = call_id(fields) or make_call_id(f"{self._context.made_id}_0_{count}")
        placed = self._calls.assign(host_id, _block_of(data), name, "")
        self._bare[_block_of(data)] = _BareBlock(
            placed.call, host_id, name, placed.call.arguments.length
        )
        return self._call_chunk(placed)

    def _read_delta(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        """The chunk for a piece of a block."""
        delta = data.get("delta")
        fields = cast("dict[str, Any]", delta) if isinstance(delta, dict) else {}
        text = fields.get("text")
        if isinstance(text, str):
            return [self._delta_chunk({"content": text})] if text else []
        thought = read_reasoning(fields.get("reasoningContent"))
        if thought:
            return [self._delta_chunk({"reasoning_content": thought})]
        call = fields.get("toolUse")
        written = cast("dict[str, Any]", call).get("input") if isinstance(call, dict) else None
        if not isinstance(written, str) or not written:
            return []
        if not self._calls.calls:
            raise malformed("a piece of a call that did not begin in its stream", self._context)
        self._bare.pop(_block_of(data), None)
        return self._call_chunk(self._calls.assign(None, _block_of(data), "", written))

    def _call_chunk(self, placed: AssignedPiece) -> list[ChatCompletionChunk]:
        """The chunk for a piece of a call, if it adds anything.

        The first one has id, type and name.
        """
        index, function = placed.call.index, {"arguments": placed.text}
        if placed.is_new:
            made = make_call_id(f"{self._context.made_id}_0_{index}")
            head = {"id": placed.call.host_id or made, "type": "function"}
            named = {"name": placed.call.name, **function}
            return [
                self._delta_chunk({"tool_calls": [{"index": index, **head, "function": named}]})
            ]
        if not placed.text:
            return []
        return [self._delta_chunk({"tool_calls": [{"index": index, "function": function}]})]

    def _end_block(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        """The chunk at the end of a call without arguments.

        An empty object, as in a whole answer.
        """
        block = _block_of(data)
        bare = self._bare.pop(block, None)
        if bare is None or bare.call.arguments.length != bare.length:
            return []
        # With its id, which may be that of an earlier call: that one is repeated, or has arguments.
        return self._call_chunk(self._calls.assign(bare.host_id, block, bare.name, "{}"))

    def _delta_chunk(self, delta: dict[str, Any]) -> ChatCompletionChunk:
        """A chunk with one delta of the first choice."""
        if not self._has_begun:
            self._has_begun = True
            delta = {"role": "assistant", **delta}
        return self._make(choices=[{"index": 0, "delta": delta, "finish_reason": None}])

    def _end(self) -> list[ChatCompletionChunk]:
        """The finish chunk, then the usage chunk if it was requested."""
        self._is_done = True
        finish = {"index": 0, "delta": {}, "finish_reason": self.finish_reason}
        if not self._has_begun:
            finish["delta"] = {"role": "assistant", "content": ""}
        chunks = [self._make(choices=[finish], **self._extra)]
        if self._context.request.wants_usage and self._usage is not None:
            chunks.append(self._make(choices=[], usage=self._usage))
        return chunks

    def _make(self, **fields: Any) -> ChatCompletionChunk:
        """A chunk with the stream's id, time and model."""
        head = {
            "id": self._context.made_id,
            "object": "chat.completion.chunk",
            "created": int(self._context.now),
            "model": self._context.model,
        }
        try:
            return ChatCompletionChunk.model_validate({**head, **fields})
        except ValidationError as error:
            what = f"an event whose {first_problem(error)} is wrong in its stream"
            raise malformed(what, self._context) from error


def _block_of(data: dict[str, Any]) -> int | None:
    """The index of the block that an event is about; None where it has none."""
    index = data.get("contentBlockIndex")
    return index if is_index(index) else None
