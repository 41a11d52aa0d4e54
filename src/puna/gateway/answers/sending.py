"""How answers leave: whole, or as a stream of events.

A client that leaves ends its call: the upstream connection is closed and the call settled.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Generic, ParamSpec, TypeVar

from puna.engine.call import Call
from puna.engine.streams import AsyncStream
from puna.errors import APIError
from puna.gateway.answers.replies import (
    Reply,
    event_headers,
    internal_error,
    report_headers,
    stopping,
)
from puna.gateway.requests.body import ClientDisconnected, Incoming, Receive, Scope, Send
from puna.gateway.requests.heavy_steps import Aside
from puna.gateway.visit import Visit
from puna.types.common import Answer
from puna.types.report import CallReport

P = ParamSpec("P")
T = TypeVar("T")
T_contra = TypeVar("T_contra", contravariant=True)
AnswerT = TypeVar("AnswerT", bound=Answer)

_log = logging.getLogger("puna.gateway")


@dataclass(slots=True)
class Caller:
    """Who asks: the visit, the request's head, and the two ends of the connection."""

    visit: Visit
    head: Incoming = field(repr=False)
    receive: Receive
    send: Send
    aside: Aside | None = field(default=None, repr=False)
    """Where a heavy request is read; None for one that is not heavy."""

    @property
    def key_id(self) -> str:
        """Of the key that came with the request."""
        return self.visit.principal.key_id

    @property
    def call_id(self) -> str:
        """Of the request."""
        return self.visit.call_id

    async def read(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Do a step that reads the request, and touches nothing else."""
        if self.aside is None:
            return step(*args, **kwargs)
        return await self.aside.run(step, *args, **kwargs)


@dataclass(slots=True)
class Work:
    """Calls that an endpoint will make, once the visit is admitted: nothing is sent before.

    `run` makes them and sends the answer; or it gives the reply, for the router to send.
    """

    calls: Sequence[Call[Any]]
    run: Callable[[], Awaitable[Reply | None]]


@dataclass(frozen=True, slots=True)
class StreamEncoding(Generic[T_contra]):
    """How a stream is serialized for one client; each function gives bytes of events, or none.

    Attributes:
        encode: serializes a chunk.
        finish: gives the end of a stream that went well, whose report is complete.
        fail: gives the end of a stream that broke after it had begun, when the status is sent.
    """

    encode: Callable[[T_contra], bytes]
    finish: Callable[[CallReport], Coroutine[Any, Any, bytes]]
    fail: Callable[[APIError], bytes]


async def send_reply(send: Send, reply: Reply, *, has_body: bool = True) -> None:
    """Send a whole reply; without its body for HEAD."""
    await send({"type": "http.response.start", "status": reply.status, "headers": reply.head()})
    await send({"type": "http.response.body", "body": reply.body if has_body else b""})


class Responder:
    """Sends the reply, adds the headers of every reply, and remembers the status."""

    def __init__(self, send: Send, headers: Mapping[str, str], method: str) -> None:
        self._send = send
        self._headers = [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers.items()]
        self._is_head = method == "HEAD"
        self.status = 0

    async def send(self, message: Scope) -> None:
        """An ASGI message of a reply."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)

    async def reply(self, reply: Reply) -> None:
        """A whole reply, unless one has begun."""
        if self.status == 0:
            await send_reply(self.send, reply, has_body=not self._is_head)


async def send_answer(
    work: Coroutine[Any, Any, AnswerT],
    caller: Caller,
    encode: Callable[[AnswerT], bytes] = lambda answer: answer.to_json_bytes(),
) -> None:
    """Wait for a whole answer and send it, with how the call went as headers.

    Raises:
        APIError: from the work; nothing was sent.
        ClientDisconnected: the client left; the work was cancelled.
    """
    answer = await until_disconnect(work, caller.receive)
    report = answer.report
    assert report is not None, "the engine sets it"  # noqa: S101 - narrows the type
    await send_reply(caller.send, Reply(200, encode(answer), report_headers(report)))


async def send_stream(
    opening: Coroutine[Any, Any, AsyncStream[T]], caller: Caller, encoding: StreamEncoding[T]
) -> None:
    """Wait for a stream's first chunk and send all. A failure after it becomes the last event.

    Raises:
        APIError: from the opening; nothing was sent.
        ClientDisconnected: the client left; the stream was closed.
    """
    await send_events(await until_disconnect(opening, caller.receive), caller, encoding)


async def send_events(stream: AsyncStream[T], caller: Caller, encoding: StreamEncoding[T]) -> None:
    """Send all of a stream whose first chunk is there.

    Raises:
        ClientDisconnected: the client left; the stream was closed.
        CancelledError: the server ends, and the client was told.
    """
    async with stream:
        headers = event_headers(stream.report)
        await caller.send({"type": "http.response.start", "status": 200, "headers": headers})
        try:
            await until_disconnect(_send_all(stream, caller.send, encoding), caller.receive)
        except asyncio.CancelledError:
            await _send_last(caller.send, encoding.fail(stopping()))
            raise


async def until_disconnect(work: Awaitable[T], receive: Receive) -> T:
    """Run `work` to its end, or cancel it when the client leaves.

    Raises:
        ClientDisconnected: it left; `work` was cancelled and has ended.
    """
    task = asyncio.current_task()
    assert task is not None, "a coroutine runs in a task"  # noqa: S101 - narrows the type
    cancelled_before = task.cancelling()
    watch = asyncio.ensure_future(_cancel_on_disconnect(task, receive))
    try:
        result = await work
    except BaseException:
        # Another may have cancelled the task, too: then that counts, as in `asyncio.timeout`.
        if _has_heard(watch) and task.uncancel() <= cancelled_before:
            raise ClientDisconnected from None
        raise
    else:
        if _has_heard(watch):  # the work did not heed it
            task.uncancel()
        return result
    finally:
        watch.cancel()


def _has_heard(watch: asyncio.Future[None]) -> bool:
    """Whether the client left; at the end of the loop the watch itself is cancelled."""
    return watch.done() and not watch.cancelled()


async def _cancel_on_disconnect(task: asyncio.Task[Any], receive: Receive) -> None:
    with suppress(Exception):  # a server that can hear nothing more of a client has lost it
        while (await receive())["type"] != "http.disconnect":
            pass
    task.cancel()


async def _send_all(stream: AsyncStream[T], send: Send, encoding: StreamEncoding[T]) -> None:
    """Events of chunks that came together are sent together."""
    ready = bytearray()
    has_ready = stream.has_ready
    try:
        async for chunk in stream:
            ready += encoding.encode(chunk)
            if ready and not has_ready():
                events = bytes(ready)
                ready.clear()
                await send({"type": "http.response.body", "body": events, "more_body": True})
        last = await encoding.finish(stream.report)
    except APIError as error:
        last = encoding.fail(error)
    except Exception:  # noqa: BLE001 - nothing raw may reach a client, and no stream may just stop
        _log.exception("A stream failed")
        last = encoding.fail(internal_error())
    await _send_last(send, bytes(ready) + last)


async def _send_last(send: Send, events: bytes) -> None:
    await send({"type": "http.response.body", "body": events, "more_body": False})
