"""The engine for synchronous callers: makes calls and blocks until they are answered."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Any, TypeVar

from puna.engine.call import Attempt, Call, DialectT, RequestT, attribute
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.engine.completion_run import CompletionRun
from puna.engine.embeddings import EmbeddingRun
from puna.engine.ending import Ending
from puna.engine.moderations import ModerationRun, calls_of, join_verdicts
from puna.engine.native_delivery import AnyDelivery, delivery_of
from puna.engine.response_run import EventConverter, ResponseRun
from puna.engine.run import AnswerT, CallRun
from puna.engine.streams import SYNC_TAIL_S, Stream
from puna.errors import APIError, APITimeoutError
from puna.routing.attempts import GiveUp, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook, Outcome, run_hooks
from puna.transports.base import OpenReply, Transport
from puna.transports.canned import canned_transport
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completion_request import CompletionRequest
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingRequest, EmbeddingResponse
from puna.types.model_request import ModelRequest
from puna.types.moderations import ModerationRequest, ModerationResponse
from puna.types.response_request import ResponsesRequest
from puna.types.responses import Response
from puna.wire.http import HTTPReply

T = TypeVar("T")

AnyRun = CallRun[Any, Any, Any]
RunT = TypeVar("RunT", bound=AnyRun)
AnyAttempt = Attempt[Any, ModelRequest]


class Engine:
    """Makes calls for synchronous callers. Thread-safe: all state of a call is in its run."""

    def __init__(
        self, transport: Transport, *, clock: Clock, health: Health, hooks: Sequence[Hook] = ()
    ) -> None:
        self._transport = transport
        self._clock = clock
        self._health = health
        # Of their own: a host without these endpoints must not rest for chat too.
        self._embedding_health = health.of("embeddings")
        self._moderation_health = health.of("moderations")
        self._hooks = hooks

    def chat(self, call: Call) -> ChatCompletion:
        """Make a chat call and return the whole answer.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        return self._whole(Run(call, self._health, self._clock, self._hooks))

    def embed(self, call: Call[EmbeddingRequest]) -> EmbeddingResponse:
        """Make an embeddings call and return the vectors.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        run = EmbeddingRun(call, self._embedding_health, self._clock, self._hooks)
        return self._whole(run)

    def moderate(self, call: Call[ModerationRequest]) -> ModerationResponse:
        """Make a moderation call and return the verdicts.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        runs = [
            ModerationRun(one, self._moderation_health, self._clock, self._hooks)
            for one in calls_of(call)
        ]
        return join_verdicts([self._whole(run) for run in runs])

    def complete(self, call: Call[CompletionRequest]) -> TextCompletion:
        """Make a text completion at a host that has the endpoint, and return the whole answer.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        return self._whole(CompletionRun(call, self._health, self._clock, self._hooks))

    def stream_text(self, call: Call[CompletionRequest]) -> Stream[TextCompletion]:
        """Make a text completion at a host that has the endpoint, and return its chunks.

        Raises as `stream`.
        """
        run = CompletionRun(call, self._health, self._clock, self._hooks)
        opened = self._attempt(run, self._open_stream)
        return Stream(opened.chunks(), opened.abandon, run.report)

    def respond(self, call: Call[ResponsesRequest]) -> Response:
        """Make a call of the Responses API and return the whole response.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        run = ResponseRun(call, self._health, self._clock, self._hooks)
        return run.response_of(self._whole(run))

    def stream_response(self, call: Call[ResponsesRequest]) -> tuple[Stream[Any], EventConverter]:
        """Make a call of the Responses API.

        Returns its pieces and the converter of these to events.

        Raises as `stream`.
        """
        run = ResponseRun(call, self._health, self._clock, self._hooks)
        opened = self._attempt(run, self._open_stream)
        return Stream(opened.chunks(), opened.abandon, run.report), run.event_converter()

    def stream(self, call: Call) -> Stream[ChatCompletionChunk]:
        """Make a chat call and return its chunks. Returns when the first chunk has come.

        Raises:
            APIError: at once, or while iterating when the stream breaks later.
        """
        run = Run(call, self._health, self._clock, self._hooks)
        opened = self._attempt(run, self._open_stream)
        return Stream(opened.chunks(), opened.abandon, run.report)

    def _whole(self, run: CallRun[RequestT, DialectT, AnswerT]) -> AnswerT:
        """Make a call whose answer comes whole: all attempts, then the settlement."""
        answer = self._attempt(run, self._ask)
        _settle(run, "success", answer=answer)
        return answer

    def _attempt(self, run: RunT, ask: Callable[[RunT, Deployment], T]) -> T:
        """Run the attempt machine: try, wait or give up, until `ask` succeeds for a deployment."""
        try:
            while True:
                step = run.attempts.next(self._clock.monotonic())
                if isinstance(step, Wait):
                    self._clock.sleep(step.seconds)
                    continue
                if isinstance(step, GiveUp):
                    raise step.error
                try:
                    answer = ask(run, step)
                except APIError as error:
                    run.failed(error)
                else:
                    run.succeeded()
                    return answer
        except Exception as error:
            _settle(run, "failure", error=error)
            raise
        except BaseException:
            _settle(run, "cancelled")
            raise

    def _ask(self, run: CallRun[RequestT, DialectT, AnswerT], deployment: Deployment) -> AnswerT:
        """One attempt of a whole answer at one deployment."""
        part = run.part_for(deployment)
        answer: AnswerT = self._answer(part, part.prepare(deployment))
        return answer

    def _answer(
        self, run: CallRun[RequestT, DialectT, AnswerT], attempt: Attempt[DialectT, RequestT]
    ) -> AnswerT:
        """Get an answer from one deployment, asking again where it does not fit the format."""
        while True:
            answer = self._exchange(run, attempt)
            again = run.ask_again(attempt, answer)
            if again is None:
                return answer
            attempt = again

    def _exchange(
        self, run: CallRun[RequestT, DialectT, AnswerT], attempt: Attempt[DialectT, RequestT]
    ) -> AnswerT:
        """Send one HTTP request and read its whole reply as an answer."""
        try:
            reply = self._open(run, attempt)
            try:
                whole = HTTPReply(reply.status, reply.headers, reply.read())
            finally:
                reply.close()
        except APIError as error:
            raise attribute(error, attempt) from error.__cause__
        return run.read_whole(attempt, whole)

    def _open(self, run: AnyRun, attempt: AnyAttempt) -> OpenReply:
        """Send an attempt's request, or produce its canned reply.

        Returns when the head is there.
        """
        canned = run.canned_for(attempt.deployment)
        if canned is None:
            return self._transport.open(attempt.built.http)
        self._clock.sleep(canned.delay_s)
        return canned_transport(canned.answer).open(attempt.built.http)

    def _open_stream(self, run: AnyRun, deployment: Deployment) -> _OpenStream:
        """One attempt of a stream at one deployment, up to its first chunk."""
        part = run.part_for(deployment)
        attempt = part.prepare(deployment)
        delivery = delivery_of(part, attempt)
        if attempt.held is not None:  # only a whole answer can be checked
            delivery.feed_answer(self._answer(part, attempt))
            return _OpenStream(run, delivery, None)
        try:
            reply = self._open(part, attempt)
        except APIError as error:
            raise delivery.broken(error) from error.__cause__
        opened = _OpenStream(run, delivery, reply)
        try:
            opened.begin(reply)
        except BaseException:
            reply.close()
            raise
        return opened


class _OpenStream:
    """A streamed reply whose first chunk has come; without a reply where the answer was whole."""

    def __init__(self, run: AnyRun, delivery: AnyDelivery, reply: OpenReply | None) -> None:
        self._run = run
        self._delivery = delivery
        self._reply = reply
        self._pieces: Iterator[bytes] = iter(())
        self._is_closed = False
        self._ending = Ending(run.clock)

    def begin(self, reply: OpenReply) -> None:
        """Read the reply up to the first chunk, so that an earlier failure can be retried."""
        delivery = self._delivery
        try:
            if delivery.needs_whole(reply.status, reply.headers):
                delivery.feed_reply(HTTPReply(reply.status, reply.headers, reply.read()))
                return
            self._pieces = iter(reply.pieces())
            while not delivery.has_begun and not delivery.is_over:
                delivery.feed(next(self._pieces, None))
        except APIError as error:
            raise delivery.broken(error) from error.__cause__

    def chunks(self) -> Generator[Any, None, None]:
        """All chunks or events. At the end the upstream is closed and the call settled."""
        delivery = self._delivery
        try:
            while True:
                yield from delivery.drain()
                if delivery.is_over:
                    break
                ending_s = delivery.ending_s
                if ending_s is None:
                    delivery.feed(next(self._pieces, None))
                else:
                    delivery.feed(self._last_piece(ending_s))
            delivery.check()
            if self._reply is not None:
                self._reply.finish(SYNC_TAIL_S)
        except APIError as error:
            raised = delivery.broken(error)
            self._close()
            _settle(self._run, "failure", error=raised)
            yield from delivery.drain()
            raise raised from error.__cause__
        except Exception as error:  # not the caller's doing, so the call was not left
            self._close()
            _settle(self._run, "failure", error=error)
            raise
        else:
            self._close()
            _settle(self._run, "success")
        finally:
            self.abandon()

    def _last_piece(self, ending_s: float) -> bytes | None:
        """The next bytes after a complete answer.

        None at the body's end, or after `ending_s` seconds.
        """
        self._ending.limit(ending_s)
        left_s = self._ending.left_s
        if self._reply is None or left_s <= 0:
            return None
        self._reply.limit(left_s)
        try:
            return next(self._pieces, None)
        except APITimeoutError:
            return None

    def abandon(self) -> None:
        """Close the upstream. A call that has not ended is settled as cancelled."""
        self._close()
        _settle(self._run, "cancelled")

    def _close(self) -> None:
        """Close the upstream and note what the stream used, once."""
        if not self._is_closed:
            self._is_closed = True
            if self._reply is not None:
                self._reply.close()
            self._delivery.finish()


def _settle(run: AnyRun, outcome: Outcome, **facts: Any) -> None:
    """Settle a call and run its hooks."""
    run_hooks(run.settle(outcome, **facts))
