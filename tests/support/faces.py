"""The sync and the async client behind one signature, so that a test holds for both.

@BOTH
def test_it_answers(face: Face, upstream: Upstream) -> None:
    assert face.ask(settings_for(upstream)).id == "cmpl-up-1"
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import pytest
from tests.support.upstream import Upstream

from puna import (
    APIError,
    AsyncClient,
    ChatCompletion,
    ChatCompletionChunk,
    Client,
    ClientSettings,
    EmbeddingResponse,
)
from puna.engine.clock import Clock
from puna.transports.replay import AsyncReplayTransport, Player, ReplayTransport
from puna.types.report import CallReport

MODEL = "meta_llama/Llama-3.3-8B-Instruct"
HI = ({"role": "user", "content": "hi"},)
KEY = "sk-llama-test"


@dataclass
class Streamed:
    """What came of a stream: its chunks, then the error that ended it, if one did."""

    chunks: list[ChatCompletionChunk] = field(default_factory=list[ChatCompletionChunk])
    error: APIError | None = None
    report: CallReport | None = None

    @property
    def text(self) -> str:
        """All content of the first choice."""
        return "".join(c.choices[0].delta.content or "" for c in self.chunks if c.choices)

    @property
    def finish_reasons(self) -> list[str]:
        """Every finish reason, in order."""
        reasons = (choice.finish_reason for chunk in self.chunks for choice in chunk.choices)
        return [reason for reason in reasons if reason is not None]


class Face(Protocol):
    """A client of either kind, made for one call."""

    def ask(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> ChatCompletion:
        """The whole answer. `play` takes the place of the network."""
        ...

    def stream(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> Streamed:
        """The streamed answer to its end; raises what is raised before the first chunk."""
        ...

    def embed(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        given: Any = "hi",
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> EmbeddingResponse:
        """The vectors."""
        ...


class SyncFace:
    """Over `Client`."""

    def ask(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> ChatCompletion:
        """As `Face.ask`."""
        transport = ReplayTransport(play) if play else None
        with Client(settings, transport=transport, clock=clock) as client:
            answer: ChatCompletion = client.completion(model, messages, **keywords)
        assert transport is None or transport.open_replies == 0
        return answer

    def stream(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> Streamed:
        """As `Face.stream`."""
        transport = ReplayTransport(play) if play else None
        with Client(settings, transport=transport, clock=clock) as client:
            stream = client.completion(model, messages, stream=True, **keywords)
            streamed = Streamed(report=stream.report)
            try:
                streamed.chunks += stream
            except APIError as error:
                streamed.error = error
        assert transport is None or transport.open_replies == 0
        return streamed

    def embed(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        given: Any = "hi",
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> EmbeddingResponse:
        """As `Face.embed`."""
        transport = ReplayTransport(play) if play else None
        with Client(settings, transport=transport, clock=clock) as client:
            answer = client.embedding(model, given, **keywords)
        assert transport is None or transport.open_replies == 0
        return answer


class AsyncFace:
    """Over `AsyncClient`, in an event loop of its own."""

    def ask(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> ChatCompletion:
        """As `Face.ask`."""
        transport = AsyncReplayTransport(play) if play else None

        async def ask() -> ChatCompletion:
            async with AsyncClient(settings, transport=transport, clock=clock) as client:
                answer: ChatCompletion = await client.completion(model, messages, **keywords)
                return answer

        answer = asyncio.run(ask())
        assert transport is None or transport.open_replies == 0
        return answer

    def stream(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        messages: Any = HI,
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> Streamed:
        """As `Face.stream`."""
        transport = AsyncReplayTransport(play) if play else None

        async def stream() -> Streamed:
            async with AsyncClient(settings, transport=transport, clock=clock) as client:
                stream = await client.completion(model, messages, stream=True, **keywords)
                streamed = Streamed(report=stream.report)
                try:
                    async for chunk in stream:
                        streamed.chunks.append(chunk)
                except APIError as error:
                    streamed.error = error
                return streamed

        streamed = asyncio.run(stream())
        assert transport is None or transport.open_replies == 0
        return streamed

    def embed(
        self,
        settings: ClientSettings,
        model: str = MODEL,
        given: Any = "hi",
        *,
        play: Player | None = None,
        clock: Clock | None = None,
        **keywords: Any,
    ) -> EmbeddingResponse:
        """As `Face.embed`."""
        transport = AsyncReplayTransport(play) if play else None

        async def embed() -> EmbeddingResponse:
            async with AsyncClient(settings, transport=transport, clock=clock) as client:
                return await client.embedding(model, given, **keywords)

        answer = asyncio.run(embed())
        assert transport is None or transport.open_replies == 0
        return answer


FACES: tuple[Face, ...] = (SyncFace(), AsyncFace())

BOTH = pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
"""Run a test with the sync and with the async client."""


def settings_for(upstream: Upstream, **fields: Any) -> ClientSettings:
    """Settings whose environment names this upstream and a key."""
    environ = {"LLAMA_API_KEY": KEY, "LLAMA_API_BASE": upstream.url}
    return replace(ClientSettings(environ=environ), **fields)


OFFLINE = ClientSettings(
    environ={"LLAMA_API_KEY": KEY, "LLAMA_API_BASE": "http://replay.test/compat/v1"}
)
"""Settings for calls that a `play` answers."""
