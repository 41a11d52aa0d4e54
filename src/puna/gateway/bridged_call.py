"""Calls of the fast lane whose request is not a chat request, but one of the Messages API.

The request is read whole and converted to chat by the same bridge as in the full lane, and its
dialect writes the body for the host. Only the chat answer is passed on like that of a chat request,
as bytes. The call's `ReplyWriter` (`messages_lane.py`) converts it to the client's format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from typing_extensions import override

from puna.engine.call import Call
from puna.engine.rescue import tools_to_rescue
from puna.engine.thoughts import reads_think_tags
from puna.gateway.fast_call import FastCall
from puna.gateway.fast_routes import Exchange, PlainRoute, ReadyDeployment
from puna.gateway.fast_run import LaneContext, LaneRun
from puna.gateway.plain_stream import NO_TOOLS, StreamTools
from puna.gateway.stream_call import StreamCall
from puna.gateway.whole_call import WholeCall, may_call
from puna.rescue.think_tags import OPEN
from puna.types.requests import ChatRequest
from puna.wire.plain_replies import PlainReply


class BridgedRun(LaneRun):
    """The run of a `Call` that a bridge has made: attempts, report and settlement."""

    def __init__(self, context: LaneContext, call: Call) -> None:
        super().__init__(call, context.health, context.clock, context.hooks)
        self._context = context
        self.report.lane = "fast"


class _Bridged(FastCall):
    """Sends the request that the dialect builds from the call, where `FastCall` passes one on.

    The call's `_envelope` is `NO_ENVELOPE`; what it would say is asked of `_request`.
    """

    _route: PlainRoute

    @override
    def _send(self, ready: ReadyDeployment) -> Exchange:
        attempt = self._attempt = self._run.prepare(ready.deployment)
        http = attempt.built.http
        return self._route.transport.start(http, self)

    @property
    def _request(self) -> ChatRequest:
        """The chat request of the attempt under way."""
        return self._tried.context.request

    @property
    @override
    def _tool_names(self) -> AbstractSet[str]:
        known = tools_to_rescue(self._request)
        return known.schemas.keys() if known is not None else frozenset()


class BridgedWholeCall(_Bridged, WholeCall):
    """A bridged call whose answer comes whole."""

    @override
    def _needs_reader(self, plain: PlainReply) -> bool:
        if may_call(plain, self._tool_names):
            return True
        texts = [choice.message.content or "" for choice in plain.choices]
        return reads_think_tags(self._request) and any(OPEN in text for text in texts)


class BridgedStreamCall(_Bridged, StreamCall):
    """A bridged call whose answer comes as a stream of events."""

    @property
    @override
    def _wants_usage(self) -> bool:
        return self._request.wants_usage

    @override
    def _stream_tools(self) -> StreamTools:
        request = self._request
        tools: Sequence[Mapping[str, Any]] = request.params.get("tools", ())
        thinks = reads_think_tags(request)
        if not tools:
            return StreamTools(looks_for_thoughts=True) if thinks else NO_TOOLS
        functions = [tool.get("function") for tool in tools]
        names = frozenset(one["name"] for one in functions if isinstance(one, Mapping))
        is_screened = bool(self._tool_names)
        return StreamTools(names, self._make_screen if is_screened else None, thinks)
