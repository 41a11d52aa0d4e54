"""One call of the fast lane: the attempt machine driven by callbacks, no task and no future.

The same run, dialect, delivery and settlement as the engine's; what differs is who waits. Bytes
that are plain (`wire/envelope.py`) are passed on under the public name of the model; at the first
that are not, the dialect's reader takes over, and the caller sees no seam.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from puna.engine.call import Attempt, Call, Run
from puna.engine.clock import Clock
from puna.errors import APIError
from puna.gateway.replies import internal_error
from puna.routing.attempts import GiveUp, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook, Outcome, wait_for_hooks
from puna.types.report import CallReport
from puna.wire.envelope import ChatEnvelope, Renaming
from puna.wire.http import HTTPRequest

_log = logging.getLogger("puna.gateway")


class Exchange(Protocol):
    """A request under way at the transport."""

    def pause(self) -> None:
        """Read no more for now."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def cancel(self) -> None:
        """Cut the connection; nothing is heard of it again."""
        ...


class Client(Protocol):
    """The way back to who asked."""

    def reply(self, report: CallReport, body: bytes) -> None:
        """A whole answer."""
        ...

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        ...

    def begin(self, report: CallReport) -> None:
        """The head of a stream of events."""
        ...

    def send(self, events: bytes) -> None:
        """Some of its events."""
        ...

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Road:
    """What every call of a lane shares.

    `start` sends a request and tells the call (a `ReplySink`) of its reply.
    """

    start: Callable[[HTTPRequest, FastCall], Exchange]
    loop: asyncio.AbstractEventLoop
    clock: Clock
    health: Health
    hooks: tuple[Hook, ...]
    waiting: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def settle(self, run: Run, outcome: Outcome, **facts: Any) -> None:
        """End a call; what its hooks want awaited is awaited later."""
        pending: list[Awaitable[None]] = run.settle(outcome, **facts)
        if pending:
            # The loop itself keeps only a weak reference to a task.
            task = self.loop.create_task(wait_for_hooks(pending))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)


class Route(Protocol):
    """How the calls of one public model name go."""

    renaming: Renaming
    secrets: frozenset[str]
    """What no header of a reply may hold."""

    def build(self, envelope: ChatEnvelope, deployment: Deployment, /) -> HTTPRequest:
        """The request that asks a deployment."""
        ...


class FastCall(ABC):
    """A call under way; hears of the reply of one attempt after the other."""

    def __init__(
        self, road: Road, route: Route, envelope: ChatEnvelope, call: Call, client: Client
    ) -> None:
        self._road = road
        self._route = route
        self._envelope = envelope
        self._client = client
        self._run = Run(call, road.health, road.clock, road.hooks)
        self._run.report.lane = "fast"
        self._deployment: Deployment | None = None
        self._request: HTTPRequest | None = None
        self._attempt: Attempt | None = None
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False
        self._is_paused = False

    def start(self) -> None:
        """Send the first attempt."""
        self._guarded(self._step)

    def client_left(self) -> None:
        """End the call: the upstream is cut and what was used is settled."""
        if not self._is_over:
            self._stop()
            self._note_used()
            self._settle("cancelled")

    def pause(self) -> None:
        """The client reads slowly: read no faster from the host."""
        self._is_paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client has caught up."""
        self._is_paused = False
        if self._exchange is not None:
            self._exchange.resume()

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of a reply."""
        try:
            self._take_head(status, headers)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def on_piece(self, data: bytes) -> None:
        """Some of its body."""
        if self._is_over:
            return
        try:
            self._take_piece(data)
        except Exception:  # noqa: BLE001 - the same
            self._crashed()

    def on_end(self) -> None:
        """The body is whole."""
        self._exchange = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_over:
            self._guarded(self._take_end)

    def on_error(self, error: APIError) -> None:
        """No reply, or it broke."""
        self._exchange = None
        if not self._is_over:
            self._guarded(self._take_error, error)

    @abstractmethod
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None: ...

    @abstractmethod
    def _take_piece(self, data: bytes) -> None: ...

    @abstractmethod
    def _take_end(self) -> None: ...

    @abstractmethod
    def _take_error(self, error: APIError) -> None: ...

    @abstractmethod
    def _note_used(self) -> None:
        """Before a settlement: what was used so far."""

    @property
    def _tried(self) -> Attempt:
        """The attempt under way, for the readers of the long way."""
        if self._attempt is None:
            assert self._deployment is not None, "a reply without a try"  # noqa: S101 - narrows
            assert self._request is not None, "the same"  # noqa: S101 - narrows
            self._attempt = self._run.built_attempt(self._deployment, self._request)
        return self._attempt

    def _step(self) -> None:
        """Do what the attempt machine says."""
        self._timer = None
        step = self._run.attempts.next(self._road.clock.monotonic())
        if isinstance(step, Wait):
            self._timer = self._road.loop.call_later(step.seconds, self._guarded, self._step)
        elif isinstance(step, GiveUp):
            self._fail(step.error)
        else:
            self._deployment, self._attempt = step.deployment, None
            self._request = self._route.build(self._envelope, step.deployment)
            self._run.note_attempt(step.deployment)
            self._exchange = self._road.start(self._request, self)
            if self._is_paused:
                self._exchange.pause()

    def _failed(self, error: APIError) -> None:
        """An attempt failed before the client got a byte: another may follow."""
        self._run.attempts.failed(error, self._road.clock.monotonic())
        self._step()

    def _succeeded(self) -> None:
        self._run.succeeded()

    def _fail(self, error: APIError) -> None:
        self._settle("failure", error)
        self._client.refuse(error)

    def _settle(self, outcome: Outcome, error: Exception | None = None) -> None:
        self._is_over = True
        self._road.settle(self._run, outcome, error=error)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _guarded(self, act: Callable[..., None], *facts: Any) -> None:
        """Whatever nobody foresaw becomes an answer and a settlement, not silence."""
        try:
            act(*facts)
        except Exception:  # noqa: BLE001 - the outermost shell of the fast lane
            self._crashed()

    def _crashed(self) -> None:
        _log.exception("A call failed")
        self._stop()
        if not self._is_over:
            self._crash(internal_error())

    def _crash(self, error: APIError) -> None:
        self._fail(error)
