"""What nobody foresaw ends a call like any failure: settled once, by its name, its reply closed."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from tests.support.faces import HI, MODEL, OFFLINE
from tests.support.upstream import event, text_chunks

from puna import AsyncClient, Client
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, ReplayTransport
from puna.wire.http import HTTPRequest

HEAD = {"content-type": "text/event-stream"}


class Pieces:
    """A body that fails after these events, in a way that no transport may fail."""

    def __init__(self, events: list[bytes], error: BaseException) -> None:
        self._events = events
        self._error = error

    def __iter__(self) -> Iterator[bytes]:
        yield from self._events
        raise self._error


def play_of(error: BaseException, after: int | None) -> Any:
    """Fails at the request, or after so many events of a stream."""

    def play(_: HTTPRequest) -> Recorded:
        if after is None:
            raise error
        pieces: Any = Pieces([event(one) for one in text_chunks()[:after]], error)
        return Recorded(200, HEAD, pieces)

    return play


def ask_sync(play: Any, heard: list[CallEvent], *, is_stream: bool) -> int:
    """How many replies stay open."""
    transport = ReplayTransport(play)
    client = Client(replace(OFFLINE, hooks=(heard.append,)), transport=transport)
    try:
        answer: Any = client.completion(MODEL, HI, stream=is_stream)
        for _ in answer:
            pass
    except (RuntimeError, KeyboardInterrupt) as error:
        assert str(error) == "a bug"  # noqa: PT017 - of either kind; the test fails without it
    finally:
        client.close()
    return transport.open_replies


def ask_async(play: Any, heard: list[CallEvent], *, is_stream: bool) -> int:
    """How many replies stay open."""
    transport = AsyncReplayTransport(play)

    async def ask() -> None:
        settings = replace(OFFLINE, hooks=(heard.append,))
        async with AsyncClient(settings, transport=transport) as client:
            answer: Any = await client.completion(MODEL, HI, stream=is_stream)
            async for _ in answer:
                pass

    try:
        asyncio.run(ask())
    except (RuntimeError, KeyboardInterrupt) as error:
        assert str(error) == "a bug"  # noqa: PT017 - as above
    return transport.open_replies


@pytest.mark.case(155, 173)
@pytest.mark.parametrize("ask", [ask_sync, ask_async], ids=["sync", "async"])
@pytest.mark.parametrize("kind", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize(
    ("is_stream", "after"),
    [(False, None), (False, 0), (True, None), (True, 0), (True, 2)],
    ids=["at the request", "in the body", "stream", "before its first word", "in mid-stream"],
)
def test_a_fault_that_is_no_error_of_the_api_is_told_once_and_leaves_nothing_open(
    ask: Any,
    kind: type[BaseException],
    is_stream: bool,  # noqa: FBT001 - a parametrised case
    after: int | None,
) -> None:
    fault = kind("a bug")
    heard: list[CallEvent] = []
    assert ask(play_of(fault, after), heard, is_stream=is_stream) == 0
    (told,) = heard
    is_failure = kind is RuntimeError
    assert told.outcome == ("failure" if is_failure else "cancelled")
    assert told.error is (fault if is_failure else None)
