"""The engine for asyncio callers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from puna.engine.aside import LONG_BODY, run_step
from puna.engine.at_once import ask_all
from puna.engine.call import Attempt, Call, DialectT, RequestT, attribute
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.engine.completion_run import CompletionRun
from puna.engine.embeddings import EmbeddingRun
from puna.engine.moderations import ModerationRun, calls_of, join_verdicts
from puna.engine.native_delivery import delivery_of
from puna.engine.open_stream import OpenStream
from puna.engine.response_run import EventConverter, ResponseRun
from puna.engine.run import AnswerT, CallRun
from puna.engine.streams import AsyncStream
from puna.errors import APIError
from puna.routing.attempts import GiveUp, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook, HookTasks, Outcome, wait_for_hooks
from puna.transports.base import AsyncOpenReply, AsyncTransport
from puna.transports.canned import async_canned_transport
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


class AsyncEngine:
    """Safe to share between tasks: all state of a call is in its run."""

    def __init__(
        self,
        transport: AsyncTransport,
        *,
        clock: Clock,
        health: Health,
        hooks: Sequence[Hook] = (),
        hook_tasks: HookTasks | None = None,
    ) -> None:
        """`hook_tasks` run what hooks want awaited; without them each call waits for its own."""
        self._transport = transport
        self._clock = clock
        self.make_id = clock.make_id
        self._health = health
        # Of their own: a host without these endpoints must not rest for chat too.
        self._embedding_health = health.of("embeddings")
        self._moderation_health = health.of("moderations")
        self._hooks = hooks
        self._hook_tasks = hook_tasks

    async def chat(self, call: Call) -> ChatCompletion:
        """The whole answer.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        return await self._whole(Run(call, self._health, self._clock, self._hooks))

    async def embed(self, call: Call[EmbeddingRequest]) -> EmbeddingResponse:
        """The vectors.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        run = EmbeddingRun(call, self._embedding_health, self._clock, self._hooks)
        return await self._whole(run)

    async def moderate(self, call: Call[ModerationRequest]) -> ModerationResponse:
        """The verdicts.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """

        async def ask(one: Call[ModerationRequest]) -> ModerationResponse:
            run = ModerationRun(one, self._moderation_health, self._clock, self._hooks)
            return await self._whole(run)

        return join_verdicts(await ask_all(ask, calls_of(call)))

    async def complete(self, call: Call[CompletionRequest]) -> TextCompletion:
        """The text, of a host that has the endpoint for it.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        return await self._whole(CompletionRun(call, self._health, self._clock, self._hooks))

    async def stream_text(self, call: Call[CompletionRequest]) -> AsyncStream[TextCompletion]:
        """The text as chunks, of a host that has the endpoint for it. Errors: `stream`."""
        run = CompletionRun(call, self._health, self._clock, self._hooks)
        opened = await self._attempt(run, self._open_stream)
        return opened.stream()

    async def respond(self, call: Call[ResponsesRequest]) -> Response:
        """The response.

        Raises:
            APIError: after all attempts that the plan and the policy allow.
        """
        run = ResponseRun(call, self._health, self._clock, self._hooks)
        return run.response_of(await self._whole(run))

    async def stream_response(
        self, call: Call[ResponsesRequest]
    ) -> tuple[AsyncStream[Any], EventConverter]:
        """The pieces of the response, and what makes events of them. Errors: `stream`."""
        run = ResponseRun(call, self._health, self._clock, self._hooks)
        opened = await self._attempt(run, self._open_stream)
        return opened.stream(), run.event_converter()

    async def stream(self, call: Call) -> AsyncStream[ChatCompletionChunk]:
        """The answer as chunks; returns when the first one is there.

        Raises:
            APIError: at once, or while iterating when the stream breaks later.
        """
        run = Run(call, self._health, self._clock, self._hooks)
        opened = await self._attempt(run, self._open_stream)
        return opened.stream()

    async def _whole(self, run: CallRun[RequestT, DialectT, AnswerT]) -> AnswerT:
        """A call whose answer comes whole, to its end."""
        answer = await self._attempt(run, self._ask)
        await self._settle(run, "success", answer=answer)
        return answer

    async def _attempt(self, run: RunT, ask: Callable[[RunT, Deployment], Awaitable[T]]) -> T:
        """The one loop over the attempt machine."""
        try:
            while True:
                step = run.attempts.next(self._clock.monotonic())
                if isinstance(step, Wait):
                    await self._clock.sleep_async(step.seconds)
                    continue
                if isinstance(step, GiveUp):
                    raise step.error
                try:
                    answer = await ask(run, step)
                except APIError as error:
                    run.failed(error)
                else:
                    run.succeeded()
                    return answer
        except Exception as error:
            await self._settle(run, "failure", error=error)
            raise
        except BaseException:
            await self._settle(run, "cancelled")
            raise

    async def _settle(self, run: AnyRun, outcome: Outcome, **facts: Any) -> None:
        """End a call. Only where nobody else runs what hooks want awaited, it is awaited here."""
        pending = run.settle(outcome, **facts)
        if self._hook_tasks is None:
            await wait_for_hooks(pending)
        else:
            self._hook_tasks.start(pending)

    async def _ask(
        self, run: CallRun[RequestT, DialectT, AnswerT], deployment: Deployment
    ) -> AnswerT:
        is_long, part, attempt = await self._prepare(run, deployment)
        answer: AnswerT = await self._answer(part, attempt, is_long=is_long)
        return answer

    async def _prepare(
        self, run: AnyRun, deployment: Deployment
    ) -> tuple[bool, AnyRun, AnyAttempt]:
        """Whether the call is long, its part that asks a deployment, and the attempt."""
        if run.is_long(deployment):
            part = await asyncio.to_thread(run.part_for, deployment)
            return True, part, await asyncio.to_thread(part.prepare, deployment)
        part = run.part_for(deployment)
        is_long = part is not run and part.is_long(deployment)
        if is_long:
            return True, part, await asyncio.to_thread(part.prepare, deployment)
        return False, part, part.prepare(deployment)

    async def _answer(
        self,
        run: CallRun[RequestT, DialectT, AnswerT],
        attempt: Attempt[DialectT, RequestT],
        *,
        is_long: bool,
    ) -> AnswerT:
        """The answer of one deployment, which may be asked more than once."""
        while True:
            answer = await self._exchange(run, attempt, is_long=is_long)
            again = await run_step(is_long, run.ask_again, attempt, answer)
            if again is None:
                return answer
            attempt = again

    async def _exchange(
        self,
        run: CallRun[RequestT, DialectT, AnswerT],
        attempt: Attempt[DialectT, RequestT],
        *,
        is_long: bool,
    ) -> AnswerT:
        try:
            reply = await self._open(run, attempt)
            try:
                whole = HTTPReply(reply.status, reply.headers, await reply.read())
            finally:
                await reply.close()
        except APIError as error:
            raise attribute(error, attempt) from error.__cause__
        is_long = is_long or len(whole.body) > LONG_BODY
        return await run_step(is_long, run.read_whole, attempt, whole)

    async def _open(self, run: AnyRun, attempt: AnyAttempt) -> AsyncOpenReply:
        canned = run.canned_for(attempt.deployment)
        if canned is None:
            return await self._transport.open(attempt.built.http)
        await self._clock.sleep_async(canned.delay_s)
        return await async_canned_transport(canned.answer).open(attempt.built.http)

    async def _open_stream(self, run: AnyRun, deployment: Deployment) -> OpenStream:
        is_long, part, attempt = await self._prepare(run, deployment)
        delivery = delivery_of(part, attempt)
        if attempt.held is not None:  # only a whole answer can be checked
            delivery.feed_answer(await self._answer(part, attempt, is_long=is_long))
            return OpenStream(self._settle, run, delivery, None)
        try:
            reply = await self._open(part, attempt)
        except APIError as error:
            raise delivery.broken(error) from error.__cause__
        opened = OpenStream(self._settle, run, delivery, reply, is_long=is_long)
        try:
            await opened.begin(reply)
        except BaseException:
            await reply.close()
            raise
        return opened
