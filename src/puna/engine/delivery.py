"""Turns the bytes of one streamed chat reply into chunks. Both engines and the fast lane use it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from typing_extensions import override

from puna.dialects.openai_plain import has_values
from puna.dialects.openai_stream import OpenAIStreamReader
from puna.engine.call import Attempt, attribute
from puna.engine.chat_run import Run
from puna.engine.chunk_delivery import ChunkDelivery, is_no_stream
from puna.engine.rescue import StreamRescue, tools_to_rescue
from puna.engine.streams import ENDING_S, USAGE_S
from puna.engine.thoughts import StreamThoughts, reads_think_tags
from puna.errors import APIConnectionError, APIError, APITimeoutError, StreamInterruptedError
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.model_request import ModelRequest
from puna.wire.fold import unfold


class Delivery(ChunkDelivery[Run, ChatCompletionChunk]):
    """Turns the bytes of one streamed chat reply into chunks.

    Finds thoughts and calls in the texts.
    """

    def __init__(self, run: Run, attempt: Attempt, *, is_framed: bool = False) -> None:
        """`is_framed` is for a reply whose head `needs_whole` does not get: see `is_framed`."""
        super().__init__()
        self._run = run
        self._attempt = attempt
        self._reader = attempt.dialect.stream_reader(attempt.context)
        if is_framed and isinstance(self._reader, OpenAIStreamReader):
            self._reader.is_framed = True
        self._is_whole = False
        self._usage: Usage | None = None
        self._rescue: StreamRescue | None = None
        self._thoughts = StreamThoughts() if reads_think_tags(attempt.context.request) else None
        tools = tools_to_rescue(attempt.context.request)
        if tools is not None:
            self._rescue = StreamRescue(tools, attempt.context.made_id, run.report)

    @override
    def needs_whole(self, status: int, headers: Mapping[str, str]) -> bool:
        self._run.note_head(self._attempt, status, headers)
        if isinstance(self._reader, OpenAIStreamReader):
            self._reader.is_framed = is_framed(headers)
        return is_no_stream(status, headers)

    @override
    def feed_answer(self, answer: ChatCompletion) -> None:
        self._ready = list(unfold(answer, wants_usage=self._run.call.request.wants_usage))
        self._is_whole = self.is_over = True

    def feed(self, piece: bytes | None) -> None:
        """Read the next bytes of the body, or None at its end.

        Raises:
            APIError: the stream broke before its first chunk: another attempt may follow.
        """
        reader = self._reader
        chunks = reader.feed(piece) if piece is not None else reader.close()
        self._tokens.add(chunks)
        is_over = piece is None or reader.is_done
        if self._thoughts is not None:
            chunks = self._thoughts.feed(chunks) + (self._thoughts.close() if is_over else [])
        if reader.has_finished:
            self.ending_s = ending_limit_s(self._attempt, has_usage=reader.usage is not None)
        if self._rescue is not None:
            chunks = self._rescue_calls(self._rescue, chunks, is_over=is_over)
        self._ready += chunks
        if not is_over:
            return
        self.is_over = True
        if reader.error is not None:
            if self._last is None and not any(map(_has_content, self._ready)):
                self._ready = []  # a role alone is no answer: another attempt may follow
            if not self.has_begun:
                raise self.broken(reader.error)
            return
        if self._run.call.request.wants_usage and reader.usage is None:
            self._add_usage_chunk()

    def _rescue_calls(
        self, rescue: StreamRescue, chunks: list[ChatCompletionChunk], *, is_over: bool
    ) -> list[ChatCompletionChunk]:
        """Search chunks for tool calls written as text. Returns the chunks to deliver now."""
        ready = rescue.feed(chunks)
        if is_over:
            ready += rescue.close() if self._reader.error is None else rescue.release()
        return ready

    def continue_after(self, firsts: bytes, since_calls: bytes) -> None:
        """Take over a stream whose first events the gateway passed on unread.

        `firsts` are the first event of each choice, `since_calls` all behind them since the first
        tool call.
        """
        begun, calling = self._reader.feed(firsts), self._reader.feed(since_calls)
        calling = [*filter(_has_calls, begun), *calling]
        if begun:
            self._last = begun[-1]
        if calling:
            self._last = calling[-1]
            self._tokens.add(calling)
            if self._thoughts is not None:
                self._thoughts.note_passed_text()
            if self._rescue is not None:
                self._rescue.note_passed_calls()

    def passed_on(self, text: str) -> None:
        """Note a text that the gateway passed on unread: it counts where none is reported."""
        self._tokens.add_text(text)
        if text and isinstance(self._reader, OpenAIStreamReader):
            self._reader.has_text = True
        if self._thoughts is not None and text:
            self._thoughts.note_passed_text()
        if self._rescue is not None:
            self._rescue.passed_on(text)

    def finish(self) -> None:
        """Note what the stream used. Called at the end, also of a stream that broke or was left."""
        self._note_reading()
        if not self._is_whole:
            self._note_usage()

    def broken(self, error: APIError) -> APIError:
        """The error for the caller after a failure: only before the first chunk may it be retried.

        After it, text that was held back is ready to `drain`, before the error is raised.
        """
        if self.has_begun and self._thoughts is not None:
            self._ready += self._thoughts.close()
        if self.has_begun and self._rescue is not None:
            self._ready += self._rescue.release()
        return broken_stream(error, self._attempt, has_begun=self.has_begun)

    def _note_usage(self) -> Usage:
        """Note the stream's usage and finish reason in the report, once. Returns the usage."""
        if self._usage is None:
            reader = self._reader
            reported = reader.usage
            capped: int | None = getattr(reader, "capped_tokens", None)
            tokens = 0 if reported is not None else capped or self._tokens.total()
            finish = reader.finish_reason
            if self._rescue is not None:
                finish = self._rescue.finish_reason(finish)
            is_reported = reader.has_finished and reported is not None
            self._usage = self._run.finish_stream(
                self._attempt,
                reported,
                tokens,
                finish,
                holds_whole_answer=is_reported or (self.is_over and reader.error is None),
            )
        return self._usage

    def _add_usage_chunk(self) -> None:
        """Add the usage chunk that the caller asked for."""
        head = self._ready[-1] if self._ready else self._last
        if head is None:
            return
        usage = self._note_usage()
        self._ready.append(
            ChatCompletionChunk(
                id=head.id,
                object=head.object,
                created=head.created,
                model=head.model,
                choices=[],
                usage=usage,
            )
        )


def _has_calls(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk holds a piece of a tool call."""
    return any(choice.delta.tool_calls for choice in chunk.choices)


def _has_content(chunk: ChatCompletionChunk) -> bool:
    """Whether a chunk holds more than the role: text, calls, log probabilities or a finish."""
    return any(
        choice.logprobs
        or choice.finish_reason
        or has_values(choice.delta.model_dump(exclude={"role"}))
        for choice in chunk.choices
    )


def ending_limit_s(attempt: Attempt[Any, Any], *, has_usage: bool) -> float:
    """How many seconds a host may still take after its finish reason.

    At most the call's timeout.
    """
    context = attempt.context
    is_asked = context.request.wants_usage or context.target.asks_usage
    limit_s = USAGE_S if is_asked and not has_usage else ENDING_S
    total_s = attempt.built.http.timeouts.total_s
    return limit_s if total_s is None else min(limit_s, total_s)


def is_framed(headers: Mapping[str, str]) -> bool:
    """Whether a reply's head has a length or chunks, so that a lost connection is no end."""
    return "transfer-encoding" in headers or "content-length" in headers


def broken_stream(
    error: APIError, attempt: Attempt[Any, ModelRequest], *, has_begun: bool
) -> APIError:
    """Attribute a stream's error to its attempt.

    It may be retried only where no chunk was delivered.
    """
    attribute(error, attempt)
    if not has_begun:
        if isinstance(error, StreamInterruptedError):
            error.is_retryable = True
        return error
    if isinstance(error, APITimeoutError | StreamInterruptedError) or not isinstance(
        error, APIConnectionError
    ):
        return error
    interrupted = StreamInterruptedError(
        f"The stream broke after it had begun: {error.message}",
        provider=error.provider,
        model=error.model,
    )
    interrupted.__cause__ = error
    return interrupted
