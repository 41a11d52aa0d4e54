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
from puna.engine.usage_bounds import PlannedUsage, group_by_model
from puna.errors import APIError
from puna.gateway.answers.replies import (
    Reply,
    event_headers,
    internal_error,
    report_headers,
    stopping,
)
from puna.gateway.requests.body import ClientDisconnected, Incoming, Receive, Scope, Send
from puna.gateway.requests.heavy_steps import HeavySteps
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
    """The client of one ASGI request.

    Its visit, the request's head, and the functions to receive its bytes and to send it an answer.
    Every endpoint's handler gets one.
    """

    visit: Visit
    head: Incoming = field(repr=False)
    receive: Receive
    send: Send
    aside: HeavySteps | None = field(default=None, repr=False)
    """Where a heavy request is read; None for one that is not heavy."""

    @property
    def key_id(self) -> str:
        """The id of the key that came with the request."""
        return self.visit.principal.key_id

    @property
    def call_id(self) -> str:
        """The id of the request."""
        return self.visit.call_id

    def allows_model(self, name: str) -> bool:
        """Whether the key may use the model of this public name."""
        access = self.visit.principal.access
        return access is None or access.allows_model(name)

    async def read(self, step: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Run a step that only parses the request.

        A heavy one runs on a thread of its own, so that it does not block the event loop.
        """
        if self.aside is None:
            return step(*args, **kwargs)
        return await self.aside.run(step, *args, **kwargs)


@dataclass(slots=True)
class Work:
    """The calls that a request needs.

    A handler returns it before anything is sent to a host, so that the visit can be admitted for
    `calls` first.

    Then `run` is awaited: it makes the calls and sends the answer, or returns a reply to send.
    """

    calls: Sequence[Call[Any]]
    run: Callable[[], Awaitable[Reply | None]]

    @property
    def usage(self) -> Sequence[PlannedUsage]:
        """What the calls are going to use, one for each model."""
        return group_by_model(self.calls)


@dataclass(frozen=True, slots=True)
class StreamEncoding(Generic[T_contra]):
    """How a stream is serialized for one client. Each function returns bytes of events, or none.

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
    """Sends the reply of one ASGI request.

    It adds the headers that every reply has, and keeps the status for the log.
    """

    def __init__(self, send: Send, headers: Mapping[str, str], method: str) -> None:
        self._send = send
        self._headers = [(n.encode(), v.encode("latin-1", "replace")) for n, v in headers.items()]
        self._is_head = method == "HEAD"
        self.status = 0

    async def send(self, message: Scope) -> None:
        """Send an ASGI message of a reply; the first one gets the headers of every reply."""
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message = {**message, "headers": [*message["headers"], *self._headers]}
        await self._send(message)

    async def reply(self, reply: Reply) -> None:
        """Send a whole reply, unless another one has begun."""
        if self.status == 0:
            await send_reply(self.send, reply, has_body=not self._is_head)


async def send_answer(
    work: Coroutine[Any, Any, AnswerT],
    caller: Caller,
    encode: Callable[[AnswerT], bytes] = lambda answer: answer.to_json_bytes(),
) -> None:
    """Wait for a whole answer, encode and send it. Headers report how the call went.

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
    """Wait for a stream's first chunk, then send the stream as events.

    A failure after the first chunk is sent as the last event.

    Raises:
        APIError: from the opening; nothing was sent.
        ClientDisconnected: the client left; the stream was closed.
    """
    await send_events(await until_disconnect(opening, caller.receive), caller, encoding)


async def send_events(stream: AsyncStream[T], caller: Caller, encoding: StreamEncoding[T]) -> None:
    """Send the events of a stream whose first chunk has come, up to its end or its error.

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
    """Await `work` and return its result, or cancel it when the client leaves.

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
        if _client_left(watch) and task.uncancel() <= cancelled_before:
            raise ClientDisconnected from None
        raise
    else:
        if _client_left(watch):  # the work did not heed it
            task.uncancel()
        return result
    finally:
        watch.cancel()


def _client_left(watch: asyncio.Future[None]) -> bool:
    """Whether the task that watches for a disconnect has seen one.

    It may have been cancelled instead, when the event loop ends.
    """
    return watch.done() and not watch.cancelled()


async def _cancel_on_disconnect(task: asyncio.Task[Any], receive: Receive) -> None:
    """Wait for ASGI's `http.disconnect`, then cancel `task`.

    Runs beside the work of `until_disconnect`.
    """
    with suppress(Exception):  # a server that can hear nothing more of a client has lost it
        while (await receive())["type"] != "http.disconnect":
            pass
    task.cancel()


async def _send_all(stream: AsyncStream[T], send: Send, encoding: StreamEncoding[T]) -> None:
    """Send all chunks of an open stream as events, then its end.

    Chunks that came in one read of the host are sent in one message.
    """
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
    """Send the last bytes of a stream and end the response."""
    await send({"type": "http.response.body", "body": events, "more_body": False})
