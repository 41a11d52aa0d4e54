"""Responses as chat calls. Source of the rules: `puna.bridges.responses`."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from typing import Any

from puna.bridges.responses.reply import response_of
from puna.bridges.responses.request import ResponseRequest
from puna.bridges.responses.stored import StoredResponse, stored_of, unknown_response
from puna.bridges.responses.stream import ResponseStream
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.engine.streams import AsyncStream, Stream
from puna.engine.synchronous import Engine
from puna.errors import APIError, BadRequestError
from puna.shelf import Shelf
from puna.types.chat import ChatCompletion
from puna.types.responses import Response, ResponseEvent

_OWNER = "self"


class ResponseMemory:
    """The responses of a program's clients, which they may go on from. Safe between threads."""

    def __init__(self, shelf: Shelf[str] | None = None) -> None:
        self._shelf = shelf or Shelf[str]()
        self._lock = threading.Lock()

    def keep(self, request: ResponseRequest, response: Response) -> None:
        """Keep a response, unless it is not to be stored."""
        if request.is_stored:
            stored = stored_of(request, response, _OWNER)
            with self._lock:
                self._shelf.put(stored.response_id, stored.to_json())

    def earlier(self, response_id: Any) -> tuple[Any, ...]:
        """The messages that `previous_response_id` stands for; none for None.

        Raises:
            BadRequestError: the id is no text.
            NotFoundError: no such response is kept.
        """
        if response_id is None:
            return ()
        check_response_id(response_id)
        with self._lock:
            text = self._shelf.get(response_id)
        if text is None:
            raise unknown_response(response_id)
        return StoredResponse.from_json(response_id, _OWNER, text).messages


def check_response_id(response_id: Any) -> None:
    """Raise BadRequestError for a `previous_response_id` that is no text."""
    if not isinstance(response_id, str):
        raise BadRequestError(
            "`previous_response_id` must be a string.", param="previous_response_id"
        )


def respond(
    engine: Engine, request: ResponseRequest, call: Call, response_id: str, memory: ResponseMemory
) -> Response:
    """The whole response.

    Raises:
        APIError: after all attempts.
    """
    response = _whole(request, response_id, engine.chat(call))
    memory.keep(request, response)
    return response


def stream_response(
    engine: Engine, request: ResponseRequest, call: Call, response_id: str, memory: ResponseMemory
) -> Stream[ResponseEvent]:
    """The response as events. One that breaks ends with `response.failed`.

    Raises:
        APIError: nothing came yet, after all attempts.
    """
    chunks = engine.stream(call)

    def events() -> Generator[ResponseEvent, None, None]:
        stream = ResponseStream(request, response_id, int(chunks.report.started_at))
        try:
            with chunks:
                for chunk in chunks:
                    yield from stream.change(chunk)
        except APIError as error:
            yield from stream.fail(error.code, str(error))
            return
        last = stream.finish()
        if stream.response is not None:
            memory.keep(request, stream.response.with_report(chunks.report))
        yield from last

    return Stream(events(), chunks.close, chunks.report)


async def respond_async(
    engine: AsyncEngine, request: ResponseRequest, call: Call, response_id: str
) -> Response:
    """The whole response; the caller keeps it.

    Raises:
        APIError: after all attempts.
    """
    return _whole(request, response_id, await engine.chat(call))


async def stream_response_async(
    engine: AsyncEngine,
    request: ResponseRequest,
    call: Call,
    response_id: str,
    keep: Callable[[Response], Awaitable[None]],
) -> AsyncStream[ResponseEvent]:
    """The response as events, kept before the last one is given. Errors: `stream_response`."""
    chunks = await engine.stream(call)

    async def events() -> AsyncGenerator[ResponseEvent, None]:
        stream = ResponseStream(request, response_id, int(chunks.report.started_at))
        try:
            async with chunks:
                async for chunk in chunks:
                    for event in stream.change(chunk):
                        yield event
        except APIError as error:
            for event in stream.fail(error.code, str(error)):
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
    "respond",
    "respond_async",
    "stream_response",
    "stream_response_async",
]
