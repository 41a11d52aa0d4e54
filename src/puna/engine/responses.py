"""Makes Responses API calls for the SDK's clients, and keeps the answers to continue from."""

from __future__ import annotations

import threading
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from typing import Any

from puna.bridges.responses.stored import StoredResponse, make_stored, unknown_response_error
from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call
from puna.engine.response_run import EventConverter
from puna.engine.streams import AsyncStream, Stream
from puna.engine.synchronous import Engine
from puna.errors import APIError
from puna.text_cache import TextCache
from puna.types.report import CallReport
from puna.types.response_request import Items, ResponsesRequest, check_response_id
from puna.types.responses import Response, ResponseEvent

_OWNER = "self"


class ResponseMemory:
    """The responses of a process's SDK clients, which calls may continue. Thread-safe."""

    def __init__(self) -> None:
        self._texts = TextCache[str]()
        self._items = TextCache[str](most=20_000)
        self._lock = threading.Lock()

    def keep(self, request: ResponsesRequest, response: Response) -> None:
        """Keep a response, unless its request says `store: false`."""
        if request.is_stored:
            stored = make_stored(request, response, _OWNER)
            text = stored.to_json()
            with self._lock:
                self._texts.put(response.id, text)
                for item_id in stored.item_ids:
                    if self._texts.get(self._items.get(item_id) or "") is None:
                        self._items.put(item_id, response.id)

    def items(self, item_ids: Sequence[str]) -> dict[str, Mapping[str, Any]]:
        """The kept items with these ids, and the others of their conversations, by id."""
        found: dict[str, Mapping[str, Any]] = {}
        for item_id in reversed(item_ids):  # the last one's conversation holds the others, too
            if item_id in found:
                continue
            with self._lock:
                response_id = self._items.get(item_id) or ""
                text = self._texts.get(response_id)
            if text is not None:
                stored = StoredResponse.from_json(response_id, _OWNER, text)
                found = {**stored.items_by_id(), **found}
        return found

    def earlier(self, response_id: Any) -> Items:
        """The items of the conversation that `previous_response_id` continues; none for None.

        Raises:
            BadRequestError: the id is no text.
            NotFoundError: no such response is kept.
        """
        if response_id is None:
            return ()
        known = check_response_id(response_id)
        with self._lock:
            text = self._texts.get(known)
        if text is None:
            raise unknown_response_error(known)
        return StoredResponse.from_json(known, _OWNER, text).conversation

    def keep_last(
        self, request: ResponsesRequest, converter: EventConverter, report: CallReport
    ) -> list[ResponseEvent]:
        """Keep the response of a stream that went well. Returns the stream's last events."""
        last = converter.finish()
        if converter.response is not None:
            self.keep(request, converter.response.with_report(report))
        return last


def respond(engine: Engine, call: Call[ResponsesRequest], memory: ResponseMemory) -> Response:
    """Ask for a whole response, and keep it in `memory`.

    Raises:
        APIError: after all attempts.
    """
    response = engine.respond(call)
    memory.keep(call.request, response)
    return response


def stream_response(
    engine: Engine, call: Call[ResponsesRequest], memory: ResponseMemory
) -> Stream[ResponseEvent]:
    """Ask for a response as events, and keep it at the end.

    One that breaks ends in `response.failed`.

    Raises:
        APIError: nothing came yet, after all attempts.
    """
    pieces, converter = engine.stream_response(call)

    def events() -> Generator[ResponseEvent, None, None]:
        """Convert the pieces to events."""
        try:
            with pieces:
                for piece in pieces:
                    yield from converter.convert(piece)
        except APIError as error:
            yield from converter.fail(error.code, str(error))
            return
        yield from memory.keep_last(call.request, converter, pieces.report)

    return Stream(events(), pieces.close, pieces.report)


async def respond_async(
    engine: AsyncEngine, call: Call[ResponsesRequest], memory: ResponseMemory
) -> Response:
    """`respond` for asyncio."""
    response = await engine.respond(call)
    memory.keep(call.request, response)
    return response


async def stream_response_async(
    engine: AsyncEngine, call: Call[ResponsesRequest], memory: ResponseMemory
) -> AsyncStream[ResponseEvent]:
    """`stream_response` for asyncio."""
    pieces, converter = await engine.stream_response(call)

    async def events() -> AsyncGenerator[ResponseEvent, None]:
        """Convert the pieces to events."""
        try:
            async with pieces:
                async for piece in pieces:
                    for event in converter.convert(piece):
                        yield event
        except APIError as error:
            for event in converter.fail(error.code, str(error)):
                yield event
            return
        for event in memory.keep_last(call.request, converter, pieces.report):
            yield event

    return AsyncStream(events(), pieces.aclose, pieces.report)


__all__ = [
    "ResponseMemory",
    "respond",
    "respond_async",
    "stream_response",
    "stream_response_async",
]
