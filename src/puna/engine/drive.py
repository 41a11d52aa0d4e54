"""A call under way that callbacks drive, without a task: its attempts, up to the settlement.

`WholeDrive` and `StreamDrive` read the replies; the gateway's calls are subclasses of these.

States of a `CallDrive`: *waiting* (for its start, or with a timer for the next attempt), *asking*
(a host has the request, `_exchange` is set), *over* (`_is_over`). Events:

- `start` and the timer ask the attempt machine what to do: send, wait, or give up.
- The transport reports the reply: `on_head`, `on_piece`, `on_end`; or `on_whole`; or `on_error`.
- The client leaves (`client_left`), reads slowly (`pause`), or has caught up (`resume`).

What always holds: at most one exchange is under way. The run is settled exactly once, when the call
becomes over. No attempt begins after the client got a part of the answer. No exception leaves a
callback of the transport: one that nobody foresaw ends the call with an error. The sink gets
`refuse`; or an answer; or the chunks of one, `end`, and `fail` before it for a broken stream; or
`break_off` at any time; or nothing more, once the client has left.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from puna.engine.call import Attempt, attribute
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.errors import APIError
from puna.routing.attempts import GiveUp, RetryPolicy, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook, HookTasks, Outcome
from puna.transports.lean import ReplySink, WholeReply
from puna.types.report import CallReport

_log = logging.getLogger("puna")


class Exchange(Protocol):
    """A request that was sent, and whose reply is being received by the transport."""

    def pause(self) -> None:
        """Stop reading the reply until `resume`."""
        ...

    def resume(self) -> None:
        """Read the reply again."""
        ...

    def cancel(self) -> None:
        """Close the connection; its sink is not called again."""
        ...


class AnswerSink(Protocol):
    """Gets the end of a call. What comes before, each kind of drive gives to its subclass."""

    def refuse(self, error: APIError) -> None:
        """The call failed before any part of the answer came. It ends the call."""
        ...

    def fail(self, error: APIError) -> None:
        """The stream broke after it had begun; `end` follows."""
        ...

    def end(self, report: CallReport) -> None:
        """The stream is complete, or has failed."""
        ...

    def break_off(self, error: APIError) -> None:
        """The call ends with an error, whatever came; does nothing after its end."""
        ...


@dataclass(frozen=True, slots=True)
class DriveContext:
    """What all driven calls of one event loop share.

    `crash_error` gives the error that the client gets for an exception that nobody foresaw.
    """

    loop: asyncio.AbstractEventLoop
    clock: Clock
    policy: RetryPolicy
    health: Health
    hooks: tuple[Hook, ...]
    hook_tasks: HookTasks
    crash_error: Callable[[BaseException | None], APIError]


class DrivenRun(Run):
    """A run that sends its requests with callbacks."""

    @abstractmethod
    def send(self, deployment: Deployment, sink: ReplySink, /) -> Exchange:
        """Send the request to a deployment; `sink` gets the reply, never before this returns.

        Raises:
            APIError: this request cannot be sent there.
        """

    @property
    @abstractmethod
    def attempt(self) -> Attempt:
        """The attempt that was sent last, for the dialect's reader."""


RunT = TypeVar("RunT", bound=DrivenRun)
SinkT = TypeVar("SinkT", bound=AnswerSink)


class CallDrive(ABC, Generic[RunT, SinkT]):
    """A call under way. The transport reports the reply of each attempt to it, one after another.

    Fields that few calls ever set have their first value in the class.
    """

    _has_begun = False
    """Whether the client got the first part of a stream."""
    _timer: asyncio.TimerHandle | None = None

    def __init__(self, context: DriveContext, run: RunT, sink: SinkT) -> None:
        """`run` knows the request, and keeps attempts, report and settlement."""
        self._context = context
        self._run = run
        self._sink = sink
        # Set here, and not as the class's own values: every call reads them, which is faster so.
        self._is_over = False
        self._is_paused = False
        self._exchange: Exchange | None = None

    def start(self) -> None:
        """Begin the first attempt. Called once."""
        try:
            self._step()
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def client_left(self) -> None:
        """The client has left: cut the upstream, and settle what was used."""
        if not self._is_over:
            self._stop()
            self._note_used_safely()
            self._settle("cancelled")

    def pause(self) -> None:
        """The client reads slowly: stop reading from the host."""
        self._is_paused = True
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client has caught up: read from the host again."""
        self._is_paused = False
        if self._exchange is not None:
            self._exchange.resume()

    # --- what the transport calls

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of a reply has come."""
        try:
            self._read_head(status, headers)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    @abstractmethod
    def on_piece(self, data: bytes) -> None:
        """A part of the reply's body has come."""

    def on_end(self) -> None:
        """The reply's body is complete."""
        self._leave_exchange()
        if not self._is_over:
            self._guarded(self._read_end)

    def on_whole(self, reply: WholeReply) -> None:
        """A reply has come with head and body in one read."""
        exchange = self._exchange
        self.on_head(reply.status, reply.headers)
        if reply.body:
            self.on_piece(reply.body)
        if self._exchange is exchange:  # else this attempt failed, and another began
            self.on_end()

    def on_error(self, error: APIError) -> None:
        """The attempt failed without a reply, or its reply broke."""
        self._leave_exchange()
        if not self._is_over:
            self._guarded(self._handle_error, error)

    @abstractmethod
    def _read_head(self, status: int, headers: Mapping[str, str]) -> None:
        """Begin to read the reply of a new attempt."""

    @abstractmethod
    def _read_end(self) -> None:
        """Read what is left at the end of the body. Not called once the call is over."""

    def _handle_error(self, error: APIError) -> None:
        """Try again, or end the call with the error. Not called once the call is over."""
        self._failed(attribute(error, self._run.attempt))

    def _note_used(self) -> None:
        """Note in the run what was used so far. Called before a settlement."""

    def _step(self) -> None:
        """Do what the attempt machine says: send, wait, or give up."""
        self._timer = None
        monotonic = self._context.clock.monotonic
        step = self._run.attempts.next(monotonic())
        if isinstance(step, Wait):
            self._timer = self._context.loop.call_later(step.seconds, self._guarded, self._step)
        elif isinstance(step, GiveUp):
            self._settle("failure", error=step.error)
            self._sink.refuse(step.error)
        else:
            try:
                self._exchange = self._run.send(step, self)
            except APIError as error:  # this request cannot be sent to this deployment
                self._failed(error)
                return
            if self._is_paused:
                self._exchange.pause()

    def _failed(self, error: APIError) -> None:
        """An attempt failed before any part of the answer came: another may follow."""
        drop_frames(error)
        self._run.failed(error)
        self._step()

    def _settle(
        self, outcome: Outcome, *, error: Exception | None = None, answer: Any = None
    ) -> None:
        """Make the call over, and end its run. What hooks want awaited is awaited later."""
        self._is_over = True
        pending = self._run.settle(outcome, error=error, answer=answer)
        if pending:
            self._context.hook_tasks.start(pending)

    def _leave_exchange(self) -> None:
        """The transport has finished with the exchange: forget it, and its timer."""
        self._exchange = None
        self._stop_timer()

    def _stop(self) -> None:
        """Cut the exchange, if one is under way, and its timer."""
        self._stop_timer()
        self._cut()

    def _cut(self) -> None:
        """Cut the exchange, if one is under way."""
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _guarded(self, act: Callable[..., None], *facts: Any) -> None:
        """Call `act`; an exception ends the call with an error, and does not leave here."""
        try:
            act(*facts)
        except Exception:  # noqa: BLE001 - the outermost shell of a driven call
            self._crashed()

    def _crashed(self) -> None:
        """End the call after an exception that nobody foresaw: log, settle, and answer."""
        error = self._context.crash_error(sys.exc_info()[1])
        _log.exception("A call failed")
        self._stop()
        if not self._is_over:
            if self._has_begun:  # else it is a failed attempt, whose usage nobody knows
                self._note_used_safely()
            self._settle("failure", error=error)
        self._sink.break_off(error)

    def _note_used_safely(self) -> None:
        """Note what was used. A failure here is logged, so that the settlement still comes."""
        try:
            self._note_used()
        except Exception:  # noqa: BLE001 - as above
            _log.exception("What a call used is not known")


def drop_frames(error: BaseException | None) -> None:
    """Remove the tracebacks of an error and its causes, once it is reported and no longer raised.

    The frames of a traceback hold the call and its bodies, and the call holds the error. This
    cycle would keep all of them in memory until the garbage collector runs.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
