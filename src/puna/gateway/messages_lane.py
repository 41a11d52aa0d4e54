"""Requests of Anthropic's Messages API in the fast lane: what comes in, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Final, cast

from msgspec import UNSET
from msgspec.json import encode

from puna.bridges.messages.reply import message_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages.stream import MessageStream
from puna.engine.aside import MANY
from puna.engine.call import Call
from puna.errors import APIError
from puna.gateway.fast_call import ReplyWriter
from puna.gateway.fast_cycle import FastCycle
from puna.gateway.fast_routes import PlainRoute
from puna.gateway.messages import encode_events, read_message_call, usage_in
from puna.gateway.messages_replies import messages_error_event, messages_error_reply
from puna.gateway.pipeline import Pipeline
from puna.gateway.plain_stream import EVENT_END, EVENT_START
from puna.gateway.replies import Reply, json_reply
from puna.gateway.requests import LOCAL_FIELDS, excess_in, is_heavy
from puna.gateway.visit import Visit
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.report import CallReport
from puna.wire.plain_replies import reread_chunk
from puna.wire.surrogates import parse_json

_MOST_FIELDS: Final = 1_000
_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class VisitOf:
    """Who asks, for a bridge."""

    visit: Visit

    @property
    def key_id(self) -> str:
        """Of the key that came with the request."""
        return self.visit.principal.key_id

    @property
    def call_id(self) -> str:
        """Of the request."""
        return self.visit.call_id


class MessagesLane:
    """Reads the requests; one for each worker."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._most_values = pipeline.directory.config.server.max_request_values

    def read_call(
        self, fields: Mapping[str, Any], route: PlainRoute, visit: Visit
    ) -> tuple[MessagesRequest, Call] | None:
        """The request and its call; None where the full lane must answer, or say what is wrong."""
        asker = VisitOf(visit)
        try:
            request, call = read_message_call(
                self._pipeline, fields, asker, betas=(), plan=route.plan
            )
        except APIError:
            return None
        if len(call.request.messages) > MANY or "response_format" in call.request.params:
            return None  # these are read away from the loop
        return request, call

    def read_fields(self, body: bytes) -> dict[str, Any] | None:
        """The body's fields; None where it holds much, is no object, or steers the call."""
        most = self._most_values
        if is_heavy(body) or (len(body) > most // 100 and excess_in(body, most) is not None):
            return None
        try:
            asked = parse_json(body, allow_inf_nan=False)
        except ValueError:
            return None
        if not isinstance(asked, dict):
            return None
        fields = cast("dict[str, Any]", asked)
        steers = any(name in LOCAL_FIELDS and name != "metadata" for name in fields)
        return None if steers or len(fields) > _MOST_FIELDS else fields


class MessagesWriter(ReplyWriter):
    """Writes chat's answers in the words of the Messages API."""

    def __init__(self, cycle: FastCycle, request: MessagesRequest, call_id: str) -> None:
        self._cycle = cycle
        self._request = request
        self._line = b"request-id: %b\r\n" % call_id.encode()
        self._bridge = MessageStream(request)
        self._is_broken = False
        cycle.error_reply = partial(_error_reply, call_id=call_id)
        cycle.error_event = partial(messages_error_event, call_id=call_id)

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """A whole answer."""
        answer = ChatCompletion.model_validate_json(body)
        told = json_reply(message_of(self._request, answer)).body
        self._cycle.reply(report, lines + self._line, told)

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        self._cycle.refuse(error)

    def begin(self, lines: bytes) -> None:
        """The head of a stream of events."""
        self._cycle.begin(lines + self._line)

    def send(self, events: bytes) -> None:
        """Some of chat's events."""
        if events.find(EVENT_END) == len(events) - len(EVENT_END):  # one event, as most are
            ready = self._bridged(events[len(EVENT_START) : -len(EVENT_END)])
        else:
            parts = events.split(EVENT_END)
            ready = b"".join([self._bridged(one[len(EVENT_START) :]) for one in parts if one])
        if ready:
            self._cycle.send(ready)

    def fail(self, error: APIError) -> None:
        """The last event of a stream that broke."""
        self._is_broken = True
        self._cycle.fail(error)

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        if not self._is_broken:
            last = encode_events(self._bridge.finish(usage_in(report)))
            if last:
                self._cycle.send(last)
        self._cycle.end(report)

    def break_off(self, error: APIError) -> None:
        """End the reply in whatever state it is; nothing where it is whole."""
        self._cycle.break_off(error)

    def _bridged(self, data: bytes) -> bytes:
        if data == _DONE:
            return b""
        index = self._bridge.open_text
        if index is not None:
            # Nearly every event only adds to the text: no chunk, no dicts.
            chunk = reread_chunk(data)
            if chunk is not None:
                choice = chunk.choices[0]
                delta = choice.delta
                if choice.index == 0 and delta.content and delta.role is UNSET:
                    return _TEXT_DELTA % (index, encode(delta.content))
        return encode_events(self._bridge.add(ChatCompletionChunk.model_validate_json(data)))


_TEXT_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)


def _error_reply(error: APIError, call_id: str) -> Reply:
    reply = messages_error_reply(error, call_id)
    headers: Mapping[str, str] = {**reply.headers, "request-id": call_id}
    return replace(reply, headers=headers)
