"""The asyncio client."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from types import TracebackType
from typing import Any, Literal, Self, overload

from puna.bridges.completions import text_chunk_of, text_of
from puna.client.compose import make_async_transport
from puna.client.keywords import read_call
from puna.client.settings import ClientSettings
from puna.client.synchronous import read_text_calls
from puna.engine.asynchronous import AsyncEngine
from puna.engine.clock import Clock, SystemClock
from puna.engine.streams import AsyncStream
from puna.routing.health import Health
from puna.transports.base import AsyncTransport
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion


class AsyncClient:
    """Calls models from asyncio, in one event loop after another if need be.

    `transport` and `clock` are for tests and special networks; the defaults are real ones.
    """

    def __init__(
        self,
        settings: ClientSettings | None = None,
        *,
        transport: AsyncTransport | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self._transport = transport or make_async_transport(self.settings)
        self._engine = AsyncEngine(
            self._transport,
            clock=clock or SystemClock(),
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
        self, model: str, prompt: str | Sequence[str], *, stream: Literal[True], **keywords: Any
    ) -> AsyncStream[TextCompletion]: ...
    @overload
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: Literal[False] | None = None,
        **keywords: Any,
    ) -> TextCompletion: ...
    @overload
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | AsyncStream[TextCompletion]: ...
    async def text_completion(
        self,
        model: str,
        prompt: str | Sequence[str],
        *,
        stream: bool | None = None,
        **keywords: Any,
    ) -> TextCompletion | AsyncStream[TextCompletion]:
        """Continue a text; see `puna.text_completion`."""
        request, calls = read_text_calls(model, prompt, keywords, self.settings, stream=stream)
        if not calls[0].request.is_stream:
            answers = await asyncio.gather(*(self._engine.chat(call) for call in calls))
            return text_of(request, answers)
        first = await self._engine.stream(calls[0])

        async def chunks() -> AsyncGenerator[TextCompletion, None]:
            stream_id: str | None = None
            for position, call in enumerate(calls):
                answer = first if position == 0 else await self._engine.stream(call)
                async with answer:
                    is_first = True
                    async for chunk in answer:
                        stream_id = stream_id or chunk.id
                        yield text_chunk_of(
                            request, position, chunk, is_first=is_first, stream_id=stream_id
                        )
                        is_first = False

        return AsyncStream(chunks(), first.aclose, first.report)

    async def close(self) -> None:
        """Close the connections of the running loop."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()
