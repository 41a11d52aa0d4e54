"""Turns the bytes of one streamed response of a host that has the Responses API into events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.bridges.responses.whole_events import events_of
from puna.engine.call import Attempt
from puna.engine.chunk_delivery import is_no_stream
from puna.engine.completion_run import CompletionDelivery, CompletionRun
from puna.engine.delivery import Delivery, broken_stream
from puna.engine.response_run import ResponseAttempt, ResponseRun
from puna.engine.usage import RunningEstimate, checked_usage, estimate_response
from puna.errors import APIError
from puna.types.responses import FAILED_EVENT, LAST_EVENTS, Response, ResponseEvent
from puna.wire.http import HTTPReply

_OPENING = frozenset(("response.created", "response.queued", "response.in_progress", FAILED_EVENT))
"""They say nothing of an answer: until another event comes, another attempt may follow."""


class NativeDelivery:
    """Turns the bytes of a host's streamed response into events, as `Delivery` does for chat."""

    def __init__(self, run: ResponseRun, attempt: ResponseAttempt) -> None:
        self.is_over = False
        self.ending_s: float | None = None
        """As in `Delivery`; here the last event ends the answer, so nothing is waited for."""
        self.has_begun = False
        self._run = run
        self._attempt = attempt
        self._reader = attempt.dialect.stream_reader(attempt.context)
        self._ready: list[ResponseEvent] = []
        self._tokens = RunningEstimate()
        self._response: Response | None = None
        self._is_noted = False

    def needs_whole(self, status: int, headers: Mapping[str, str]) -> bool:
        """Note the head of a reply.

        Returns whether its body is no stream: an error, or a whole response.
        """
        self._run.note_head(self._attempt, status, headers)
        return is_no_stream(status, headers)

    def feed_reply(self, reply: HTTPReply) -> None:
        """Read a body that is no stream, though a stream was asked for.

        The response becomes events.

        Raises:
            APIError: the reply is an error, or holds no response.
        """
        self.feed_answer(self._run.response_of(self._run.read_whole(self._attempt, reply)))

    def feed_answer(self, response: Response) -> None:
        """Make events of a whole response."""
        self._add_events(events_of(response))
        self._is_noted = self.is_over = True

    def feed(self, piece: bytes | None) -> None:
        """Read the next bytes of the body, or None at its end.

        Raises:
            APIError: the stream broke before its first event: another attempt may follow.
        """
        reader = self._reader
        self._add_events(reader.feed(piece) if piece is not None else reader.close())
        self.is_over = piece is None or reader.is_done
        if self.is_over and reader.error is not None and not self.has_begun:
            raise self.broken(reader.error)

    def drain(self) -> list[ResponseEvent]:
        """The events that are ready, each once."""
        events, self._ready = self._ready, []
        return events

    def check(self) -> None:
        """Raise the error that broke the stream, or that the host reported in it."""
        if self._reader.error is not None:
            raise self._reader.error

    def finish(self) -> None:
        """Note what the stream used. Called at the end, also of a stream that broke or was left."""
        if not self._is_noted:
            self._is_noted = True
            reader = self._reader
            self._run.report.replaced_signs += reader.replaced_signs
            usage = checked_usage(reader.usage)
            tokens = self._estimate_tokens() if usage is None else 0
            self._run.note_answer(self._attempt, usage, tokens)
            if self._response is None:
                self._run.report.usage_certainty = "at_least"

    def _estimate_tokens(self) -> int:
        """The tokens of the answer, by its pieces or by its last event, whichever are more."""
        whole = estimate_response(self._response) if self._response is not None else 0
        return max(self._tokens.total(), whole)

    def broken(self, error: APIError) -> APIError:
        """The error for the caller after a failure.

        Only before the answer begins may it be retried.
        """
        return broken_stream(error, self._attempt, has_begun=self.has_begun)

    def _add_events(self, events: list[ResponseEvent]) -> None:
        """Make events ready for the caller, and note from them what the report needs."""
        for event in events:
            if isinstance(event.delta, str):
                self._tokens.add_text(event.delta)
            if event.type not in _OPENING and not self.has_begun:
                self.has_begun = True
                self._run.note_first_chunk()
            if event.type in LAST_EVENTS:
                self._response = event.response
                self._run.report.finish_reason = event.type.removeprefix("response.")
        self._ready += events


AnyDelivery = Delivery | NativeDelivery | CompletionDelivery


def delivery_of(run: Any, attempt: Attempt[Any, Any]) -> AnyDelivery:
    """Make the delivery that fits the kind of call. `run` is the part that made the attempt."""
    if isinstance(run, CompletionRun):
        return CompletionDelivery(run, attempt)
    if isinstance(run, ResponseRun):
        return NativeDelivery(run, attempt)
    return Delivery(run, attempt)
