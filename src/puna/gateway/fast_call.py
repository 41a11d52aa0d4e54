"""One call of the fast lane: the attempt machine driven by callbacks, no task and no future.

The same run, dialect, delivery and settlement as the engine's; what differs is who waits. Bytes
that are plain (`wire/envelope.py`) are passed on under the public name of the model; at the first
that are not, the dialect's reader takes over, and the caller sees no seam.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from typing_extensions import override

from puna.engine.call import Attempt, Call, Run, attribute
from puna.engine.clock import Clock
from puna.engine.delivery import Delivery
from puna.errors import APIError
from puna.gateway.replies import DONE, error_event, internal_error
from puna.routing.attempts import GiveUp, Wait
from puna.routing.deployment import Deployment
from puna.routing.health import Health
from puna.telemetry.events import Hook, Outcome, wait_for_hooks
from puna.types.chat import ChatCompletion
from puna.types.report import CallReport
from puna.wire.envelope import ChatEnvelope, PlainChunk, Renaming, read_chunk, read_reply
from puna.wire.http import HTTPReply, HTTPRequest, shown_headers

_log = logging.getLogger("puna.gateway")

TAIL_S: Final = 1.0
"""How long a host may take to end a body that has said all; then its connection is cut."""

_LONGEST_EVENT: Final = 256 * 1024
_EVENT_START: Final = b"data: "
_EVENT_END: Final = b"\n\n"


class Exchange(Protocol):
    """A request under way at the transport."""

    def pause(self) -> None:
        """Read no more for now."""
        ...

    def resume(self) -> None:
        """Read on."""
        ...

    def cancel(self) -> None:
        """Cut the connection; nothing is heard of it again."""
        ...


class Client(Protocol):
    """The way back to who asked."""

    def reply(self, report: CallReport, body: bytes) -> None:
        """A whole answer."""
        ...

    def refuse(self, error: APIError) -> None:
        """An error, where no byte has been sent."""
        ...

    def begin(self, report: CallReport) -> None:
        """The head of a stream of events."""
        ...

    def send(self, events: bytes) -> None:
        """Some of its events."""
        ...

    def end(self, report: CallReport) -> None:
        """The end of the stream."""
        ...


@dataclass(frozen=True, slots=True)
class Road:
    """What every call of a lane shares.

    `start` sends a request and tells the call (a `ReplySink`) of its reply.
    """

    start: Callable[[HTTPRequest, FastCall], Exchange]
    loop: asyncio.AbstractEventLoop
    clock: Clock
    health: Health
    hooks: tuple[Hook, ...]
    waiting: set[asyncio.Task[None]] = field(default_factory=set[asyncio.Task[None]])

    def settle(self, run: Run, outcome: Outcome, **facts: Any) -> None:
        """End a call; what its hooks want awaited is awaited later."""
        pending: list[Awaitable[None]] = run.settle(outcome, **facts)
        if pending:
            # The loop itself keeps only a weak reference to a task.
            task = self.loop.create_task(wait_for_hooks(pending))
            self.waiting.add(task)
            task.add_done_callback(self.waiting.discard)


class Route(Protocol):
    """How the calls of one public model name go."""

    renaming: Renaming
    secrets: frozenset[str]
    """What no header of a reply may hold."""

    def build(self, envelope: ChatEnvelope, deployment: Deployment, /) -> HTTPRequest:
        """The request that asks a deployment."""
        ...


class FastCall(ABC):
    """A call under way; hears of the reply of one attempt after the other."""

    def __init__(
        self, road: Road, route: Route, envelope: ChatEnvelope, call: Call, client: Client
    ) -> None:
        self._road = road
        self._route = route
        self._envelope = envelope
        self._client = client
        self._run = Run(call, road.health, road.clock, road.hooks)
        self._run.report.lane = "fast"
        self._deployment: Deployment | None = None
        self._request: HTTPRequest | None = None
        self._attempt: Attempt | None = None
        self._exchange: Exchange | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._is_over = False

    @property
    def report(self) -> CallReport:
        """How the call goes."""
        return self._run.report

    def start(self) -> None:
        """Send the first attempt."""
        self._guarded(self._step)

    def client_left(self) -> None:
        """End the call: the upstream is cut and what was used is settled."""
        if not self._is_over:
            self._stop()
            self._note_used()
            self._settle("cancelled")

    def pause(self) -> None:
        """The client reads slowly: read no faster from the host."""
        if self._exchange is not None:
            self._exchange.pause()

    def resume(self) -> None:
        """The client has caught up."""
        if self._exchange is not None:
            self._exchange.resume()

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        """The head of a reply."""
        try:
            self._take_head(status, headers)
        except Exception:  # noqa: BLE001 - as in `_guarded`, a call cheaper
            self._crashed()

    def on_piece(self, data: bytes) -> None:
        """Some of its body."""
        if self._is_over:
            return
        try:
            self._take_piece(data)
        except Exception:  # noqa: BLE001 - the same
            self._crashed()

    def on_end(self) -> None:
        """The body is whole."""
        self._exchange = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._is_over:
            self._guarded(self._take_end)

    def on_error(self, error: APIError) -> None:
        """No reply, or it broke."""
        self._exchange = None
        if not self._is_over:
            self._guarded(self._take_error, error)

    @abstractmethod
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None: ...

    @abstractmethod
    def _take_piece(self, data: bytes) -> None: ...

    @abstractmethod
    def _take_end(self) -> None: ...

    @abstractmethod
    def _take_error(self, error: APIError) -> None: ...

    @abstractmethod
    def _note_used(self) -> None:
        """Before a settlement: what was used so far."""

    @property
    def _tried(self) -> Attempt:
        """The attempt under way, for the readers of the long way."""
        if self._attempt is None:
            assert self._deployment is not None, "a reply without a try"  # noqa: S101 - narrows
            assert self._request is not None, "the same"  # noqa: S101 - narrows
            self._attempt = self._run.built_attempt(self._deployment, self._request)
        return self._attempt

    def _step(self) -> None:
        """Do what the attempt machine says."""
        self._timer = None
        step = self._run.attempts.next(self._road.clock.monotonic())
        if isinstance(step, Wait):
            self._timer = self._road.loop.call_later(step.seconds, self._guarded, self._step)
        elif isinstance(step, GiveUp):
            self._fail(step.error)
        else:
            self._deployment, self._attempt = step.deployment, None
            self._request = self._route.build(self._envelope, step.deployment)
            self._run.note_attempt(step.deployment)
            self._exchange = self._road.start(self._request, self)

    def _failed(self, error: APIError) -> None:
        """An attempt failed before the client got a byte: another may follow."""
        self._run.attempts.failed(error, self._road.clock.monotonic())
        self._step()

    def _succeeded(self) -> None:
        self._run.attempts.succeeded(self._road.clock.monotonic())

    def _fail(self, error: APIError) -> None:
        self._settle("failure", error)
        self._client.refuse(error)

    def _settle(self, outcome: Outcome, error: Exception | None = None) -> None:
        self._is_over = True
        self._road.settle(self._run, outcome, error=error)

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None

    def _guarded(self, act: Callable[..., None], *facts: Any) -> None:
        """Whatever nobody foresaw becomes an answer and a settlement, not silence."""
        try:
            act(*facts)
        except Exception:  # noqa: BLE001 - the outermost shell of the fast lane
            self._crashed()

    def _crashed(self) -> None:
        _log.exception("A call failed")
        self._stop()
        if not self._is_over:
            self._crash(internal_error())

    def _crash(self, error: APIError) -> None:
        self._fail(error)


class WholeCall(FastCall):
    """A call whose answer comes whole."""

    def __init__(
        self, road: Road, route: Route, envelope: ChatEnvelope, call: Call, client: Client
    ) -> None:
        super().__init__(road, route, envelope, call, client)
        self._status = 0
        self._headers: Mapping[str, str] = {}
        self._pieces: list[bytes] = []

    @override
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._status, self._headers, self._pieces = status, headers, []

    @override
    def _take_piece(self, data: bytes) -> None:
        self._pieces.append(data)

    @override
    def _take_end(self) -> None:
        pieces = self._pieces
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        answer = self._pass_on(body)
        completion = None
        if answer is not None and self._road.hooks:
            completion = ChatCompletion.model_validate_json(answer).with_report(self._run.report)
        if answer is None:
            reply = HTTPReply(self._status, self._headers, body)
            try:
                completion = self._run.read_whole(self._tried, reply)
            except APIError as error:
                self._failed(error)
                return
            answer = completion.to_json().encode()
        self._succeeded()
        self._is_over = True
        self._road.settle(self._run, "success", answer=completion)
        self._client.reply(self._run.report, answer)

    @override
    def _note_used(self) -> None:
        """Nothing is known before the answer is whole."""

    def _pass_on(self, body: bytes) -> bytes | None:
        """The body under the public name, when it is plain."""
        if self._status != 200:  # noqa: PLR2004 - RFC 9110
            return None
        plain = read_reply(body)
        renamed = self._route.renaming.apply(body, plain) if plain is not None else None
        if plain is None or renamed is None:
            return None
        run, usage = self._run, plain.usage
        if self._holds_secret():
            run.take_headers(self._tried, self._status, self._headers)
        else:
            run.report.status_code = self._status
            run.report.headers = shown_headers(self._headers)
        assert self._deployment is not None, "a reply without a try"  # noqa: S101 - narrows
        run.note_usage(
            self._deployment, usage.prompt_tokens, usage.completion_tokens, usage.cached_tokens
        )
        run.report.finish_reason = plain.choices[0].finish_reason
        return renamed

    def _holds_secret(self) -> bool:
        """Whether the host repeats a secret in its headers: then they are to be scrubbed."""
        values = "\n".join(self._headers.values())
        for secret in self._route.secrets:  # noqa: SIM110 - a generator costs more than the rest
            if secret in values:
                return True
        return False

    @override
    def _take_error(self, error: APIError) -> None:
        self._failed(attribute(error, self._tried))


class StreamCall(FastCall):
    """A call whose answer comes as events."""

    def __init__(
        self, road: Road, route: Route, envelope: ChatEnvelope, call: Call, client: Client
    ) -> None:
        super().__init__(road, route, envelope, call, client)
        self._delivery: Delivery | None = None
        self._plain: PlainStream | None = None
        self._whole: HTTPReply | None = None
        self._pieces: list[bytes] = []
        self._has_begun = False

    @property
    def _under_way(self) -> Delivery:
        assert self._delivery is not None, "a body without a head"  # noqa: S101 - narrows
        return self._delivery

    @override
    def _take_head(self, status: int, headers: Mapping[str, str]) -> None:
        self._delivery = Delivery(self._run, self._tried)
        self._plain, self._whole, self._pieces = None, None, []
        if self._delivery.needs_whole(status, headers):
            self._whole = HTTPReply(status, headers)
        else:
            self._plain = PlainStream(self._route.renaming)

    @override
    def _take_piece(self, data: bytes) -> None:
        if self._whole is not None:
            self._pieces.append(data)
            return
        plain = self._plain
        if plain is None:
            self._read(data)
            return
        events, rest = plain.take(data)
        if events:
            if not self._has_begun:
                self._run.note_first_chunk()
            for text in plain.take_texts():
                self._under_way.passed_on(text)
            self._deliver(events)
        if rest is not None:
            self._hand_over()
            self._read(rest)

    @override
    def _take_end(self) -> None:
        delivery = self._under_way
        if self._whole is None:
            rest = self._hand_over()
            if rest:
                self._read(rest)
            if self._delivery is delivery:  # else the rest was no answer, and another try began
                self._read(None)
            return
        whole = HTTPReply(self._whole.status, self._whole.headers, b"".join(self._pieces))
        try:
            delivery.take_whole(whole)
        except APIError as error:
            self._failed(error)
            return
        self._drain()

    @override
    def _take_error(self, error: APIError) -> None:
        if self._delivery is None:
            self._failed(attribute(error, self._tried))
            return
        self._hand_over()
        self._broken(self._delivery.broken(error))

    @override
    def _note_used(self) -> None:
        if self._delivery is not None:
            self._delivery.finish()

    def _hand_over(self) -> bytes:
        """From here on the dialect's reader reads; gives the bytes that wait for more."""
        plain, self._plain = self._plain, None
        if plain is None:
            return b""
        self._under_way.take_over(plain.first_events())
        return plain.rest

    def _read(self, data: bytes | None) -> None:
        delivery = self._under_way
        if delivery.is_over:
            return
        try:
            delivery.take(data)
        except APIError as error:
            self._broken(error)
            return
        self._drain()

    def _drain(self) -> None:
        delivery = self._under_way
        chunks = delivery.drain()
        if chunks:
            self._deliver(
                b"".join(_EVENT_START + c.to_json().encode() + _EVENT_END for c in chunks)
            )
        if not delivery.is_over:
            return
        try:
            delivery.check()
        except APIError as error:
            self._broken(delivery.broken(error))
        else:
            self._finish("success", None, DONE)

    def _deliver(self, events: bytes) -> None:
        if not self._has_begun:
            self._has_begun = True
            self._succeeded()
            self._client.begin(self._run.report)
        self._client.send(events)

    def _broken(self, error: APIError) -> None:
        """A failure: another attempt, or after the first byte a last event."""
        if self._has_begun:
            self._stop()
            self._finish("failure", error, error_event(error))
            return
        if self._exchange is not None:
            self._exchange.cancel()
            self._exchange = None
        self._delivery = None
        self._failed(error)

    def _finish(self, outcome: Outcome, error: APIError | None, last: bytes) -> None:
        self._under_way.finish()
        self._settle(outcome, error)
        exchange = self._exchange
        if exchange is not None:
            # The end of the body is still to come: only after it can the connection serve again.
            self._timer = self._road.loop.call_later(TAIL_S, self._stop)
        self._client.send(last)
        self._client.end(self._run.report)

    @override
    def _crash(self, error: APIError) -> None:
        if not self._has_begun:
            self._fail(error)
            return
        self._note_used()
        self._settle("failure", error)
        self._client.send(error_event(error))
        self._client.end(self._run.report)


class PlainStream:
    """Passes on the events that only add text, as long as all are such."""

    def __init__(self, renaming: Renaming) -> None:
        self._renaming = renaming
        self._head: PlainChunk | None = None
        self._firsts: dict[int, bytes] = {}
        self._texts: list[str] = []
        self.rest = b""

    def take(self, data: bytes) -> tuple[bytes, bytes | None]:
        """Events to send as they are; and, when one is not plain, all bytes from it on."""
        data = self.rest + data if self.rest else data
        end = data.rfind(_EVENT_END)
        if end < 0:
            if len(data) > _LONGEST_EVENT or b"\r" in data:
                self.rest = b""
                return b"", data
            self.rest = data
            return b"", None
        events = data[:end].split(_EVENT_END)
        self.rest = data[end + len(_EVENT_END) :]
        ready: list[bytes] = []
        for position, event in enumerate(events):
            renamed = self._read(event)
            if renamed is None:
                rest = _EVENT_END.join((*events[position:], self.rest))
                self.rest = b""
                return _joined(ready), rest
            ready.append(renamed)
        return _joined(ready), None

    def take_texts(self) -> list[str]:
        """What the events said since the last call."""
        texts, self._texts = self._texts, []
        return texts

    def first_events(self) -> bytes:
        """The first event of each choice, for a reader that takes over."""
        return b"".join(event + _EVENT_END for event in self._firsts.values())

    def _read(self, event: bytes) -> bytes | None:
        """The event under the public name, or None when it is not plain."""
        if not event.startswith(_EVENT_START) or b"\n" in event or b"\r" in event:
            return None
        chunk = read_chunk(event[len(_EVENT_START) :])
        if chunk is None or not self._fits(chunk):
            return None
        renamed = self._renaming.apply(event, chunk)
        if renamed is None:
            return None
        choice = chunk.choices[0]
        self._head = self._head or chunk
        self._firsts.setdefault(choice.index, event)
        self._texts.append(choice.delta.content)
        return renamed

    def _fits(self, chunk: PlainChunk) -> bool:
        """Whether the chunk goes on as the stream began: one id, and one role for each choice."""
        choice, head = chunk.choices[0], self._head
        has_role = isinstance(choice.delta.role, str)
        if head is not None and (chunk.id, chunk.created) != (head.id, head.created):
            return False
        if choice.index in self._firsts:
            return not has_role and bool(choice.delta.content)
        return has_role


def _joined(events: list[bytes]) -> bytes:
    return _EVENT_END.join((*events, b"")) if events else b""
