"""Loops to run under callgrind: `python -m benchmarks.instructions_child CASE...`.

Each case prepares, warms up, and counts the same work `PARTS` times. It checks that the work was
done; `instructions.py` reads the counts.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import uvloop

from benchmarks.callgrind import counted
from benchmarks.job import WITH_TOOL
from benchmarks.job import Job as Load
from benchmarks.sdk_child import Job as Calls
from benchmarks.sdk_child import make_asks
from benchmarks.upstream import events, whole_body
from puna.telemetry.events import CallEvent, Hook

PARTS = 3
CHUNKS = 64

_LIMIT_S = 600
_LOG_S = 0.3  # lines of the access log are written after a quarter of a second
_TURNS = 4  # of the loop, after which the full lane has passed a piece on
_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\n%b\r\n\r\n"
_BAD_LINE = re.compile(rb"\r\n(?![ {}\[\]a-z0-9\":-]+(?:\r|$))")


@dataclass(frozen=True, slots=True)
class Case:
    """A loop.

    Attributes:
        what: the thing that is counted, for the reader.
        kind: who does it.
        times: how many rounds, calls or requests make a part.
        is_stream: whether they are streams of `CHUNKS` chunks, and the count is that of a chunk.
        at_once: whether a stream comes from the upstream in one read.
        hook: what a hook looks at; without one nobody listens.
    """

    what: str
    kind: Literal["control", "fast", "full", "sdk"]
    times: int
    is_stream: bool = False
    at_once: bool = False
    hook: Literal["report", "texts"] | None = None

    @property
    def units(self) -> int:
        """How many of what is counted a part does."""
        return self.times * CHUNKS if self.is_stream else self.times


CONTROL = "control"
CASES = {
    CONTROL: Case("a round of plain Python", "control", 20),
    "gateway": Case("a request, fast lane", "fast", 80),
    "gateway_chunk": Case("a streamed chunk, fast lane, a read each", "fast", 5, is_stream=True),
    "gateway_burst_chunk": Case(
        "a streamed chunk, fast lane, all in one read", "fast", 5, is_stream=True, at_once=True
    ),
    "gateway_hook": Case("a request, a hook reads its report", "fast", 80, hook="report"),
    "gateway_hook_texts": Case(
        "a request, a hook reads its messages and answer", "fast", 80, hook="texts"
    ),
    "full_lane": Case("a request, full lane", "full", 20),
    "full_lane_chunk": Case("a streamed chunk, full lane, a read each", "full", 2, is_stream=True),
    "sdk": Case("a call of `completion`", "sdk", 30),
    "sdk_chunk": Case("a streamed chunk of `completion`", "sdk", 5, is_stream=True),
}


def main(names: Sequence[str]) -> None:
    """Run these cases, one after the other."""
    for case in map(CASES.__getitem__, names):
        if case.kind == "control":
            _count(case, _control_round)
        elif case.kind == "sdk":
            call, stream = make_asks(Calls("puna", False, 0, 0, 0, CHUNKS))
            _count(case, stream if case.is_stream else call)
        else:
            uvloop.run(_count_gateway(case))


def _freeze() -> None:
    """What is there now stays, as in a gateway that has started."""
    gc.collect()
    gc.freeze()


# --- work that waits for nothing


def _count(case: Case, work: Callable[[], object]) -> None:
    _repeat(work, case.times)
    _freeze()
    _repeat(work, case.times)  # a collection empties the interpreter's free lists
    for _ in range(PARTS):
        with counted():
            _repeat(work, case.times)


def _repeat(work: Callable[[], object], times: int) -> None:
    for _ in range(times):
        if not work():
            raise RuntimeError("nothing was done")


def _control_round() -> object:
    """A fixed mix of what a gateway does: objects, calls, dicts, texts, patterns, JSON.

    Nearly a third is the interpreter's own loop, as in the cases: builds of Python differ in how
    they share work between that and the rest.
    """
    found = {"total": 0}
    for number in range(60):
        point = _Point(number, f"name-{number}")
        found[point.name] = point.moved(3)
        found["total"] += point.steps
    text = json.dumps({"items": [{"name": k, "at": v} for k, v in list(found.items())[:12]]})
    lines = text.encode().replace(b",", b"\r\n").lower()
    if _BAD_LINE.search(lines) is not None:
        return None
    return json.loads(lines.replace(b"\r\n", b","))["items"]


@dataclass(slots=True)
class _Point:
    at: int
    name: str
    steps: int = 0

    @property
    def is_near(self) -> bool:
        return self.at < self.steps + 100 and self.name != ""

    def moved(self, by: int) -> int:
        try:
            for step in range(by):
                self._step(step, is_last=step + 1 == by)
        finally:
            self.steps = max(self.steps, by)
        return self.at

    def _step(self, step: int, *, is_last: bool) -> None:
        if self.is_near and not is_last:
            self.at += step
        else:
            self.at -= 1
        self.steps += 1


# --- the gateway


async def _count_gateway(case: Case) -> None:
    from benchmarks.memory_gateway import KEY, MemoryGateway
    from puna.gateway.logs import set_up_logging

    set_up_logging(is_debug=False, is_json=False)
    gateway = MemoryGateway(_HOOKS.get(case.hook, ()))
    request = Load(
        4000,
        1,
        KEY,
        chunks=CHUNKS if case.is_stream else 0,
        extra=WITH_TOOL if case.kind == "full" else {},
    ).request()
    pieces = _reply(case)
    turns = _TURNS if case.kind == "full" else 0
    lane = b"x-puna-lane: %b\r\n" % case.kind.encode()

    def work() -> list[tuple[bytes, list[bytes]]]:
        """Each read of a socket is an object of its own."""
        return [(_copy(request), [_copy(piece) for piece in pieces]) for _ in range(case.times)]

    async with asyncio.timeout(_LIMIT_S):
        await _ask_all(gateway, work(), lane, turns)
        _freeze()
        await _ask_all(gateway, work(), lane, turns)
        for _ in range(PARTS):
            ready = work()
            with counted():
                await _ask_all(gateway, ready, lane, turns)


def _read_report(event: CallEvent) -> None:
    if not event.report.duration_s:
        raise RuntimeError("the report of a call is empty")


def _read_texts(event: CallEvent) -> None:
    if not (event.messages and event.answer.choices[0].message.content):
        raise RuntimeError("the texts of a call are empty")


_HOOKS: dict[str | None, tuple[Hook, ...]] = {"report": (_read_report,), "texts": (_read_texts,)}


async def _ask_all(
    gateway: Any, work: Sequence[tuple[bytes, Sequence[bytes]]], lane: bytes, turns: int
) -> None:
    asked, replied = gateway.asked.written, gateway.reply.written
    client = gateway.client
    for request, pieces in work:
        client.data_received(request)
        while not asked:  # noqa: ASYNC110 - an event would be work that is not the gateway's
            await asyncio.sleep(0)
        asked.clear()
        for piece in pieces:
            gateway.upstream.data_received(piece)
            for _ in range(turns):
                await asyncio.sleep(0)
        while not client.cycle.response_complete:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)
        if not replied[0].startswith(b"HTTP/1.1 200 OK") or lane not in replied[0]:
            raise RuntimeError(f"the gateway answered {replied[0]!r}")
        replied.clear()
    await asyncio.sleep(_LOG_S)
    if not gateway.is_kept:
        raise RuntimeError("the gateway closed a connection that it should keep")


def _copy(data: bytes) -> bytes:
    return bytes(bytearray(data))


def _reply(case: Case) -> list[bytes]:
    """The upstream's bytes, a read each."""
    if not case.is_stream:
        body = whole_body()
        return [_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body]
    pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in events(CHUNKS, tells_usage=True)]
    pieces = [_HEAD % (b"text/event-stream", b"transfer-encoding: chunked"), *pieces]
    pieces[-1] += b"0\r\n\r\n"
    return [b"".join(pieces)] if case.at_once else pieces


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # what a program does at its end is not counted, and takes its time here
