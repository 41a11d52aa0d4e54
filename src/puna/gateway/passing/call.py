"""One call of the fast lane: attempts at hosts, driven by callbacks instead of a task.

Attempts, dialect, reading and settlement are the engine's. A reply that is plain
(`wire/plain_replies.py`) is passed on as bytes, under the public name of the model. From the first
bytes that are not plain the dialect's reader reads, and the client sees no difference.

States of a `FastCall`: *waiting* (for its start, or with a timer for the next attempt), *asking* (a
host has the request, `_exchange` is set), *over* (`_is_over`). Events:

- `start` and the timer ask the attempt machine what to do: send, wait, or give up.
- The transport reports the reply: `on_head`, `on_piece`, `on_end`; or `on_whole`; or `on_error`.
- The client leaves (`client_left`), reads slowly (`pause`), or has caught up (`resume`).

What always holds: at most one exchange is under way. The run is settled exactly once, when the call
becomes over. No attempt begins after the client got a byte. No exception leaves a callback of
the transport: one that nobody foresaw ends the call with an error. The writer gets `reply`; or
`refuse`; or `begin`, `send`s and `end`, with `fail` before the end of a broken stream; or
`break_off` at any time; or nothing more, once the client has left.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from puna.errors import APIError
from puna.gateway.answers.replies import internal_error, out_of_memory
from puna.gateway.passing.routes import Exchange, PlainRoute, ReadyDeployment
from puna.gateway.passing.runs import FastRun, LaneContext
from puna.gateway.requests.free_memory import lacks_memory
from puna.routing.attempts import GiveUp, Wait
from puna.telemetry.events import Outcome
from puna.transports.lean import WholeReply
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")


class ReplyWriter(Protocol):
    """Writes the answer of one call to the client. `lines` are headers, each with its line end."""

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """Write a whole answer. It ends the reply."""
        ...

    def refuse(self, error: APIError) -> None:
        """Write an error, before any byte was sent. It ends the reply."""
        ...

    def begin(self, lines: bytes) -> None:
        """Begin a stream of events."""
        ...

    def send(self, events: bytes) -> None:
        """Write some events of the stream."""
        ...

    def fail(self, error: APIError) -> None:
        """Write the error event of a stream that broke; `end` follows."""
        ...

    def end(self, report: CallReport) -> None:
        """End the stream."""
        ...

    def break_off(self, error: APIError) -> None:
        """End the reply with an error, whatever was written; does nothing after its end."""
        ...


class FastCall(ABC):
    """A call under way. The transport reports the reply of each attempt to it, one after another.

    `WholeCall` and `StreamCall` say what is done with a reply. Fields that few calls ever set have
    their first value in the class.
    """

    _has_begun = False
    """Whether the client got the first event of a stream."""
    _ready: ReadyDeployment | None = None
    _timer: asyncio.TimerHandle | None = None

    def __init__(
        self,
        context: LaneContext,
        route: PlainRoute,
        run: FastRun,
        writer: ReplyWriter,
    ) -> None:
        """`run` knows the request, and keeps attempts, report and settlement."""
        self._context = context
        self._route = route
        self._run = run
        self._writer = writer
        # Set here, and not as the class's own values: every call reads them, which is faster so.
        self._is_over = False
        self._is_paused = False
        self._exchange: Exchange | None = None

    def start(self) -> None:
        """Begin the first attempt. Called once, when the visit is admitted."""
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

    @abstractmethod
    def _handle_error(self, error: APIError) -> None:
        """Try again, or end the reply with the error. Not called once the call is over."""

    @abstractmethod
    def _note_used(self) -> None:
        """Note in the run what was used so far. Called before a settlement."""

    @property
    def _current(self) -> ReadyDeployment:
        """The deployment of the attempt under way."""
        assert self._ready is not None, "a reply without a try"  # noqa: S101 - narrows
        return self._ready

    def _step(self) -> None:
        """Do what the attempt machine says: send, wait, or give up."""
        self._timer = None
        monotonic = self._context.clock.monotonic
        step = self._run.attempts.next(monotonic())
        if isinstance(step, Wait):
            self._timer = self._context.loop.call_later(step.seconds, self._guarded, self._step)
        elif isinstance(step, GiveUp):
            self._fail(step.error)
        else:
            self._ready = ready = self._route.ready[step.deployment_id]
            try:
                self._exchange = self._run.send(ready, self)
            except APIError as error:  # this request cannot be sent to this deployment
                self._failed(error)
                return
            if self._is_paused:
                self._exchange.pause()

    def _failed(self, error: APIError) -> None:
        """An attempt failed before the client got a byte: another may follow."""
        drop_frames(error)
        self._run.failed(error)
        self._step()

    def _fail(self, error: APIError) -> None:
        """End the call with an error, before the client got a byte."""
        self._settle("failure", error)
        self._writer.refuse(error)

    def _settle(self, outcome: Outcome, error: Exception | None = None) -> None:
        """Make the call over, and end its run."""
        self._is_over = True
        self._run.end(outcome, error=error)

    def _leave_exchange(self) -> None:
        """The transport has finished with the exchange: forget it, and its timer."""
        self._exchange = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _stop(self) -> None:
        """Cut the exchange, if one is under way, and its timer."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _guarded(self, act: Callable[..., None], *facts: Any) -> None:
        """Call `act`; an exception ends the call with an error, and does not leave here."""
        try:
            act(*facts)
        except Exception:  # noqa: BLE001 - the outermost shell of the fast lane
            self._crashed()

    def _crashed(self) -> None:
        """End the call after an exception that nobody foresaw: log, settle, and answer."""
        is_memory = lacks_memory(sys.exc_info()[1])
        _log.exception("A call failed")
        self._stop()
        error: APIError = out_of_memory() if is_memory else internal_error()
        if not self._is_over:
            if self._has_begun:  # else it is a failed attempt, whose usage nobody knows
                self._note_used_safely()
            self._settle("failure", error)
        self._writer.break_off(error)

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
