"""The runs of calls of the fast lane: the engine's run, which also sends the request.

`FastRun` is for a chat request that is passed on; a usual one ends without a `Call` having been
made of it. `BridgedRun` (`passing/bridged.py`) is for a request that came in another shape.
"""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from typing import Any

from msgspec import UNSET
from typing_extensions import override

from puna.engine.call import Attempt, Call
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.engine.rescue import tools_to_rescue
from puna.gateway.passing.routes import Exchange, PlainRoute, ReadyDeployment
from puna.governance.keys import Principal
from puna.rescue.stream import may_begin_call
from puna.routing.attempts import Attempts, RetryPolicy
from puna.routing.health import Health
from puna.telemetry.events import Hook, HookTasks, Outcome, Texts
from puna.transports.lean import ReplySink
from puna.types.requests import make_chat_request
from puna.wire.envelope import ChatEnvelope
from puna.wire.plain_replies import PlainReply


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
    """A run whose request a `FastCall` sends, and whose end is not awaited.

    It knows the request, so that the call need not: `FastRun` passes one on, `BridgedRun` has the
    dialect write it.
    """

    _context: LaneContext

    @abstractmethod
    def send(self, ready: ReadyDeployment, sink: ReplySink) -> Exchange:
        """Send the request to a deployment; `sink` gets the reply.

        Raises:
            APIError: the request cannot be sent to this deployment.
        """

    @property
    @abstractmethod
    def attempt(self) -> Attempt:
        """The attempt that was sent last, for the dialect's reader."""

    @property
    @abstractmethod
    def wants_usage(self) -> bool:
        """Whether the client wants a stream's usage as a chunk."""

    @property
    @abstractmethod
    def tool_names(self) -> AbstractSet[str]:
        """The names of the request's tools."""

    @property
    def rescued_names(self) -> AbstractSet[str]:
        """The names of the tools whose calls are looked for in texts."""
        known = tools_to_rescue(self.attempt.context.request)
        return known.schemas.keys() if known is not None else frozenset()

    @property
    def looks_for_thoughts(self) -> bool:
        """Whether a text may begin with thoughts between tags."""
        return False

    def needs_reader(self, plain: PlainReply) -> bool:
        """Whether a text of a whole answer may be a tool call, or hold thoughts."""
        texts = _suspects(plain)
        if not texts:
            return False
        names = self.rescued_names
        return any("\\" in text or any(name in text for name in names) for text in texts)

    @property
    def calls(self) -> Sequence[Call]:
        """What the admission is asked about (see `visit.PlannedCalls`)."""
        return (self.call,)

    @override
    def texts(self, answer: Any) -> Texts:
        """`answer` may be a function that builds it."""
        return Texts(self.request_content, answer if callable(answer) else lambda: answer)

    def end(self, outcome: Outcome, *, error: Exception | None = None, answer: Any = None) -> None:
        """Settle; what hooks want awaited is awaited later."""
        pending = self.settle(outcome, error=error, answer=answer)
        if pending:
            self._context.hook_tasks.start(pending)


class FastRun(LaneRun):
    """A run that passes a chat request on; it makes a `Call` only where somebody asks for one."""

    left_out: tuple[str, ...] = ()
    """The names of what a bridge from another shape left out of the request."""
    _made: Call | None = None
    _attempt: Attempt | None = None
    _ready: ReadyDeployment

    def __init__(
        self,
        context: LaneContext,
        route: PlainRoute,
        envelope: ChatEnvelope,
        fitted: ChatEnvelope,
        principal: Principal,
        call_id: str,
    ) -> None:
        """`envelope` is the client's request, `fitted` the same as the hosts get it."""
        self._context = context
        self._route = route
        self._envelope = envelope
        self._fitted = fitted
        self.principal = principal
        clock = context.clock
        self.attempts = Attempts(route.plan, context.policy, context.health, clock.dice)
        self._begin(call_id, route.name, clock, context.hooks)
        self.report.lane = "fast"

    @override
    def send(self, ready: ReadyDeployment, sink: ReplySink) -> Exchange:
        self._ready, self._attempt = ready, None
        body, dropped = ready.changes.encode(self._fitted)
        self.note_attempt(ready.deployment)
        if dropped or self.left_out:
            self.report.dropped_params = self.left_out + dropped
        return ready.prepared.start(body, sink)

    @property
    @override
    def attempt(self) -> Attempt:
        """Built when it is first needed: an answer that is plain needs none."""
        if self._attempt is None:
            ready = self._ready
            body, _ = ready.changes.encode(self._fitted)
            http = replace(ready.request, body=body)
            self._attempt = self.built_attempt(ready.deployment, http)
        return self._attempt

    @property
    @override
    def wants_usage(self) -> bool:
        return self._fitted.wants_usage

    @property
    @override
    def tool_names(self) -> AbstractSet[str]:
        tools = self._fitted.tools
        return frozenset([tool.function.name for tool in tools]) if tools else frozenset()

    @property
    @override
    def rescued_names(self) -> AbstractSet[str]:
        """The same without the request's values: `tools_to_rescue` asks those."""
        is_off = self._ready.deployment.rescue_tool_calls is False
        return frozenset() if is_off or self._fitted.tool_choice == "none" else self.tool_names

    @override
    def needs_reader(self, plain: PlainReply) -> bool:
        return self._fitted.tools is not UNSET and super().needs_reader(plain)

    @property
    @override
    def call(self) -> Call:
        if self._made is None:
            fields = self._envelope.to_fields()
            metadata = fields.pop("metadata", {})
            model = fields.pop("model")
            del fields["messages"]
            self._made = Call(
                request=make_chat_request(
                    model, self._envelope.to_messages(), fields, stream=fields.pop("stream", False)
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
        return {"key_id": self.principal.key_id}

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"messages": tuple(self._envelope.to_messages())}


def _suspects(plain: PlainReply) -> list[str]:
    """The texts of a whole answer in which a tool call may begin; a choice with calls has none."""
    return [
        text
        for choice in plain.choices
        if not choice.message.tool_calls
        and (text := choice.message.content)
        and may_begin_call(text)
    ]
