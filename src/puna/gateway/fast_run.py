"""The run of a call of the fast lane: the engine's, over a call that is made when it is asked for.

A usual call ends without anybody having looked at its request as the long way's value.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from msgspec import UNSET
from typing_extensions import override

from puna.engine.call import Call
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.gateway.fast_routes import PlainRoute
from puna.governance.keys import Principal
from puna.routing.attempts import Attempts, RetryPolicy
from puna.routing.health import Health
from puna.telemetry.events import Hook, HookTasks, Outcome, Texts
from puna.types.requests import make_chat_request
from puna.wire.envelope import ChatEnvelope


@dataclass(frozen=True, slots=True)
class LaneContext:
    """What every call of a lane shares."""

    loop: asyncio.AbstractEventLoop
    clock: Clock
    policy: RetryPolicy
    health: Health
    hooks: tuple[Hook, ...]
    hook_tasks: HookTasks


class LaneRun(Run):
    """A run whose end is not awaited."""

    _context: LaneContext

    @property
    def calls(self) -> Sequence[Call]:
        """What the admission is asked about (see `visit.Asked`)."""
        return (self.call,)

    @override
    def texts(self, answer: Any) -> Texts:
        """`answer` may be a function that builds it."""
        return Texts(self.asked, answer if callable(answer) else lambda: answer)

    def end(self, outcome: Outcome, *, error: Exception | None = None, answer: Any = None) -> None:
        """Settle; what hooks want awaited is awaited later."""
        pending = self.settle(outcome, error=error, answer=answer)
        if pending:
            self._context.hook_tasks.start(pending)


class FastRun(LaneRun):
    """A run that knows the plain request instead of a `Call`."""

    _made: Call | None = None

    def __init__(
        self,
        context: LaneContext,
        route: PlainRoute,
        envelope: ChatEnvelope,
        principal: Principal,
        call_id: str,
    ) -> None:
        self._context = context
        self._route = route
        self._envelope = envelope
        self._principal = principal
        clock = context.clock
        self.attempts = Attempts(route.plan, context.policy, context.health, clock.dice)
        self._begin(call_id, route.name, clock, context.hooks)
        self.report.lane = "fast"

    @property
    @override
    def call(self) -> Call:
        if self._made is None:
            fields = self._envelope.to_fields()
            metadata = fields.pop("metadata", {})
            model, messages = fields.pop("model"), fields.pop("messages")
            self._made = Call(
                request=make_chat_request(
                    model, messages, fields, stream=fields.pop("stream", False)
                ),
                plan=self._route.plan,
                policy=self._context.policy,
                metadata={**metadata, **self._own_metadata()},
                call_id=self.report.call_id,
            )
        return self._made

    @property
    @override
    def is_stream(self) -> bool:
        return self._envelope.stream is True

    @property
    @override
    def metadata(self) -> Mapping[str, Any]:
        if self._envelope.metadata is UNSET:
            return self._own_metadata()
        return self.call.metadata

    def _own_metadata(self) -> Mapping[str, Any]:
        return {"key_id": self._principal.key_id}

    @override
    def asked(self) -> Mapping[str, Any]:
        return {"messages": tuple(self._envelope.to_messages())}
