"""One call of the Responses API. Each deployment is asked in that API, or over chat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from typing_extensions import override

from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.output import COMPLETED
from puna.bridges.responses.reply import response_of
from puna.bridges.responses.request import BridgedRequest, bridge_request, to_chat
from puna.bridges.responses.required import fill_required
from puna.bridges.responses.resending import items_to_resend
from puna.bridges.responses.stream import ResponseStream
from puna.bridges.responses.tools import ALWAYS_SENT, CHAT_KINDS
from puna.dialects.json_http import malformed
from puna.dialects.protocols import ResponsesDialect
from puna.dialects.request_rules import accepts_request
from puna.dialects.table import RESPONSES_DIALECTS
from puna.engine.aside import MANY
from puna.engine.call import Attempt, Call
from puna.engine.chat_run import Run
from puna.engine.clock import Clock
from puna.engine.run import CallRun
from puna.engine.usage import checked_usage, estimate_request, estimate_response
from puna.errors import BadRequestError
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook
from puna.types.chat import ChatCompletion
from puna.types.common import Usage
from puna.types.display import display
from puna.types.requests import ChatRequest
from puna.types.response_params import chat_only_params
from puna.types.response_request import Items, ResponsesRequest
from puna.types.responses import Response, ResponseEvent
from puna.wire.http import HTTPReply

ResponseAttempt = Attempt[ResponsesDialect, ResponsesRequest]
Answered = Response | ChatCompletion
"""What one of the parts answers."""

_ENDED = ("completed", "incomplete")
"""Of a response that is answered: the reader raises for one that failed."""


class EventConverter(Protocol):
    """Converts a stream's pieces (chunks, or a host's events) to the caller's events.

    `response` is the one in the last event, or None before that.
    """

    response: Response | None

    def convert(self, piece: Any, /) -> list[ResponseEvent]:
        """The events of a piece: of a chunk, or of an event of the host's."""
        ...

    def finish(self) -> list[ResponseEvent]:
        """The stream is complete: return its last events."""
        ...

    def fail(self, code: str, message: str) -> list[ResponseEvent]:
        """The stream broke: return the events that end a failed response."""
        ...


class ResponseRun(CallRun[ResponsesRequest, ResponsesDialect, Answered]):
    """The state of one call of the Responses API, with its report.

    Hosts that have only chat are asked by a `_ChatPart`; this run settles the call either way.
    """

    made_id_prefix = "resp_"

    def __init__(
        self,
        call: Call[ResponsesRequest],
        health: Health,
        clock: Clock,
        hooks: Sequence[Hook],
    ) -> None:
        super().__init__(call, health, clock, hooks)
        self.response_id = self.made_id_prefix + clock.make_id()
        self._chat: _ChatPart | None = None
        self._is_native = False

    @override
    def accepts(self, deployment: Deployment) -> bool:
        if self._speaks_natively(deployment):
            return super().accepts(deployment)
        try:
            # Not what may be left out, but whether it would have to be.
            request = replace(
                self.request_for(deployment), drop_params=False, has_strict_tools=True
            )
            return accepts_request(to_chat(request, bridge_request(request)), deployment.target)
        except BadRequestError:
            return False  # not over chat

    @override
    def is_long(self, deployment: Deployment) -> bool:
        del deployment  # the chat part says what it checks
        request = self.call.request
        return len(request.items) + len(request.earlier) > MANY

    @override
    def part_for(self, deployment: Deployment) -> CallRun[Any, Any, Any]:
        self._is_native = self._speaks_natively(deployment)
        if self._is_native:
            return self
        part = self._chat or _ChatPart(self)
        part.bridge_for(deployment)
        self._chat = part
        return part

    def _speaks_natively(self, deployment: Deployment) -> bool:
        """Whether a deployment is asked in the Responses API itself, not over chat."""
        target = deployment.target
        is_known = target.has_responses and target.dialect in RESPONSES_DIALECTS
        if not is_known or self.canned_for(deployment) is not None:
            return False
        kinds = self.call.request.tool_kinds
        if not target.quirks.prefers_chat_for_tools or kinds.isdisjoint(CHAT_KINDS):
            return True
        # With tools of both sorts: over chat if those that chat lacks may be left out.
        may_drop = self.call.request.drop_params or bool(deployment.drop_params)
        if not self.call.request.has_strict_tools:
            kinds -= ALWAYS_SENT
        return not (kinds <= CHAT_KINDS or may_drop)

    def response_of(self, answer: Answered) -> Response:
        """Convert a part's answer to a response with the report."""
        if isinstance(answer, Response):
            return answer
        began_at = int(self.report.started_at)
        return response_of(
            self._bridged,
            self.response_id,
            began_at,
            answer,
            completed_at=int(self.clock.now()),
        )

    def event_converter(self) -> EventConverter:
        """Make the converter for the stream that has just begun."""
        began_at = int(self.report.started_at)
        if self._is_native:
            return NativeResponse(self._in_progress(began_at), self.clock.now)
        return ResponseStream(self._bridged, self.response_id, began_at, self.clock.now)

    def _in_progress(self, began_at: int) -> dict[str, Any]:
        """The fields of the response before its host has sent any."""
        request = self.call.request
        begun: dict[str, Any] = {
            "id": self.response_id,
            "object": "response",
            "created_at": began_at,
            "model": request.model,
            "previous_response_id": request.previous_response_id,
            "store": request.is_stored,
            "metadata": dict(request.metadata),
        }
        fill_required(begun, request.params)
        return begun

    @property
    def _bridged(self) -> BridgedRequest:
        """The request as the chat part converted it."""
        assert self._chat is not None, "only the chat part answers so"  # noqa: S101 - narrows
        return self._chat.bridged

    @override
    def dialect_for(self, deployment: Deployment) -> ResponsesDialect:
        return RESPONSES_DIALECTS[deployment.target.dialect]

    @override
    def prepare(self, deployment: Deployment) -> ResponseAttempt:
        request = self.request_for(deployment)
        earlier, left_out = items_to_resend(request.earlier, deployment.deployment_id)
        items, left_out = self._split_items(request, deployment, left_out)
        # A deployment's defaults are in chat's words, and not all are known here.
        of_chat = chat_only_params(deployment.params) - self.call.request.extra.keys()
        request = replace(
            request,
            earlier=tuple(earlier),
            items=items,
            unwanted_params=request.unwanted_params | of_chat,
        )
        attempt = self._build(deployment, request)
        self.report.dropped_params = (*left_out, *self.report.dropped_params)
        return attempt

    @staticmethod
    def _split_items(
        request: ResponsesRequest, deployment: Deployment, left_out: tuple[str, ...]
    ) -> tuple[Items, tuple[str, ...]]:
        """The items for the host, those of the store as earlier ones.

        And the names of what is left out.
        """
        if not request.referenced:
            return request.items, left_out
        items: list[Mapping[str, Any]] = []
        for place, item in enumerate(request.items):
            if place in request.referenced:
                kept, without = items_to_resend([item], deployment.deployment_id)
                items += kept
                left_out += tuple(name for name in without if name not in left_out)
            else:
                items.append(item)
        return tuple(items), left_out

    @override
    def read_answer(self, attempt: ResponseAttempt, reply: HTTPReply) -> Response:
        response = attempt.dialect.read_reply(reply, attempt.context)
        if response.status not in _ENDED:
            what = f"a response that has not ended: its status is `{display(response.status)}`"
            raise malformed(what, attempt.context)
        usage = checked_usage(attempt.dialect.read_usage(response))
        tokens = estimate_response(response) if usage is None else 0
        self.note_answer(attempt, usage, tokens)
        self.report.finish_reason = response.status
        if response.status == COMPLETED and response.completed_at is None:
            response.completed_at = int(self.clock.now())
        return response.with_report(self.report)

    def note_answer(
        self, attempt: ResponseAttempt, usage: Usage | None, estimated_tokens: int
    ) -> None:
        """Note in the report what an answer used.

        `estimated_tokens` where the host reports no usage.
        """
        if usage is None:
            usage = estimate_request(attempt.context.request, estimated_tokens)
        self._note_tokens(usage, attempt)

    @override
    def request_content(self) -> Mapping[str, Any]:
        return (
            {"input": self.call.request.items}
            if self._chat is None
            else self._chat.request_content()
        )

    @override
    def count_prompt(self) -> int:
        if self._chat is not None and not self._is_native:
            return self._chat.count_prompt()
        return estimate_request(self.call.request, 0).prompt_tokens


class _ChatPart(Run):
    """Asks deployments over chat on behalf of a `ResponseRun`, whose report it fills."""

    def __init__(self, head: ResponseRun) -> None:
        self._head = head
        self._join_call(head)

    @override
    def note_attempt(self, deployment: Deployment) -> None:
        super().note_attempt(deployment)
        is_canned = self.canned_for(deployment) is not None
        self._head.active_deployment = None if is_canned else deployment

    def bridge_for(self, deployment: Deployment) -> None:
        """Convert the request to chat for a deployment. Called before its attempt.

        Raises:
            BadRequestError: chat cannot do what was asked.
        """
        responses_request = self._head.request_for(deployment)
        self.bridged = bridge_request(responses_request)
        call: Any = self._head.call  # the same but for the request, and so of another kind
        self._call = replace(
            call,
            request=to_chat(responses_request, self.bridged),
            left_out=call.left_out + self.bridged.left_out,
        )

    @override
    def request_for(self, deployment: Deployment) -> ChatRequest:
        # Its parameters are in the bridged request already.
        return super().request_for(replace(deployment, params={}, overrides={}))
