"""Parses a streamed Anthropic message to chat chunks.

The guarantees at the head of `openai_stream.py` hold here too. Thinking blocks are given as
`thinking_blocks`, each complete in one delta, after their text was given as `reasoning_content`.
The states of the message are kept by `bridges/over_messages/stream.py`.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from puna.bridges.over_messages.reply import choice_fields, usage_fields
from puna.bridges.over_messages.stream import MessageEvents
from puna.dialects.anthropic_errors import read_messages_error
from puna.dialects.anthropic_replies import check_calls, check_end
from puna.dialects.base import ReadContext
from puna.dialects.finish_reasons import failure_body, is_failure_reason
from puna.dialects.json_http import first_problem
from puna.dialects.openai_replies import make_call_id
from puna.dialects.stream_faults import interrupted_error, malformed_frame
from puna.dialects.tool_call_identity import ToolCallTracker
from puna.errors import APIError, MalformedReplyError
from puna.types.chat import ChatCompletionChunk
from puna.types.common import Usage
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.sse import SSEDecoder, SSEEvent
from puna.wire.surrogates import WellFormedDecoder


class AnthropicStreamReader:
    """Parses one streamed reply.

    Once `error` is set, or after `close()`, further input is ignored.
    """

    def __init__(self, context: ReadContext) -> None:
        self._context = context
        self._decoder = WellFormedDecoder(SSEDecoder())
        self._events = MessageEvents()
        self._calls = ToolCallTracker()
        self._has_role = False
        self._is_done = False
        self.is_finish_assumed = False
        self.error: APIError | None = None

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        return self._decoder.replaced_signs

    @property
    def usage(self) -> Usage | None:
        """The usage that the host reported; None if it reported none."""
        counts = usage_fields(self._events.usage)
        return Usage.model_validate(counts) if counts is not None else None

    @property
    def finish_reason(self) -> str | None:
        """Why the answer ended, in OpenAI's terms, once it is known."""
        return self._events.finish_reason

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: `message_stop` was read, or the stream failed."""
        return self._is_done or self.error is not None

    @property
    def has_finished(self) -> bool:
        """Whether `message_delta` came, which holds the stop reason and the usage."""
        return bool(self._events.stop)

    def feed(self, data: bytes) -> list[ChatCompletionChunk]:
        """Add bytes; gives the chunks that they complete."""
        chunks = self._read_events(self._decoder.feed(data))
        if self._decoder.fault is not None and not self.is_done:
            self.error = malformed_frame(self._decoder.fault, self._context)
        return chunks

    def close(self) -> list[ChatCompletionChunk]:
        """End the input; gives the remaining chunks. An end that is too early sets `error`."""
        rest = [] if self.is_done else self._decoder.close()
        chunks = self._read_events(rest)
        if rest and isinstance(self.error, MalformedReplyError):
            self.error = interrupted_error("in the middle of a frame", self._context)
        if self.is_done:
            return chunks
        if self._events.stop:
            return chunks + self._last_chunks()
        what = "before the answer was finished" if self._events.has_begun else "without any content"
        told = f"{what}: no stop_reason and no message_stop came"
        self.error = interrupted_error(told, self._context)
        return chunks

    def _read_events(self, events: list[SSEEvent]) -> list[ChatCompletionChunk]:
        """Read events until one breaks the stream; gives their chunks."""
        chunks: list[ChatCompletionChunk] = []
        for event in events:
            if self.is_done:
                break
            try:
                chunks += self._read_event(event)
            except APIError as error:
                # Kept, not raised: the chunks before it are whole and must reach the caller first.
                self.error = error
        return chunks

    def _read_event(self, event: SSEEvent) -> list[ChatCompletionChunk]:
        """The chunks of one event."""
        if not event.data.strip():
            return []  # a heartbeat
        try:
            data = parse_answer(event.data)
        except ValueError as error:
            if event.event == "error":
                text = event.data.decode("utf-8", "replace")
                raise read_messages_error(text, self._context) from error
            what = describe_fault(error, "a frame that is not JSON")
            raise malformed_frame(what, self._context, event.data) from error
        fields = cast("dict[str, Any]", data if isinstance(data, dict) else {})
        if event.event == "error" or fields.get("type") == "error" or fields.get("error"):
            raise read_messages_error(fields, self._context)
        if not isinstance(fields.get("type"), str):
            raise malformed_frame("a frame that is no event", self._context, event.data)
        self._check_end(fields)
        try:
            check_end(fields)
            deltas = self._events.read(fields)
            for delta in deltas:
                check_calls(delta.get("tool_calls", ()), self._context)
            chunks = [self._chunk(said) for delta in deltas if (said := self._assign_calls(delta))]
        except ValidationError as error:
            what = f"fields of the wrong kind: {first_problem(error)}"
            raise malformed_frame(what, self._context) from error
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            what = "an event that is not what its type says"
            raise malformed_frame(what, self._context, event.data) from error
        return chunks + self._last_chunks() if self._events.is_over else chunks

    def _check_end(self, event: dict[str, Any]) -> None:
        """Raise the error of an event that ends the message because the host failed."""
        delta = event.get("delta")
        reason = cast("dict[str, Any]", delta).get("stop_reason") if isinstance(delta, dict) else ""
        if is_failure_reason(reason):
            raise read_messages_error(failure_body(reason), self._context)

    def _assign_calls(self, delta: dict[str, Any]) -> dict[str, Any]:
        """Assign the call pieces in a delta to their calls.

        Returns an empty delta if it adds nothing.
        """
        pieces = [made for one in delta.pop("tool_calls", ()) if (made := self._assign_piece(one))]
        return {**delta, "tool_calls": pieces} if pieces else delta

    def _assign_piece(self, piece: dict[str, Any]) -> dict[str, Any] | None:
        """A piece of a call with its index and id; None where it adds nothing."""
        function = piece["function"]
        placed = self._calls.assign(
            piece.get("id"), piece["index"], function.get("name", ""), function["arguments"]
        )
        call, said = placed.call, {"arguments": placed.text}
        if placed.is_new:
            made = make_call_id(f"{self._context.made_id}_0_{call.index}")
            head = {"id": call.host_id or made, "type": "function"}
            return {"index": call.index, **head, "function": {"name": call.name, **said}}
        return {"index": call.index, "function": said} if placed.text else None

    def _last_chunks(self) -> list[ChatCompletionChunk]:
        """The finish chunk, then the usage chunk if it was requested."""
        if not self._events.has_begun:
            raise malformed_frame("an end without a message", self._context)
        self._is_done = True
        chunks = [] if self._has_role else [self._chunk({"content": ""})]
        finish = choice_fields(self._events.stop)
        chunks.append(self._make([{"index": 0, "delta": self._events.last(), **finish}]))
        usage = usage_fields(self._events.usage)
        if self._context.request.wants_usage and usage is not None:
            chunks.append(self._make([], usage=usage))
        return chunks

    def _chunk(self, delta: dict[str, Any]) -> ChatCompletionChunk:
        """A chunk with one delta of the first choice."""
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", **delta}
        return self._make([{"index": 0, "delta": delta, "finish_reason": None}])

    def _make(self, choices: list[dict[str, Any]], **fields: Any) -> ChatCompletionChunk:
        """A chunk with the stream's id, time and model."""
        return ChatCompletionChunk.model_validate(
            {
                "id": self._events.answer_id or self._context.made_id,
                "object": "chat.completion.chunk",
                "created": int(self._context.now),
                "model": self._context.model,
                "choices": choices,
                **fields,
            }
        )
