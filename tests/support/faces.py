"""The sync and the async client behind one signature, so that a test holds for both.

@BOTH
def test_it_answers(face: Face, upstream: Upstream) -> None:
    assert face.ask(settings_for(upstream)).id == "cmpl-up-1"
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from tests.support.upstream import Upstream
from typing_extensions import override

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
ONCE: dict[str, Any] = {"max_retries": 0}
"""Keywords of a call that is not tried again."""
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


@dataclass(frozen=True)
class Around:
    """What a client is made of. `play` takes the place of the network."""

    settings: ClientSettings
    play: Player | None = None
    clock: Clock | None = None


Call = Callable[[Any], Any]
"""What a test does with a client of either kind; the async one's result is awaited."""


class Face(ABC):
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
        """The whole answer."""
        answer: ChatCompletion = self._result(
            Around(settings, play, clock),
            lambda client: client.completion(model, messages, **keywords),
        )
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
        """The streamed answer to its end; raises what is raised before the first chunk."""
        return self._streamed(
            Around(settings, play, clock),
            lambda client: client.completion(model, messages, stream=True, **keywords),
        )

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
        answer: EmbeddingResponse = self._result(
            Around(settings, play, clock),
            lambda client: client.embedding(model, given, **keywords),
        )
        return answer

    @abstractmethod
    def _result(self, around: Around, call: Call) -> Any:
        """What a call returns."""

    @abstractmethod
    def _streamed(self, around: Around, call: Call) -> Streamed:
        """What came of the stream that a call returns."""


class SyncFace(Face):
    """Over `Client`."""

    @override
    def _result(self, around: Around, call: Call) -> Any:
        with self._client(around) as client:
            return call(client)

    @override
    def _streamed(self, around: Around, call: Call) -> Streamed:
        with self._client(around) as client:
            stream = call(client)
            streamed = Streamed(report=stream.report)
            try:
                streamed.chunks += stream
            except APIError as error:
                streamed.error = error
        return streamed

    @contextmanager
    def _client(self, around: Around) -> Generator[Client]:
        transport = ReplayTransport(around.play) if around.play else None
        with Client(around.settings, transport=transport, clock=around.clock) as client:
            yield client
        assert transport is None or transport.open_replies == 0


class AsyncFace(Face):
    """Over `AsyncClient`, in an event loop of its own."""

    @override
    def _result(self, around: Around, call: Call) -> Any:
        async def run() -> Any:
            async with self._client(around) as client:
                return await call(client)

        return asyncio.run(run())

    @override
    def _streamed(self, around: Around, call: Call) -> Streamed:
        async def run() -> Streamed:
            async with self._client(around) as client:
                stream = await call(client)
                streamed = Streamed(report=stream.report)
                try:
                    async for chunk in stream:
                        streamed.chunks.append(chunk)
                except APIError as error:
                    streamed.error = error
                return streamed

        return asyncio.run(run())

    @asynccontextmanager
    async def _client(self, around: Around) -> AsyncGenerator[AsyncClient]:
        transport = AsyncReplayTransport(around.play) if around.play else None
        async with AsyncClient(around.settings, transport=transport, clock=around.clock) as client:
            yield client
        assert transport is None or transport.open_replies == 0


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
