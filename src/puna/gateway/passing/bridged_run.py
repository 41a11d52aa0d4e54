"""The run of a call of the fast lane whose request came in another shape than chat.

The request is read whole and converted to chat by the same bridge as in the full lane, and its
dialect writes the body for the host. Only the chat answer is passed on like that of a chat request,
as bytes. The call's `ReplyWriter` (`passing/messages.py`) converts it to the client's format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from typing_extensions import override

from puna.engine.call import Attempt, Call
from puna.engine.thoughts import reads_think_tags
from puna.gateway.passing.routes import CallbackTransport, Exchange, ReadyDeployment
from puna.gateway.passing.runs import LaneContext, LaneRun
from puna.rescue.think_tags import OPEN
from puna.transports.lean import ReplySink
from puna.types.requests import ChatRequest
from puna.wire.plain_replies import PlainReply


class BridgedRun(LaneRun):
    """The run of a `Call` that a bridge has made."""

    _attempt: Attempt

    def __init__(self, context: LaneContext, transport: CallbackTransport, call: Call) -> None:
        super().__init__(call, context.health, context.clock, context.hooks)
        self._context = context
        self._transport = transport
        self.report.lane = "fast"

    @override
    def send(self, ready: ReadyDeployment, sink: ReplySink) -> Exchange:
        self._attempt = self.prepare(ready.deployment)
        return self._transport.start(self._attempt.built.http, sink)

    @property
    @override
    def attempt(self) -> Attempt:
        return self._attempt

    @property
    def _request(self) -> ChatRequest:
        """The chat request as the deployment got it."""
        return self._attempt.context.request

    @property
    @override
    def wants_usage(self) -> bool:
        return self._request.wants_usage

    @property
    @override
    def tool_names(self) -> AbstractSet[str]:
        tools: Sequence[Mapping[str, Any]] = self._request.params.get("tools", ())
        functions = [tool.get("function") for tool in tools]
        return frozenset(one["name"] for one in functions if isinstance(one, Mapping))

    @property
    @override
    def looks_for_thoughts(self) -> bool:
        return reads_think_tags(self._request)

    @override
    def needs_reader(self, plain: PlainReply) -> bool:
        if super().needs_reader(plain):
            return True
        texts = [choice.message.content or "" for choice in plain.choices]
        return self.looks_for_thoughts and any(OPEN in text for text in texts)
