"""Requests of Anthropic's Messages API in the fast lane: reads them, and writes their answers.

`MessagesLane` parses a body and bridges it to a chat call; `bridged_run.py` makes the
call. `MessagesWriter` gets the chat answer of the call, and writes it to the client as a message or
as Anthropic's events.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

from msgspec import UNSET
from msgspec.json import encode

from puna.bridges.messages.reply import message_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages.stream import MessageStream
from puna.engine.aside import MANY
from puna.engine.call import Call
from puna.errors import APIError
from puna.gateway.answers.replies import Reply, json_reply
from puna.gateway.endpoints.chat import Pipeline
from puna.gateway.endpoints.messages import encode_events, read_message_call, usage_in
from puna.gateway.endpoints.messages_replies import messages_error_event, messages_error_reply
from puna.gateway.passing.call import ReplyWriter
from puna.gateway.passing.cycle import FastCycle
from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START
from puna.gateway.passing.routes import PlainRoute
from puna.gateway.requests.body import LOCAL_FIELDS, is_heavy, read_json
from puna.gateway.visit import Visit
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.report import CallReport
from puna.wire.plain_replies import read_checked_chunk

_DONE: Final = b"[DONE]"


class MessagesLane:
    """Reads the requests of the Messages API. There is one for each worker."""

    def __init__(self, pipeline: Pipeline) -> None:
        self._pipeline = pipeline
        self._most_values = pipeline.directory.config.server.max_request_values

    def read_call(
        self, fields: Mapping[str, Any], route: PlainRoute, visit: Visit
    ) -> tuple[MessagesRequest, Call] | None:
        """Bridge the fields of a request to a chat call: the request and the call.

        None where the full lane must serve the request: it is invalid, has very many messages, or
        wants a format that takes long to check.
        """
        try:
            request, call = read_message_call(
                self._pipeline, fields, visit, betas=(), plan=route.plan
            )
        except APIError:
            return None
        if len(call.request.messages) > MANY or "response_format" in call.request.params:
            return None  # the full lane reads these in a thread, not on the event loop
        return request, call

    def read_fields(self, body: bytes) -> dict[str, Any] | None:
        """Parse a request body to the fields of its object.

        None where the full lane must read it: it is very large, is no JSON object, or has fields
        for the gateway itself, such as `timeout`.
        """
        if is_heavy(body):
            return None
        try:
            fields = read_json(body, "", self._most_values)
        except APIError:
            return None
        steers = any(name in LOCAL_FIELDS and name != "metadata" for name in fields)
        return None if steers else fields


class MessagesWriter(ReplyWriter):
    """Writes the chat answer of one call to the client in the format of the Messages API.

    `cycle` is the client's connection, `request` what the client asked for.
    """

    def __init__(self, cycle: FastCycle, request: MessagesRequest, call_id: str) -> None:
        self._cycle = cycle
        self._request = request
        self._line = b"request-id: %b\r\n" % call_id.encode()
        self._bridge = MessageStream(request)
        self._is_broken = False
        cycle.error_reply = partial(_error_reply, call_id=call_id)
        cycle.error_event = partial(messages_error_event, call_id=call_id)

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """Write a whole answer; `body` is a chat completion."""
        answer = ChatCompletion.model_validate_json(body)
        message = json_reply(message_of(self._request, answer)).body
        self._cycle.reply(report, lines + self._line, message)

    def refuse(self, error: APIError) -> None:
        """Write an error, before any byte was sent."""
        self._cycle.refuse(error)

    def begin(self, lines: bytes) -> None:
        """Begin a stream with its head; `lines` are headers."""
        self._cycle.begin(lines + self._line)

    def send(self, events: bytes) -> None:
        """Convert some events of a chat stream and write them."""
        if events.find(EVENT_END) == len(events) - len(EVENT_END):  # one event, as most are
            ready = self._convert(events[len(EVENT_START) : -len(EVENT_END)])
        else:
            parts = events.split(EVENT_END)
            ready = b"".join([self._convert(one[len(EVENT_START) :]) for one in parts if one])
        if ready:
            self._cycle.send(ready)

    def fail(self, error: APIError) -> None:
        """Write the error event that ends a broken stream."""
        self._is_broken = True
        self._cycle.fail(error)

    def end(self, report: CallReport) -> None:
        """Write the last events, with the usage of the report, and end the stream."""
        if not self._is_broken:
            last = encode_events(self._bridge.finish(usage_in(report)))
            if last:
                self._cycle.send(last)
        self._cycle.end(report)

    def break_off(self, error: APIError) -> None:
        """End the reply with an error, whatever was written; does nothing after its end."""
        self._cycle.break_off(error)

    def _convert(self, data: bytes) -> bytes:
        """The Anthropic events, perhaps none, for the data of one chat event."""
        if data == _DONE:
            return b""
        index = self._bridge.open_text
        if index is not None:
            # Nearly every event only adds text: convert it without building a chunk.
            chunk = read_checked_chunk(data)
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
    """An error in Anthropic's format, with the id of the request in its headers."""
    reply = messages_error_reply(error, call_id)
    headers: Mapping[str, str] = {**reply.headers, "request-id": call_id}
    return replace(reply, headers=headers)
