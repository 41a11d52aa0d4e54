"""The runs of calls of the fast lane: the engine's run, which also sends the request.

`FastRun` is for a chat request that is passed on; a usual one ends without a `Call` having been
made of it. `BridgedRun` (`passing/bridged.py`) is for a request that came in another shape.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from typing import Any

from msgspec import UNSET
from typing_extensions import override

from puna.engine.call import Attempt, Call
from puna.engine.drive import DriveContext, DrivenRun, Exchange
from puna.engine.usage_bounds import (
    PlannedUsage,
    UsageBound,
    bound_of,
    bound_of_sizes,
)
from puna.gateway.passing.routes import ReadyDeployment, Route
from puna.governance.keys import Principal
from puna.rescue.stream import may_begin_call
from puna.rescue.tools import KnownTools
from puna.routing.attempts import Attempts
from puna.routing.deployment import Deployment
from puna.telemetry.events import Texts
from puna.transports.lean import ReplySink
from puna.types.requests import make_chat_request
from puna.wire.envelope import ChatEnvelope, Tool, may_have_image
from puna.wire.plain_replies import PlainReply

_LIMIT_PARAMS = ("max_completion_tokens", "max_tokens", "n")


class FastRun(DrivenRun):
    """The run of one call in the fast lane: it sends the request unchanged.

    It makes a `Call` only where somebody asks for one.
    """

    left_out: tuple[str, ...] = ()
    """The names of what a bridge from another shape left out of the request."""
    other_tools: Sequence[Tool] = ()
    """Tools of the request that hosts do not get, and whose calls in texts are found."""
    body_bytes = 0
    """The length of the client's body."""
    _made: Call | None = None
    _attempt: Attempt | None = None
    ready: ReadyDeployment
    """The deployment that the request was sent to last."""

    def __init__(
        self,
        context: DriveContext,
        route: Route,
        envelope: ChatEnvelope,
        fitted: ChatEnvelope,
        principal: Principal,
        call_id: str,
    ) -> None:
        """`envelope` is the client's request, `fitted` the same as the hosts get it."""
        self._context = context
        self.route = route
        self._envelope = envelope
        self._fitted = fitted
        self.principal = principal
        clock = context.clock
        self.attempts = Attempts(route.plan, context.policy, context.health, clock.dice)
        self._init_state(call_id, route.name, clock, context.hooks)
        self.report.lane = "fast"

    @override
    def send(self, deployment: Deployment, sink: ReplySink, /) -> Exchange:
        self.ready = ready = self.route.ready[deployment.deployment_id]
        self._attempt = None
        body, dropped = ready.changes.encode(self._fitted)
        self.note_attempt(ready.deployment)
        if dropped or self.left_out:
            self.report.dropped_params = self.left_out + dropped
        sent = ready.streamed if self._envelope.stream is True else ready.whole
        return sent.prepared.start(body, sink)

    @property
    @override
    def attempt(self) -> Attempt:
        if self._attempt is None:
            ready = self.ready
            body, _ = ready.changes.encode(self._fitted)
            sent = ready.streamed if self.is_stream else ready.whole
            http = replace(sent.request, body=body)
            self._attempt = self.built_attempt(ready.deployment, http)
        return self._attempt

    @property
    def wants_usage(self) -> bool:
        """Whether the client wants a stream's usage as a chunk."""
        return self._fitted.wants_usage

    @property
    def tool_names(self) -> AbstractSet[str]:
        """The names of the request's tools."""
        return {tool.function.name for tool in self._tools}

    @property
    def tools_to_rescue(self) -> KnownTools | None:
        """The tools whose calls are looked for in texts; None where nothing is.

        It is what `engine.rescue.tools_to_rescue` gives for the whole request, without reading it.
        """
        tools = self._tools
        deployment = self.ready.deployment
        is_off = deployment.rescue_tool_calls is False or self._fitted.tool_choice == "none"
        if not tools or is_off:
            return None
        schemas = {tool.function.name: tool.function.parameters or b"{}" for tool in tools}
        repairs = bool(deployment.repair_tool_arguments)
        return KnownTools.undecoded(schemas, repairs=repairs)

    @property
    def _tools(self) -> Sequence[Tool]:
        """The request's tools, with those that hosts do not get."""
        tools = self._fitted.tools or ()
        return (*tools, *self.other_tools) if self.other_tools else tools

    @property
    def looks_for_thoughts(self) -> bool:
        """Whether a text may begin with thoughts between tags."""
        return False

    def needs_reader(self, plain: PlainReply) -> bool:
        """Whether a text of a whole answer may be a tool call, or hold thoughts."""
        if self._fitted.tools is UNSET:
            return False
        texts = _texts_with_calls(plain)
        known = self.tools_to_rescue if texts else None
        return known is not None and any(map(known.may_be_named_in, texts))

    @property
    def usage(self) -> Sequence[PlannedUsage]:
        """What the visit is to be admitted for: this call."""
        return (self,)

    @property
    def model(self) -> str:
        """The public name of the model."""
        return self.route.name

    def bound(self, answer_tokens: int | None = None) -> UsageBound:
        """The most that the call may use, by its length: only images are looked into."""
        envelope = self._envelope
        if any(map(may_have_image, envelope.messages)):
            return bound_of((self.call,), answer_tokens)
        limits = {
            name: value
            for name in _LIMIT_PARAMS
            if isinstance(value := getattr(envelope, name), int)
        }
        route = self.route
        return bound_of_sizes(route.name, self.body_bytes, limits, route.priced, answer_tokens)

    @override
    def texts(self, answer: Any) -> Texts:
        """The texts for hooks. `answer` may be a function that builds the answer."""
        return Texts(self.request_content, answer if callable(answer) else lambda: answer)

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
                plan=self.route.plan,
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
        """The metadata that the gateway itself adds for hooks: the key's id."""
        return {"key_id": self.principal.key_id}

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"messages": tuple(self._envelope.to_messages())}


def _texts_with_calls(plain: PlainReply) -> list[str]:
    """The texts of a whole answer in which a tool call may begin.

    None of a choice that has calls.
    """
    return [
        text
        for choice in plain.choices
        if not choice.message.tool_calls
        and (text := choice.message.content)
        and may_begin_call(text)
    ]
