"""Requests of Anthropic's Messages API in the fast lane, and their answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Final

from msgspec import UNSET
from msgspec.json import encode
from typing_extensions import override

from puna.bridges.messages.envelope import read_messages_envelope
from puna.bridges.messages.reply import message_of, plain_message_of
from puna.bridges.messages.request import MessagesRequest, read_messages_request
from puna.bridges.messages.stream import MessageStream
from puna.bridges.plain_answers import read_plain_answer
from puna.engine.aside import MANY
from puna.errors import APIError
from puna.gateway.answers.replies import Reply, json_reply
from puna.gateway.endpoints.messages import encode_events, usage_of_report
from puna.gateway.endpoints.messages_replies import messages_error_event, messages_error_reply
from puna.gateway.passing.bridged import BridgedChat, BridgedWriter
from puna.gateway.passing.cycle import FastCycle
from puna.gateway.passing.head_cache import LaneHead
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.report import CallReport
from puna.types.requests import ChatRequest, make_chat_request
from puna.wire.plain_chunks import read_checked_call, read_checked_chunk
from puna.wire.surrogates import parse_json


def bridge_messages(body: bytes, head: LaneHead, make_id: Callable[[], str]) -> BridgedChat | None:
    """Convert the body of a Messages request to a chat request; None for the full lane.

    `make_id` makes the id of the answer.
    """
    del head
    bridged = read_messages_envelope(body)
    if bridged is None or len(bridged.envelope.messages) > MANY:
        return None  # the full lane reads very many messages in a thread
    request = MessagesRequest([], stop_sequences=bridged.stop_sequences, made_id=make_id())
    return BridgedChat(
        bridged.envelope,
        bridged.left_out,
        partial(_add_native_fields, body=body),
        lambda cycle, run: MessagesWriter(cycle, request, run.report.call_id),
        bridged.deferred_tools,
    )


def _add_native_fields(request: ChatRequest, body: bytes) -> ChatRequest:
    """The chat request with the fields of the Messages request that only hosts of that API get."""
    read = read_messages_request(parse_json(body), drop_params=True)
    whole = make_chat_request(request.model, read.messages, read.fields, stream=request.is_stream)
    return replace(whole, messages_extras=read.extras, source=read.source)


class MessagesWriter(BridgedWriter):
    """Converts the chat answer of one call to a message, or to Anthropic's events, for the client.

    `request` is the client's.
    """

    def __init__(self, cycle: FastCycle, request: MessagesRequest, call_id: str) -> None:
        super().__init__(cycle)
        self._request = request
        self._line = b"request-id: %b\r\n" % call_id.encode()
        self._bridge = MessageStream(request)
        cycle.error_reply = partial(_error_reply, call_id=call_id)
        cycle.error_event = partial(messages_error_event, call_id=call_id)

    @override
    def head_lines(self, lines: bytes) -> bytes:
        return lines + self._line

    @override
    def convert_answer(self, body: bytes) -> bytes:
        answer = read_plain_answer(body)
        if answer is None:
            whole = ChatCompletion.model_validate_json(body)
            return json_reply(message_of(self._request, whole)).body
        message = plain_message_of(self._request, answer)
        # Arguments may hold numbers that only the slower encoder writes.
        return json_reply(message).body if answer.has_calls else encode(message)

    @override
    def convert_event(self, data: bytes) -> bytes:
        # Nearly every event only adds text, or arguments to a call: no chunk is built of it.
        bridge = self._bridge
        index = bridge.open_text
        if index is not None:
            chunk = read_checked_chunk(data)
            if chunk is not None:
                choice = chunk.choices[0]
                delta = choice.delta
                if choice.index == 0 and delta.content and delta.role is UNSET:
                    return _TEXT_DELTA % (index, encode(delta.content))
        elif bridge.has_open_call:
            call_chunk = read_checked_call(data)
            piece = call_chunk.more_arguments if call_chunk is not None else None
            if piece is not None:
                index = bridge.open_call(piece.index)
                if index is not None:
                    return _JSON_DELTA % (index, encode(piece.function.arguments))
        return encode_events(bridge.add(ChatCompletionChunk.model_validate_json(data)))

    @override
    def last_events(self, report: CallReport) -> bytes:
        return encode_events(self._bridge.finish(usage_of_report(report)))


_TEXT_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,"delta":{"type":"text_delta","text":%b}}\n\n'
)
_JSON_DELTA: Final = (
    b"event: content_block_delta\n"
    b'data: {"type":"content_block_delta","index":%d,'
    b'"delta":{"type":"input_json_delta","partial_json":%b}}\n\n'
)


def _error_reply(error: APIError, call_id: str) -> Reply:
    """An error as a reply in Anthropic's format, with the request's id in its headers."""
    reply = messages_error_reply(error, call_id)
    headers: Mapping[str, str] = {**reply.headers, "request-id": call_id}
    return replace(reply, headers=headers)
