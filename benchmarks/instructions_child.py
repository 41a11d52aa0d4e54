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
from typing import TYPE_CHECKING, Any, Literal

import uvloop

from benchmarks.asks import ASKS, Ask
from benchmarks.callgrind import counted
from benchmarks.job import MENDED, bearer, posted
from benchmarks.job import Job as Load
from benchmarks.sdk_child import Job as Calls
from benchmarks.sdk_child import make_asks
from benchmarks.upstream import events, whole_body
from puna.telemetry.events import CallEvent, Hook, Outcome
from puna.types.report import CallReport

if TYPE_CHECKING:
    from puna.gateway.visit import Visit

PARTS = 3
CHUNKS = 64

_LIMIT_S = 600
_PORT = 4000  # of the address in requests; nothing is sent
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
        has_meter: whether a meter counts requests and tokens.
        has_budgets: whether budgets of money and tokens, of all and of the model, admit it.
        ask: what a `shape` asks, by its name in `asks.py`; these may take either lane.
        goal: the most that it may cost as a multiple of `goal_of`.
        base: the case that its goal is a multiple of; the plain one where it is empty.
    """

    what: str
    kind: Literal["control", "fast", "full", "shape", "sdk"]
    times: int
    is_stream: bool = False
    at_once: bool = False
    hook: Literal["report", "texts"] | None = None
    has_meter: bool = False
    has_budgets: bool = False
    ask: str = ""
    goal: float | None = None
    base: str = ""

    @property
    def units(self) -> int:
        """How many of what is counted a part does."""
        return self.times * CHUNKS if self.is_stream else self.times

    @property
    def goal_of(self) -> str:
        """The case that its goal is a multiple of."""
        return self.base or ("gateway_chunk" if self.is_stream else "gateway")


def _request(what: str, ask: str, goal: float | None = None) -> Case:
    return Case(f"a request {what}", "shape", 20, ask=ask, goal=goal)


def _chunk(what: str, ask: str, goal: float | None = None) -> Case:
    return Case(f"a streamed {what}", "shape", 2, is_stream=True, ask=ask, goal=goal)


CONTROL = "control"
CASES = {
    CONTROL: Case("a round of plain Python", "control", 20),
    "gateway": Case("a request, fast lane", "fast", 80),
    "gateway_chunk": Case("a streamed chunk, fast lane, a read each", "fast", 5, is_stream=True),
    "gateway_burst_chunk": Case(
        "a streamed chunk, fast lane, all in one read", "fast", 5, is_stream=True, at_once=True
    ),
    "gateway_meter": Case("a request, a meter counts it", "fast", 80, has_meter=True, goal=1.05),
    "gateway_budgets": Case("a request that budgets admit", "fast", 80, has_budgets=True, goal=1.1),
    "gateway_hook": Case("a request, a hook reads its report", "fast", 80, hook="report", goal=1.3),
    "gateway_hook_texts": Case(
        "a request, a hook reads its messages and answer", "fast", 80, hook="texts", goal=2
    ),
    "full_lane": Case("a request, full lane", "full", 20),
    "full_lane_chunk": Case("a streamed chunk, full lane, a read each", "full", 2, is_stream=True),
    "gateway_vllm": _request("whose answer has the nulls that vLLM writes", "plain"),
    "gateway_vllm_chunk": _chunk("chunk as vLLM writes it", "plain"),
    "gateway_tool": _request("with a tool, a text back", "tool", 1.5),
    "gateway_tool_answer": _request("with a tool, a call back", "tool_answer", 1.5),
    "gateway_image": _request("with an image", "image", 1.6),
    "gateway_format": _request("with a JSON schema as response_format", "format", 1.6),
    "gateway_defaults": _request("for a model with parameters and a header", "defaults", 1.6),
    "gateway_tool_chunk": _chunk("chunk of text of a request with a tool", "tool", 1.3),
    "gateway_call_chunk": _chunk("chunk of a tool call's arguments", "call", 1.6),
    "gateway_agent": _request("of a coding agent, 40 KB", "agent"),
    "gateway_agent_budgets": Case(
        "a request of a coding agent that budgets admit",
        "shape",
        20,
        has_budgets=True,
        ask="agent",
        goal=1.1,
        base="gateway_agent",
    ),
    "gateway_messages": _request("of Messages over chat", "messages", 3),
    "gateway_messages_chunk": _chunk("chunk of Messages over chat", "messages", 2.5),
    "gateway_responses": _request("of Responses over chat", "responses", 3),
    "gateway_responses_chunk": _chunk("chunk of Responses over chat", "responses", 2.5),
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
    from benchmarks.memory_gateway import KEY, MODEL, MemoryGateway
    from puna.gateway.logs.lines import set_up_logging

    set_up_logging(is_debug=False, is_json=False)
    ask = ASKS[case.ask] if case.ask else None
    gateway = MemoryGateway(
        _HOOKS.get(case.hook, ()),
        params=ask.params if ask else {},
        meters=(_Counts(),) if case.has_meter else (),
        settings=_budgets_of(MODEL) if case.has_budgets else {},
    )
    request = _shaped_request(ask, MODEL, KEY, case) if ask else _plain_request(KEY, case)
    pieces = _reply(case)
    pace = _PACES[case.kind]

    def work(times: int = case.times) -> list[tuple[bytes, list[bytes]]]:
        """Each read of a socket is an object of its own."""
        return [(_copy(request), [_copy(piece) for piece in pieces]) for _ in range(times)]

    async with asyncio.timeout(_LIMIT_S):
        await _ask_all(gateway, work(), pace)
        if ask and not ask.is_told(b"".join(gateway.reply.written), is_stream=case.is_stream):
            raise RuntimeError(f"the gateway answered {gateway.reply.written!r}")
        _freeze()
        await _ask_all(gateway, work(), pace)
        for _ in range(PARTS):
            ready = work()
            with counted():
                await _ask_all(gateway, ready, pace)


def _budgets_of(model: str) -> dict[str, Any]:
    """Budgets that pay for everything."""
    both = {"max_budget": 1_000_000, "max_tokens_budget": 1_000_000_000_000}
    return {**both, "model_max_budget": {model: {**both, "budget_duration": "1d"}}}


def _plain_request(key: str, case: Case) -> bytes:
    chunks = CHUNKS if case.is_stream else 0
    extra = MENDED if case.kind == "full" else {}
    return Load(_PORT, 1, key, chunks=chunks, extra=extra).request()


def _shaped_request(ask: Ask, model: str, key: str, case: Case) -> bytes:
    body = ask.request_body(model, is_stream=case.is_stream)
    return posted(_PORT, ask.path, {**bearer(key), **ask.headers}, body)


@dataclass(frozen=True, slots=True)
class _Pace:
    """When the next piece of an answer comes, and what must stand in the head of the gateway's.

    Attributes:
        turns: of the loop that are waited after each piece.
        until_written: whether fewer are waited where the gateway has written something.
        head: the line.
    """

    turns: int
    until_written: bool
    head: bytes


_PACES = {
    "fast": _Pace(0, until_written=False, head=b"x-puna-lane: fast"),
    "full": _Pace(_TURNS, until_written=False, head=b"x-puna-lane: full"),
    "shape": _Pace(_TURNS, until_written=True, head=b"200 OK"),
}


class _Counts:
    """A meter as one for metrics is: requests by status, tokens, money, seconds."""

    def __init__(self) -> None:
        self.statuses: dict[int, int] = {}
        self.tokens = self.picos = 0
        self.seconds = 0.0

    def note(self, report: CallReport, outcome: Outcome) -> None:
        """Count a call."""
        if outcome != "success":
            raise RuntimeError("a call has failed")
        self.tokens += report.prompt_tokens + report.completion_tokens
        self.picos += report.cost_picos or 0

    def closed(self, visit: Visit) -> None:
        """Count a request."""
        status = visit.status
        self.statuses[status] = self.statuses.get(status, 0) + 1
        self.seconds += visit.spent_s


def _read_report(event: CallEvent) -> None:
    if not event.report.duration_s:
        raise RuntimeError("the report of a call is empty")


def _read_texts(event: CallEvent) -> None:
    if not (event.messages and event.answer.choices[0].message.content):
        raise RuntimeError("the texts of a call are empty")


_HOOKS: dict[str | None, tuple[Hook, ...]] = {"report": (_read_report,), "texts": (_read_texts,)}


async def _ask_all(
    gateway: Any, work: Sequence[tuple[bytes, Sequence[bytes]]], pace: _Pace
) -> None:
    asked, replied = gateway.asked.written, gateway.reply.written
    client = gateway.client
    turns, until_written, lane = pace.turns, pace.until_written, pace.head
    for request, pieces in work:
        replied.clear()
        client.data_received(request)
        while not asked:  # noqa: ASYNC110 - an event would be work that is not the gateway's
            await asyncio.sleep(0)
        asked.clear()
        for piece in pieces:
            before = len(replied)
            gateway.upstream.data_received(piece)
            for _ in range(turns):
                if until_written and len(replied) > before:
                    break
                await asyncio.sleep(0)
        while not client.cycle.response_complete:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0)
        if not replied[0].startswith(b"HTTP/1.1 200 OK") or lane not in replied[0]:
            raise RuntimeError(f"the gateway answered {replied[0]!r}")
    await asyncio.sleep(_LOG_S)
    if not gateway.is_kept:
        raise RuntimeError("the gateway closed a connection that it should keep")


def _copy(data: bytes) -> bytes:
    return bytes(bytearray(data))


def _reply(case: Case) -> list[bytes]:
    """The upstream's bytes, a read each."""
    ask = ASKS[case.ask] if case.ask else None
    if not case.is_stream:
        body = ask.answer.whole() if ask else whole_body()
        return [_HEAD % (b"application/json", b"content-length: %d" % len(body)) + body]
    told = _with_usage(ask.answer.events()) if ask else events(CHUNKS, tells_usage=True)
    pieces = [b"%x\r\n%b\r\n" % (len(event), event) for event in told]
    pieces = [_HEAD % (b"text/event-stream", b"transfer-encoding: chunked"), *pieces]
    pieces[-1] += b"0\r\n\r\n"
    return [b"".join(pieces)] if case.at_once else pieces


def _with_usage(told: Sequence[bytes]) -> Sequence[bytes]:
    """The usage comes with the end that is before it, in one read."""
    *chunks, end, usage, done = told
    return (*chunks, end + usage, done)


if __name__ == "__main__":
    main(sys.argv[1:])
    os._exit(0)  # what a program does at its end is not counted, and takes its time here
