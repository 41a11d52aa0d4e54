"""The drop-in's sync and async functions behind one signature, so that a test holds for both.

@BOTH
def test_it_answers(face: DropIn, upstream: Upstream) -> None:
    assert face.ask(upstream).id == "cmpl-up-1"
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

import pytest
from tests.support.upstream import Upstream

import litellm
from litellm.types.utils import ModelResponse, ModelResponseStream
from puna import AsyncClient, Client, ClientSettings
from puna.engine.clock import Clock

MODEL = "meta_llama/Llama-3.3-8B-Instruct"
NAME = "Llama-3.3-8B-Instruct"
HI = [{"role": "user", "content": "hi"}]
KEY = "sk-llama-test"

T = TypeVar("T")


@dataclass
class Streamed:
    """What came of a stream: its chunks, then the exception that ended it, if one did."""

    chunks: list[ModelResponseStream] = field(default_factory=list[ModelResponseStream])
    error: Exception | None = None
    wrapper: Any = None

    @property
    def text(self) -> str:
        """All content of the first choice."""
        return "".join(c.choices[0].delta.content or "" for c in self.chunks)

    @property
    def finish_reasons(self) -> list[str | None]:
        """The finish reason of every chunk."""
        return [chunk.choices[0].finish_reason for chunk in self.chunks]


class DropIn(Protocol):
    """`completion` or `acompletion`, over a client of its own that is closed afterwards."""

    def ask(self, upstream: Upstream | None = None, **keywords: Any) -> ModelResponse:
        """The whole answer. Without an upstream the keywords say where to go."""
        ...

    def stream(self, upstream: Upstream | None = None, **keywords: Any) -> Streamed:
        """The stream to its end; raises what is raised before the first chunk."""
        ...


def _filled(upstream: Upstream | None, keywords: dict[str, Any]) -> dict[str, Any]:
    filled = {"model": MODEL, "messages": HI, "api_key": KEY, **keywords}
    return filled if upstream is None else {"api_base": upstream.url, **filled}


class SyncDropIn:
    """Over `litellm.completion`."""

    def ask(self, upstream: Upstream | None = None, **keywords: Any) -> ModelResponse:
        """As `DropIn.ask`."""
        with Client(ClientSettings(environ={}), clock=keywords.pop("clock", None)) as client:
            answer = litellm.completion(client=client, **_filled(upstream, keywords))
        assert isinstance(answer, ModelResponse)
        return answer

    def stream(self, upstream: Upstream | None = None, **keywords: Any) -> Streamed:
        """As `DropIn.stream`."""
        with Client(ClientSettings(environ={}), clock=keywords.pop("clock", None)) as client:
            wrapper = litellm.completion(client=client, stream=True, **_filled(upstream, keywords))
            streamed = Streamed(wrapper=wrapper)
            try:
                for chunk in wrapper:
                    streamed.chunks.append(chunk)
            except Exception as error:  # noqa: BLE001 - the test looks at it
                streamed.error = error
        return streamed


class AsyncDropIn:
    """Over `litellm.acompletion`, in an event loop of its own."""

    def ask(self, upstream: Upstream | None = None, **keywords: Any) -> ModelResponse:
        """As `DropIn.ask`."""
        clock: Clock | None = keywords.pop("clock", None)

        async def ask() -> Any:
            async with AsyncClient(ClientSettings(environ={}), clock=clock) as client:
                return await litellm.acompletion(client=client, **_filled(upstream, keywords))

        answer = asyncio.run(ask())
        assert isinstance(answer, ModelResponse)
        return answer

    def stream(self, upstream: Upstream | None = None, **keywords: Any) -> Streamed:
        """As `DropIn.stream`."""
        clock: Clock | None = keywords.pop("clock", None)

        async def stream() -> Streamed:
            async with AsyncClient(ClientSettings(environ={}), clock=clock) as client:
                wrapper = await litellm.acompletion(
                    client=client, stream=True, **_filled(upstream, keywords)
                )
                streamed = Streamed(wrapper=wrapper)
                try:
                    async for chunk in wrapper:
                        streamed.chunks.append(chunk)
                except Exception as error:  # noqa: BLE001 - the test looks at it
                    streamed.error = error
                return streamed

        return asyncio.run(stream())


FACES: tuple[DropIn, ...] = (SyncDropIn(), AsyncDropIn())

BOTH = pytest.mark.parametrize("face", FACES, ids=["sync", "async"])
"""Run a test with `completion` and with `acompletion`."""


def raised_by(call: Callable[[], object]) -> Any:
    """The exception that a call raises; its type is the test's matter."""
    with pytest.raises(Exception) as caught:  # noqa: PT011 - the test looks closer
        call()
    return caught.value
