"""One call of the fast lane: the attempt machine driven by callbacks, no task and no future.

The same run, dialect, delivery and settlement as the engine's; what differs is who waits. Bytes
that are plain (`wire/envelope.py`) are passed on under the public name of the model; at the first
that are not, the dialect's reader takes over, and the caller sees no seam.
"""

from __future__ import annotations

import asyncio
import logging
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any, Protocol

from puna.engine.call import Attempt
from puna.errors import APIError
from puna.gateway.fast_routes import Exchange, PlainRoute, ReadyDeployment
from puna.gateway.fast_run import LaneContext, LaneRun
from puna.gateway.free_memory import lacks_memory
from puna.gateway.replies import internal_error, out_of_memory
from puna.routing.attempts import GiveUp, Wait
from puna.telemetry.events import Outcome
from puna.transports.lean import WholeReply
from puna.types.report import CallReport
from puna.wire.envelope import ChatEnvelope

_log = logging.getLogger("puna.gateway")


class ReplyWriter(Protocol):
    """The way back to who asked. `lines` are the headers that tell of the call."""

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """A whole answer."""
        ...

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        ...

    def begin(self, lines: bytes) -> None:
        """The head of a stream of events."""
        ...

    def send(self, events: bytes) -> None:
        """Some of its events."""
        ...

    def fail(self, error: APIError) -> None:
        """The last event of a stream that broke."""
        ...

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        ...

    def break_off(self, error: APIError) -> None:
        """End the reply in whatever state it is; nothing where it is whole."""
        ...


class FastCall(ABC):
    """A call under way: the sink of the reply of one attempt after the other.

    What a usual call never sets begins as the class's own value.
    """

    _ready: ReadyDeployment | None = None
    _attempt: Attempt | None = None
    _timer: asyncio.TimerHandle | None = None

    def __init__(
        self,
        context: LaneContext,
        route: PlainRoute,
        envelope: ChatEnvelope,
        run: LaneRun,
        writer: ReplyWriter,
    ) -> None:
        self._context = context
        self._route = route
        self._envelope = envelope
        self._run = run
        self._writer = writer
        # Set here, and not as the class's own values: every call reads them, which is faster so.
        self._is_over = False
        self._is_paused = False
        self._exchange: Exchange | None = None

    def start(self) -> None:
        """Send the first attempt."""
        try:
            self._step()
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def client_left(self) -> None:
        """End the call: the upstream is cut and what was used is settled."""
        if not self._is_over:
            self._stop()
            self._note_used_safely()
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

    # --- what the transport calls

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of a reply."""
        try:
            self._take_head(status, headers)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    @abstractmethod
    def on_piece(self, data: bytes) -> None:
        """Some of its body."""

    def on_end(self) -> None:
        """The body is whole."""
        self._leave_exchange()
        if not self._is_over:
            self._guarded(self._take_end)

    def on_whole(self, reply: WholeReply) -> None:
        """All at once."""
        exchange = self._exchange
        self.on_head(reply.status, reply.headers)
        if reply.body:
            self.on_piece(reply.body)
        if self._exchange is exchange:  # else it was no answer, and another try began
            self.on_end()

    def on_error(self, error: APIError) -> None:
        """No reply, or it broke."""
        self._leave_exchange()
        if not self._is_over:
            self._guarded(self._take_error, error)

    @abstractmethod
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None: ...

    @abstractmethod
    def _take_end(self) -> None: ...

    @abstractmethod
    def _take_error(self, error: APIError) -> None: ...

    @abstractmethod
    def _note_used(self) -> None:
        """Before a settlement: what was used so far."""

    @property
    def _asked(self) -> ReadyDeployment:
        assert self._ready is not None, "a reply without a try"  # noqa: S101 - narrows
        return self._ready

    @property
    def _tool_names(self) -> AbstractSet[str]:
        """The tools whose calls may come as text and are to become tool calls: none, or all."""
        envelope = self._envelope
        if (
            not envelope.tools
            or envelope.tool_choice == "none"
            or self._asked.deployment.rescue_tool_calls is False
        ):
            return frozenset()
        return frozenset([tool.function.name for tool in envelope.tools])

    @property
    def _tried(self) -> Attempt:
        """The attempt under way, for the readers of the long way."""
        if self._attempt is None:
            asked = self._asked
            body, _ = asked.changes.encode(self._envelope)
            http = replace(asked.request, body=body)
            self._attempt = self._run.built_attempt(asked.deployment, http)
        return self._attempt

    def _step(self) -> None:
        """Do what the attempt machine says."""
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
                self._exchange = self._send(ready)
            except APIError as error:  # the deployment cannot be asked this
                self._failed(error)
                return
            if self._is_paused:
                self._exchange.pause()

    def _send(self, ready: ReadyDeployment) -> Exchange:
        """Send the request to a deployment."""
        self._attempt = None
        body, dropped = ready.changes.encode(self._envelope)
        self._run.note_attempt(ready.deployment)
        if dropped:
            self._run.report.dropped_params = dropped
        return ready.prepared.start(body, self)

    def _failed(self, error: APIError) -> None:
        """An attempt failed before the client got a byte: another may follow."""
        drop_frames(error)
        self._run.failed(error)
        self._step()

    def _fail(self, error: APIError) -> None:
        self._settle("failure", error)
        self._writer.refuse(error)

    def _settle(self, outcome: Outcome, error: Exception | None = None) -> None:
        self._is_over = True
        self._run.end(outcome, error=error)

    def _leave_exchange(self) -> None:
        """It is over, and nothing waits for its end any more."""
        self._exchange = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

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
        is_memory = lacks_memory(sys.exc_info()[1])
        _log.exception("A call failed")
        self._stop()
        error: APIError = out_of_memory() if is_memory else internal_error()
        if not self._is_over:
            self._note_used_safely()
            self._settle("failure", error)
        self._writer.break_off(error)

    def _note_used_safely(self) -> None:
        """What was used may be what failed: the settlement comes all the same."""
        try:
            self._note_used()
        except Exception:  # noqa: BLE001 - as above
            _log.exception("What a call used is not known")


def drop_frames(error: BaseException | None) -> None:
    """Forget where an error and its causes came up, now that it is told and not raised.

    The frames hold the call and the bodies that it read, and the call holds the error: a circle
    that would keep all of it until the collector comes.
    """
    while error is not None:
        error.__traceback__ = None
        error = error.__cause__ or error.__context__
