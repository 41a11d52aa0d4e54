"""Calls of the fast lane whose request came in another shape than chat.

The request goes through the same bridge and the same rules as in the full lane: it is read whole
and written anew. Its answer passes by the bytes, as a chat answer does; the writer makes the events
or the body of the client's shape of it.
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
    """The run of a call that a bridge has made."""

    def __init__(self, context: LaneContext, call: Call) -> None:
        super().__init__(call, context.health, context.clock, context.hooks)
        self._context = context
        self.report.lane = "fast"


class _Bridged(FastCall):
    """What differs from a request that is passed on."""

    _route: PlainRoute

    @override
    def _send(self, ready: ReadyDeployment) -> Exchange:
        attempt = self._attempt = self._run.prepare(ready.deployment)
        http = attempt.built.http
        return self._route.transport.start(http, self)

    @property
    def _request(self) -> ChatRequest:
        """What the deployment under way is asked."""
        return self._tried.context.request

    @property
    @override
    def _tool_names(self) -> AbstractSet[str]:
        known = tools_to_rescue(self._request)
        return known.schemas.keys() if known is not None else frozenset()


class BridgedWholeCall(_Bridged, WholeCall):
    """A call whose answer comes whole."""

    @override
    def _needs_reader(self, plain: PlainReply) -> bool:
        if may_call(plain, self._tool_names):
            return True
        texts = [choice.message.content or "" for choice in plain.choices]
        return reads_think_tags(self._request) and any(OPEN in text for text in texts)


class BridgedStreamCall(_Bridged, StreamCall):
    """A call whose answer comes as events."""

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
