"""Responses as chat calls. Source of the rules: `puna.bridges.responses`."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from puna.bridges.responses.reply import response_of
from puna.bridges.responses.request import ResponseRequest
from puna.bridges.responses.stored import (
    ResponseShelf,
    stored_of,
    unknown_response,
)
from puna.bridges.responses.stream import ResponseStream
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.engine.streams import AsyncStream, Stream
from puna.engine.synchronous import Engine
from puna.errors import APIError, BadRequestError
from puna.types.chat import ChatCompletion
from puna.types.responses import Response, ResponseEvent

Describe = Callable[[APIError], tuple[str, str]]
"""An error as the code and the message of a failed response."""

_OWNER = "self"


def code_and_message(error: APIError) -> tuple[str, str]:
    """An error as it is."""
    return error.code, str(error)


class ResponseMemory:
    """The responses of a program's clients, which they may go on from. Safe between threads."""

    def __init__(self, shelf: ResponseShelf | None = None) -> None:
        self._shelf = shelf or ResponseShelf()
        self._lock = threading.Lock()

    def keep(self, request: ResponseRequest, response: Response) -> None:
        """Keep a response, unless it is not to be stored."""
        if request.is_stored:
            stored = stored_of(request, response, _OWNER)
            with self._lock:
                self._shelf.put(stored)

    def earlier(self, response_id: Any) -> tuple[Any, ...]:
        """The messages that `previous_response_id` stands for; none for None.

        Raises:
            NotFoundError: no such response is kept.
        """
        if response_id is None:
            return ()
        check_response_id(response_id)
        with self._lock:
            stored = self._shelf.get(_OWNER, response_id)
        if stored is None:
            raise unknown_response(response_id)
        return stored.messages


def check_response_id(response_id: Any) -> None:
    """Raise BadRequestError for a `previous_response_id` that is no text."""
    if not isinstance(response_id, str):
        raise BadRequestError(
            "`previous_response_id` must be a string.", param="previous_response_id"
        )


def respond(
    engine: Engine, request: ResponseRequest, call: Call, response_id: str, memory: ResponseMemory
) -> Response:
    """The whole response."""
    response = _whole(request, response_id, engine.chat(call))
    memory.keep(request, response)
    return response


def stream_response(
    engine: Engine, request: ResponseRequest, call: Call, response_id: str, memory: ResponseMemory
) -> Stream[ResponseEvent]:
    """The response as events. One that breaks ends with `response.failed`."""
    chunks = engine.stream(call)

    def events() -> Generator[ResponseEvent, None, None]:
        stream = ResponseStream(request, response_id, int(chunks.report.started_at))
        try:
            with chunks:
                for chunk in chunks:
                    yield from stream.change(chunk)
        except APIError as error:
            yield from stream.fail(*code_and_message(error))
            return
        last = stream.finish()
        if stream.response is not None:
            memory.keep(request, stream.response.with_report(chunks.report))
        yield from last

    return Stream(events(), chunks.close, chunks.report)


async def respond_async(
    engine: AsyncEngine, request: ResponseRequest, call: Call, response_id: str
) -> Response:
    """The whole response; the caller keeps it."""
    return _whole(request, response_id, await engine.chat(call))


async def stream_response_async(
    engine: AsyncEngine,
    request: ResponseRequest,
    call: Call,
    response_id: str,
    keep: Callable[[Response], Awaitable[None]],
    describe: Describe = code_and_message,
) -> AsyncStream[ResponseEvent]:
    """The response as events, kept before the last one is given."""
    chunks = await engine.stream(call)

    async def events() -> AsyncGenerator[ResponseEvent, None]:
        stream = ResponseStream(request, response_id, int(chunks.report.started_at))
        try:
            async with chunks:
                async for chunk in chunks:
                    for event in stream.change(chunk):
                        yield event
        except APIError as error:
            for event in stream.fail(*describe(error)):
                yield event
            return
        last = stream.finish()
        if stream.response is not None:
            await keep(stream.response.with_report(chunks.report))
        for event in last:
            yield event

    return AsyncStream(events(), chunks.aclose, chunks.report)


def _whole(request: ResponseRequest, response_id: str, answer: ChatCompletion) -> Response:
    began_at = answer.report.started_at if answer.report is not None else answer.created
    return response_of(request, response_id, int(began_at), answer)


__all__ = [
    "ResponseMemory",
    "check_response_id",
    "code_and_message",
    "respond",
    "respond_async",
    "stream_response",
    "stream_response_async",
]
