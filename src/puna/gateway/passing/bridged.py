"""Requests of another shape than chat in the fast lane: their calls, and what writes their answers.

The bridge of the shape converts the request to a chat request, which is passed on like any other.
The chat answer goes to a `BridgedWriter`, which converts it to the client's format.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from typing_extensions import override

from puna.engine.call import Call
from puna.errors import APIError
from puna.gateway.passing.cycle import FastCycle, ReplyWriter
from puna.gateway.passing.plain_stream import EVENT_END, EVENT_START
from puna.gateway.passing.runs import FastRun
from puna.rescue.think_tags import OPEN
from puna.types.report import CallReport
from puna.types.requests import ChatRequest
from puna.wire.envelope import ChatEnvelope, Tool
from puna.wire.plain_replies import PlainReply

_DONE: Final = b"[DONE]"


@dataclass(frozen=True, slots=True)
class BridgedChat:
    """A request of another API, converted to a chat request so that it can take the fast lane.

    Attributes:
        envelope: the chat request.
        left_out: the names of the fields that hosts of chat do not get.
        complete: gives the chat request as the full lane makes it, for that of the envelope; called
            when hooks, counts or the dialect's reader need one.
        make_writer: makes the writer that converts the answer and sends it to the client.
        other_tools: tools that hosts do not get, and whose calls in texts are found.
    """

    envelope: ChatEnvelope
    left_out: tuple[str, ...]
    complete: Callable[[ChatRequest], ChatRequest]
    make_writer: Callable[[FastCycle, FastRun], ReplyWriter]
    other_tools: Sequence[Tool] = ()


class BridgedRun(FastRun):
    """The run of one `BridgedChat`. Thoughts in the texts of its answer are looked for."""

    bridged: BridgedChat

    @property
    @override
    def call(self) -> Call:
        if self._made is None:
            call = super().call
            self._made = replace(call, request=self.bridged.complete(call.request))
        return self._made

    @property
    @override
    def looks_for_thoughts(self) -> bool:
        return self.ready.deployment.read_think_tags is not False

    @override
    def needs_reader(self, plain: PlainReply) -> bool:
        if super().needs_reader(plain):
            return True
        texts = [choice.message.content or "" for choice in plain.choices]
        return self.looks_for_thoughts and any(OPEN in text for text in texts)

    @override
    def request_content(self) -> Mapping[str, Any]:
        return {"messages": self.call.request.messages}


class BridgedWriter(ReplyWriter):
    """Converts the chat answer of one call, and writes it to the client through `cycle`."""

    def __init__(self, cycle: FastCycle) -> None:
        self._cycle = cycle
        self._is_broken = False

    @abstractmethod
    def convert_answer(self, body: bytes) -> bytes:
        """Convert a whole chat completion to the body for the client."""

    @abstractmethod
    def convert_event(self, data: bytes) -> bytes:
        """Convert the data of one chat event to the client's events, perhaps none."""

    @abstractmethod
    def last_events(self, report: CallReport) -> bytes:
        """The events that end a stream which went well."""

    def head_lines(self, lines: bytes) -> bytes:
        """Convert the headers of a chat answer for the client."""
        return lines

    def reply(self, report: CallReport, lines: bytes, body: bytes) -> None:
        """Convert a chat completion, `body`, and write it as a whole answer."""
        self._cycle.reply(report, self.head_lines(lines), self.convert_answer(body))

    def refuse(self, error: APIError) -> None:
        """Write an error, before any byte was sent."""
        self._cycle.refuse(error)

    def begin(self, lines: bytes) -> None:
        """Begin a stream with its head; `lines` are headers."""
        self._cycle.begin(self.head_lines(lines))

    def send(self, events: bytes) -> None:
        """Convert some events of a chat stream and write them."""
        if events.find(EVENT_END) == len(events) - len(EVENT_END):  # one event, as most are
            data = events[len(EVENT_START) : -len(EVENT_END)]
            ready = self.convert_event(data) if data != _DONE else b""
        else:
            parts = [one[len(EVENT_START) :] for one in events.split(EVENT_END) if one]
            ready = b"".join([self.convert_event(one) for one in parts if one != _DONE])
        if ready:
            self._cycle.send(ready)

    def fail(self, error: APIError) -> None:
        """Write the error event that ends a broken stream."""
        self._is_broken = True
        self._cycle.fail(error)

    def end(self, report: CallReport) -> None:
        """Write the last events, and end the stream."""
        if not self._is_broken:
            last = self.last_events(report)
            if last:
                self._cycle.send(last)
        self._cycle.end(report)

    def break_off(self, error: APIError) -> None:
        """End the reply with an error, whatever was written; does nothing after its end."""
        self._cycle.break_off(error)
