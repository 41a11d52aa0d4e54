"""The iterators of chunks that callers get. Leaving one early closes the upstream and settles."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import suppress
from types import TracebackType
from typing import Final, Generic, Self, TypeVar

from puna.types.report import CallReport

T = TypeVar("T")
U = TypeVar("U")

TAIL_S: Final = 1.0
"""How long a host may take to end a body that has said all; then its connection is cut. Callers
are not held by it where something else can wait: the gateway, and asyncio."""

SYNC_TAIL_S: Final = 0.1
"""The same for synchronous callers, who wait themselves: a host that ends its body sends the end
with its last event. A connection that is cut costs the next call a new one, not more."""

ENDING_S: Final = 1.0
"""How long a host may take to say `[DONE]`, or to end its body, after the finish reason and the
usage. Nothing that a caller needs is missing by then, and hosts that say it send it at once; some
never do, or send heartbeats for ever (bifrost#6784, claude-code-router#1271)."""

USAGE_S: Final = 5.0
"""How long a host may take to tell the usage that it was asked for, after the finish reason. It
counts what it already knows; without it the tokens are estimated, and said to be."""


class Stream(Generic[T]):
    """An iterator of chunks. Use it in a `for`, or in a `with` when you may leave early.

    `report` fills up while the stream runs; it is complete when the stream has ended.
    """

    def __init__(
        self, chunks: Generator[T, None, None], close: Callable[[], None], report: CallReport
    ) -> None:
        self._chunks = chunks
        self._close = close
        self.report = report

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> T:
        return next(self._chunks)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the stream: the upstream connection is closed at once. Idempotent."""
        # The upstream first: another thread may be waiting for it, inside the generator.
        self._close()
        with suppress(ValueError):  # it runs, in that other thread, and will end by itself
            self._chunks.close()

    def map(self, change: Callable[[T], U]) -> Stream[U]:
        """A stream of `change(chunk)` for each chunk. Closing it closes this one."""

        def changed() -> Generator[U, None, None]:
            """The changed chunks."""
            for chunk in self:
                yield change(chunk)

        return Stream(changed(), self.close, self.report)

    def __del__(self) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """An async iterator of chunks. Use it in an `async for`, or in an `async with`.

    `report` fills up while the stream runs; it is complete when the stream has ended.
    """

    def __init__(
        self,
        chunks: AsyncGenerator[T, None],
        close: Callable[[], Awaitable[None]],
        report: CallReport,
        has_ready: Callable[[], bool] = lambda: False,
    ) -> None:
        """`has_ready` tells whether the next chunk is there already; those are sent together."""
        self._chunks = chunks
        self._close = close
        self.has_ready = has_ready
        self._loop = asyncio.get_running_loop()
        self._is_closed = False
        self.report = report

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        return await self._chunks.__anext__()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End the stream: the upstream connection is closed at once. Idempotent."""
        if self._is_closed:
            return
        # The upstream first: another task may be waiting for it, inside the generator.
        await self._close()
        with suppress(RuntimeError):  # it runs, in that other task, and will end by itself
            await self._chunks.aclose()
        self._is_closed = True

    def map(self, change: Callable[[T], U]) -> AsyncStream[U]:
        """A stream of `change(chunk)` for each chunk. Closing it closes this one."""

        async def changed() -> AsyncGenerator[U, None]:
            """The changed chunks."""
            async for chunk in self:
                yield change(chunk)

        return AsyncStream(changed(), self.aclose, self.report, self.has_ready)

    def __del__(self) -> None:
        if not self._is_closed and not self._loop.is_closed():
            chunks, close = self._chunks, self._close
            self._loop.call_soon_threadsafe(_close_later, self._loop, chunks, close)


def _close_later(
    loop: asyncio.AbstractEventLoop,
    chunks: AsyncGenerator[T, None],
    close: Callable[[], Awaitable[None]],
) -> None:
    """Close a stream that was garbage collected, on its own event loop."""

    async def finish() -> None:
        """Close the call, then the generator."""
        await close()
        with suppress(RuntimeError):
            await chunks.aclose()

    task = loop.create_task(finish())
    # The loop keeps only a weak reference: the callback's closure holds the task until it ends.
    task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
