"""Parses a streamed chat completion to well-formed chunks.

Guarantees, whatever the host sends and however the bytes are cut: one id, one `created` and one
model in all chunks; the role in each choice's first delta only; one `finish_reason` for each
choice, after all its content; tool-call pieces with an index and a stable id; no chunk with empty
choices except the requested usage chunk; and an end that is either complete or an error.

States: *open* (chunks come; the finish of each choice is held), *done* (`[DONE]`, or the host
closed a complete answer: finish chunks, then the usage chunk are given), *failed* (`error` is set;
what came before it was given). Nothing leads out of the last two.
"""

from __future__ import annotations

from typing import Any, cast

from pydantic import ValidationError

from puna.dialects.base import ReadContext
from puna.dialects.error_replies import is_error_body, read_error_frame
from puna.dialects.openai_deltas import ChoiceState, has_more_than_role
from puna.dialects.openai_plain import read_plain_chunk
from puna.dialects.openai_replies import (
    MOST_CHOICES,
    is_index,
    mend_envelope,
    nameless_call_error,
    too_many_error,
)
from puna.dialects.stream_faults import interrupted_error, malformed_frame
from puna.errors import APIError, MalformedReplyError
from puna.rescue.tools import MOST_CALLS
from puna.types.chat import ChatCompletionChunk
from puna.types.common import Usage
from puna.wire.json_size import describe_fault, parse_answer
from puna.wire.sse import EventDecoder, SSEDecoder, SSEEvent
from puna.wire.surrogates import WellFormedDecoder

_DONE = b"[DONE]"


class OpenAIStreamReader:
    """Parses one streamed reply.

    Once `error` is set, or after `close()`, further input is ignored.
    """

    def __init__(self, context: ReadContext, decoder: EventDecoder | None = None) -> None:
        """`decoder` splits the bytes into events; the default decodes server-sent events."""
        self._context = context
        self._decoder = WellFormedDecoder(decoder or SSEDecoder())
        self._choices: dict[int, ChoiceState] = {}
        self._envelope: dict[str, Any] = {}
        self._held: list[dict[str, Any]] = []
        self._usage: dict[str, Any] | None = None
        self._is_done = False
        self._is_ended = False
        self._most_choices = context.request.params.get("n") or 1
        self.has_finished = False
        self.capped_tokens: int | None = None
        """The tokens of an answer that reached its cap, where the host tells no usage then."""
        self.is_finish_assumed = False
        """Whether the host ended its answer well without a finish reason; see `_assume_finish`."""
        self.is_framed = False
        """Whether the end of the body is known to be the host's; see `_assume_finish`."""
        self.has_text = False
        """Whether text has come, here or before what was fed here; see `_assume_finish`."""
        self.error: APIError | None = None

    @property
    def replaced_signs(self) -> int:
        """How many cut characters were replaced by U+FFFD."""
        return self._decoder.replaced_signs

    @property
    def usage(self) -> Usage | None:
        """The usage that the host reported; None if it reported none."""
        return Usage.model_validate(self._usage) if self._usage is not None else None

    @property
    def finish_reason(self) -> str | None:
        """The first choice's finish reason, once it is known."""
        first = self._choices.get(0)
        return first.finish_reason if first is not None else None

    @property
    def is_done(self) -> bool:
        """Whether nothing more will come: `[DONE]` was read, or the stream failed."""
        return self._is_done or self.error is not None

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
        if self.has_all_finishes or (self.is_framed and self._assume_finish(chunks)):
            try:
                return chunks + self._finish()
            except MalformedReplyError as error:
                self.error = error
                return chunks
        what = "before the answer was finished" if self._choices else "without any content"
        told = f"{what}: no finish_reason and no [DONE] came"
        self.error = interrupted_error(told, self._context)
        return chunks

    def _read_events(self, events: list[SSEEvent]) -> list[ChatCompletionChunk]:
        """Read events until one breaks the stream; gives their chunks."""
        chunks: list[ChatCompletionChunk] = []
        for event in events:
            if self._is_done or self.error is not None:
                break
            plain = self.read_plain(event)
            if plain is not None:
                chunks.append(plain)
                if not self.has_text and plain.choices[0].delta.content:
                    self.has_text = True
                continue
            try:
                chunks += self._read_event(event)
            except APIError as error:
                # Kept, not raised: the chunks before it are whole and must reach the caller first.
                self.error = error
        return chunks

    def read_plain(self, event: SSEEvent) -> ChatCompletionChunk | None:
        """The chunk of an event that needs no correction; None where `read_frame` must parse it."""
        first = self._choices.get(0)
        # Once there are calls, pieces of calls are what comes: they all need mending.
        if first is None or first.has_calls or event.event or event.data == _DONE:
            return None
        return read_plain_chunk(event.data, self._envelope)

    def _read_event(self, event: SSEEvent) -> list[ChatCompletionChunk]:
        """The chunks of one event."""
        frame = event.data.strip()
        if not frame:
            return []  # a heartbeat
        if frame == _DONE:
            return self._read_done()
        try:
            data = parse_answer(event.data)
        except ValueError as error:
            if event.event == "error":
                text = event.data.decode("utf-8", "replace")
                raise self.read_error(text) from error
            if self.has_finished and not frame.startswith(b"{"):
                return self._finish()  # the answer is whole: `[done]` or a page ends it, too
            what = describe_fault(error, "a frame that is not JSON")
            raise malformed_frame(what, self._context, event.data) from error
        if isinstance(data, list) and data:
            data = cast("list[Any]", data)[0]  # Google has its errors in a list
            if not isinstance(data, dict) or not self.is_error(cast("dict[str, Any]", data)):
                data = None
        if event.event == "error" or (isinstance(data, dict) and self.is_error(data)):
            raise self.read_error(data)
        if not isinstance(data, dict):
            raise malformed_frame("a frame that is no JSON object", self._context, event.data)
        return self.read_frame(cast("dict[str, Any]", data))

    def is_error(self, data: dict[str, Any]) -> bool:
        """Whether a decoded event is an error."""
        return is_error_body(data)

    def read_error(self, frame: Any) -> APIError:
        """The typed error for an error event, decoded or as text. Other dialects override it."""
        return read_error_frame(frame, self._context)

    def _read_done(self) -> list[ChatCompletionChunk]:
        """End the stream at `[DONE]`."""
        if not self._choices:
            raise MalformedReplyError(
                f"{self._context.target.provider} ended its stream without any content.",
                provider=self._context.target.provider,
                model=self._context.model,
            )
        self._is_ended = True
        chunks: list[ChatCompletionChunk] = []
        if not self.has_all_finishes and not self._assume_finish(chunks):
            raise interrupted_error("with `[DONE]` in the middle of a tool call", self._context)
        return chunks + self._finish()

    @property
    def has_all_finishes(self) -> bool:
        """Whether each choice that began has a finish reason."""
        states = self._choices.values()
        return bool(states) and all(state.finish_reason is not None for state in states)

    def _assume_finish(self, chunks: list[ChatCompletionChunk]) -> bool:
        """Add the finish reasons that the host left out; False where the answer may be cut.

        Agents take a stream without a finish reason for broken, or retry forever (opencode#43379,
        opencode#43622). So if the host ended its answer properly, by `[DONE]` or by the end of a
        framed body, text gets `stop`, and calls whose arguments are complete JSON get `tool_calls`.
        An incomplete call, or a body without `[DONE]`, text and calls, was cut. This is not called
        for a connection that broke.
        """
        states = [state for state in self._choices.values() if state.finish_reason is None]
        has_said = self.has_text or any(state.has_calls for state in self._choices.values())
        if not all(state.has_whole_calls for state in states) or not (has_said or self._is_ended):
            return False
        self.is_finish_assumed = True
        for index, state in self._choices.items():
            if state.finish_reason is None:
                choice = {"index": index, "delta": {}, "finish_reason": "stop"}
                content, finish = state.read(choice)
                if content is not None:
                    chunks.append(self._make({**self._envelope, "choices": [content]}))
                self._held.append({**self._envelope, "choices": [finish]})
        return True

    def _finish(self) -> list[ChatCompletionChunk]:
        """The last chunks of a complete answer.

        Raises MalformedReplyError if a call has no name.
        """
        if any(state.has_nameless_call for state in self._choices.values()):
            raise nameless_call_error(self._context)
        self._is_done = True
        self.capped_tokens = self._tokens_at_cap()
        return self._last_chunks()

    def _tokens_at_cap(self) -> int | None:
        """The answer's `max_tokens`, if it has reached them at a host that then omits the usage.

        Else None.
        """
        request, target = self._context.request, self._context.target
        is_asked = request.wants_usage or target.asks_usage
        if not target.quirks.omits_usage_at_cap or not is_asked or self._usage is not None:
            return None
        cap = request.params.get("max_completion_tokens") or request.params.get("max_tokens")
        stopped = [one for one in self._choices.values() if one.finish_reason == "stop"]
        if not is_index(cap) or not stopped or self.is_finish_assumed:
            return None
        for state in stopped:
            state.mark_cap_reached()
        return cap

    def read_frame(self, data: dict[str, Any]) -> list[ChatCompletionChunk]:
        """Read one decoded event, which is changed in place. Returns the chunks that it completes.

        Raises:
            MalformedReplyError: it is no chunk.
        """
        self._mend(data)
        ready: list[dict[str, Any]] = []
        held: list[dict[str, Any]] = []
        failure: dict[str, Any] | None = None
        choices = data.get("choices")
        for position, choice in enumerate(choices if isinstance(choices, list) else ()):
            if not isinstance(choice, dict):
                continue
            fields = cast("dict[str, Any]", choice)
            state = self._state_of(fields, position)
            content, finish = state.read(fields)
            if state.has_too_many_calls:
                raise too_many_error("tool calls", MOST_CALLS, self._context)
            failure = failure or state.failure
            if content is not None:
                ready.append(content)
            if finish is not None:
                held.append({**data, "choices": [finish]})
        if failure is not None:
            ready = [choice for choice in ready if has_more_than_role(choice)]
        chunks = [self._make({**data, "choices": ready})] if ready else []
        if failure is not None:
            self.error = self.read_error(failure)
            return chunks
        if ready and not self.has_text:
            self.has_text = any(one["delta"].get("content") for one in ready)
        if held:
            self._held += held
            self.has_finished = self.has_all_finishes and len(self._choices) >= self._most_choices
        return chunks

    def _state_of(self, choice: dict[str, Any], position: int) -> ChoiceState:
        """The state of a choice, by its index; made for a new index."""
        index = choice.get("index")
        if not is_index(index):
            index = choice["index"] = position
        state = self._choices.get(index)
        if state is None:
            if len(self._choices) >= MOST_CHOICES:
                raise too_many_error("choices", MOST_CHOICES, self._context)
            reasons = self._context.target.quirks.rename_finish_reasons
            made_id = f"{self._context.made_id}_{index}"
            state = ChoiceState(made_id, reasons, self._context.request)
            self._choices[index] = state
        return state

    def _mend(self, data: dict[str, Any]) -> None:
        """Correct the fields around a chunk's choices."""
        mend_envelope(data, self._context)
        # A first event without choices may have empty names, too: it may be about filters.
        if not self._envelope and data.get("choices"):
            self._envelope = {
                "id": data["id"],
                "object": "chat.completion.chunk",
                "created": data["created"],
                "model": data["model"],
            }
        data.update(self._envelope)
        usage = data.pop("usage", None)
        if usage is not None:
            self._usage = usage

    def _last_chunks(self) -> list[ChatCompletionChunk]:
        """The held finish chunks, then the usage chunk if it was requested."""
        for data in self._held:
            last = data["choices"][0]
            last["finish_reason"] = self._choices[last["index"]].finish_reason
        chunks = [self._make(data) for data in self._held]
        self._held = []
        if self._context.request.wants_usage and self._usage is not None:
            chunks.append(self._make_usage_chunk(self._usage))
        return chunks

    def _make_usage_chunk(self, usage: dict[str, Any]) -> ChatCompletionChunk:
        """The chunk without choices that holds the usage."""
        return self._make({**self._envelope, "choices": [], "usage": usage})

    def _make(self, data: dict[str, Any]) -> ChatCompletionChunk:
        """Build a chunk from corrected fields."""
        try:
            return ChatCompletionChunk.model_validate(data)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise malformed_frame(f"a frame whose `{where}` is wrong", self._context) from error
