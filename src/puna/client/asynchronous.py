"""The asyncio client."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from types import TracebackType
from typing import Any, Literal, Self, overload

from puna.client.compose import make_async_transport
from puna.client.embeddings import read_embedding_call
from puna.client.keywords import read_call, read_completion_call, read_text_calls
from puna.client.moderations import read_moderation_call
from puna.client.response_calls import read_response_call
from puna.client.settings import ClientSettings
from puna.client.tapes import Tape
from puna.embedded.supervisor import SupervisorPool
from puna.engine.asynchronous import AsyncEngine
from puna.engine.clock import Clock, SystemClock
from puna.engine.responses import ResponseMemory, respond_async, stream_response_async
from puna.engine.streams import AsyncStream
from puna.engine.texts import complete_texts_async, stream_texts_async
from puna.routing.health import Health
from puna.transports.base import AsyncTransport
from puna.transports.faults import Faults
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingResponse
from puna.types.moderations import ModerationResponse
from puna.types.responses import Response, ResponseEvent


class AsyncClient:
    """Calls models from asyncio; it may be used in one event loop after another.

    `transport` and `clock` are for tests and special networks; the defaults are real ones. `pool`
    shares the embedded model's process between clients, `memory` the responses that later ones may
    continue.

    `record` names a file into which all exchanges are written, without secrets; `replay` one that
    answers in place of hosts, at `replay_speed` times the recorded pace (0: without pauses);
    `faults` are injected.
    """

    def __init__(  # noqa: PLR0913 - what a client is made of; all by keyword
        self,
        settings: ClientSettings | None = None,
        *,
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
        pool: SupervisorPool | None = None,
        memory: ResponseMemory | None = None,
        record: str | PathLike[str] | None = None,
        replay: str | PathLike[str] | None = None,
        replay_speed: float = 0.0,
        faults: Faults | None = None,
    ) -> None:
        tape = Tape(record, replay, replay_speed, faults)
        self.settings = tape.settings(settings or ClientSettings())
        self._pool = pool or SupervisorPool()
        self._memory = memory or ResponseMemory()
        self._clock = clock or SystemClock()
        self._owns_pool = pool is None
        self._transport = tape.async_transport(
            lambda: transport or make_async_transport(self.settings, self._pool), self._clock
        )
        self._engine = AsyncEngine(
            self._transport,
            clock=self._clock,
            health=Health(self.settings.cooldown),
            hooks=self.settings.hooks,
        )

    @overload
    async def completion(
        self, model: str, messages: Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> AsyncStream[ChatCompletionChunk]: ...
    @overload
    async def completion(
        self,
        model: str,
        messages: Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> ChatCompletion: ...
    @overload
    async def completion(
        self, model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]: ...
    async def completion(
        self, model: str, messages: Sequence[Any], *, stream: bool | None = None, **keywords: Any
    ) -> ChatCompletion | AsyncStream[ChatCompletionChunk]:
        """Ask a model; see `puna.completion` for the keywords."""
        call = read_call(model, messages, keywords, self.settings, stream=stream)
        if call.request.is_stream:
            return await self._engine.stream(call)
        return await self._engine.chat(call)

    @overload
    async def text_completion(
        self, model: str, prompt: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> AsyncStream[TextCompletion]: ...
    @overload
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> TextCompletion: ...
    @overload
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | AsyncStream[TextCompletion]: ...
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | AsyncStream[TextCompletion]:
        """Continue a text; see `puna.text_completion`."""
        native = read_completion_call(model, prompt, keywords, self.settings, stream=stream)
        if native is not None:
            if native.request.is_stream:
                return await self._engine.stream_text(native)
            return await self._engine.complete(native)
        request, calls = read_text_calls(model, prompt, keywords, self.settings, stream=stream)
        if calls[0].request.is_stream:
            return await stream_texts_async(self._engine, request, calls)
        return await complete_texts_async(self._engine, request, calls)

    async def embedding(
        self,
        model: str,
        input: str | Sequence[str] | Sequence[int] | Sequence[Sequence[int]],  # noqa: A002 - OpenAI's name
        **keywords: Any,
    ) -> EmbeddingResponse:
        """Turn texts into vectors; see `puna.embedding`."""
        call = read_embedding_call(model, input, keywords, self.settings)
        return await self._engine.embed(call)

    async def moderation(
        self,
        model: str,
        input: str | Sequence[Any],  # noqa: A002 - OpenAI's name
        **keywords: Any,
    ) -> ModerationResponse:
        """Classify texts and images as harmful or not; see `puna.moderation`."""
        call = read_moderation_call(model, input, keywords, self.settings)
        return await self._engine.moderate(call)

    @overload
    async def responses(
        self, model: str, input: str | Sequence[Any], *, stream: Literal[True], **keywords: Any
    ) -> AsyncStream[ResponseEvent]: ...
    @overload
    async def responses(
        self,
        model: str,
        input: str | Sequence[Any],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> Response: ...
    @overload
    async def responses(
        self,
        model: str,
        input: str | Sequence[Any],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> Response | AsyncStream[ResponseEvent]: ...
    async def responses(
        self,
        model: str,
        input: str | Sequence[Any],  # noqa: A002 - the name in OpenAI's API
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> Response | AsyncStream[ResponseEvent]:
        """Make a response; see `puna.responses`."""
        call = read_response_call(
            model, input, keywords, self.settings, self._memory, stream=stream
        )
        run = stream_response_async if call.request.is_stream else respond_async
        return await run(self._engine, call, self._memory)

    async def close(self) -> None:
        """Close the connections of the running event loop."""
        await self._transport.close()
        if self._owns_pool:
            self._pool.stop_all()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
