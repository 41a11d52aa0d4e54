"""A network without sockets, and a loop whose time jumps: 10,000 exchanges in seconds.

loop = VirtualLoop()
network = MemoryNetwork([b"HTTP/1.1 200 OK\\r\\ncontent-length: 2\\r\\n\\r\\nhi"])
transport = LeanTransport(dialer=network)
"""

from __future__ import annotations

import asyncio
import selectors
from collections import deque
from collections.abc import Callable, Coroutine, Iterable, Mapping, Sequence
from typing import Any, Literal, TypeVar

from puna.errors import APIError
from puna.transports.lean import Exchange, WholeReply
from puna.transports.lean.connection import Connection
from puna.transports.lean.head import Origin

Step = bytes | float | Literal["eof", "reset"]
"""Bytes that come in one read, seconds of silence, or an end."""

Script = Sequence[Step]

_FAR_S = 10_000.0

T = TypeVar("T")


class _Clock(selectors.DefaultSelector):
    """Waits by moving the time on. A loop that would wait for ever is a hang."""

    now = 1_000.0
    is_patient = False

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if (timeout is None and not self.is_patient) or self.now > _FAR_S:
            raise AssertionError("it hangs: nothing is left that could wake the loop")
        self.now += max(0.0, timeout or 0.0)
        return super().select(0)


class VirtualLoop(asyncio.SelectorEventLoop):
    """asyncio's loop with a clock of its own."""

    def __init__(self) -> None:
        self.clock = _Clock()
        super().__init__(self.clock)

    def time(self) -> float:
        """Virtual seconds."""
        return self.clock.now

    @property
    def armed_timers(self) -> int:
        """Timers that were neither cancelled nor run."""
        scheduled: Iterable[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # no public way to count them
        return sum(not handle.cancelled() for handle in scheduled)


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run to the end in a loop of its own; nothing may be left in it."""
    with asyncio.Runner(loop_factory=VirtualLoop) as runner:
        result = runner.run(main)
        loop = runner.get_loop()
        assert isinstance(loop, VirtualLoop)
        assert loop.armed_timers == 0
        assert not asyncio.all_tasks(loop)
        return result


class MemoryTransport(asyncio.Transport):
    """One connection. Plays a script for each request that is written."""

    def __init__(self, network: MemoryNetwork, protocol: asyncio.Protocol) -> None:
        super().__init__()
        self.written = bytearray()
        self.is_closed = False
        self.reads = True
        self._network = network
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._steps: deque[Step] = deque()
        self._playing: asyncio.TimerHandle | None = None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        assert not self.is_closed
        self.written += data
        self.play(self._network.next_script(bytes(data)))

    def play(self, script: Script) -> None:
        """Let this come."""
        self._steps.extend(script)
        self._go_on()

    def abort(self) -> None:
        self._lose(None)

    def close(self) -> None:
        self._lose(None)

    def is_closing(self) -> bool:
        return self.is_closed

    def get_write_buffer_size(self) -> int:
        return self._network.pending

    def pause_reading(self) -> None:
        self.reads = False

    def resume_reading(self) -> None:
        self.reads = True
        self._go_on()

    def _go_on(self) -> None:
        if self._playing is None and self._steps and self.reads and not self.is_closed:
            first = self._steps[0]
            pause_s = first if isinstance(first, float) else 0.0
            self._playing = self._loop.call_later(pause_s, self._step)

    def _step(self) -> None:
        self._playing = None
        if self.is_closed or not self.reads:
            return
        step = self._steps.popleft()
        if step == "eof":
            self._protocol.eof_received()
            self._lose(None)
        elif step == "reset":
            self._lose(ConnectionResetError(104, "Connection reset by peer"))
        elif isinstance(step, bytes):
            self._protocol.data_received(step)
        self._go_on()

    def _lose(self, error: Exception | None) -> None:
        if not self.is_closed:
            self.is_closed = True
            if self._playing is not None:
                self._playing.cancel()
            self._loop.call_soon(self._protocol.connection_lost, error)


class MemoryNetwork:
    """A dialer. Each request, on whatever connection, is answered by the next script.

    Attributes:
        lines: the connections, in the order in which they were opened.
        requests: what was written, one entry a request.
        dial_s: how long a connection takes; None for ever.
        refuses: raised instead of connecting.
        pending: how many bytes of a request seem not to be sent yet.
    """

    def __init__(self, scripts: Iterable[Script | bytes] = ()) -> None:
        self.lines: list[MemoryTransport] = []
        self.requests: list[bytes] = []
        self.dial_s: float | None = 0.0
        self.refuses: Exception | None = None
        self.pending = 0
        self._scripts = deque(scripts)

    async def __call__(self, origin: Origin, make: Callable[[], Connection]) -> None:
        """Connect."""
        del origin
        await (asyncio.Event().wait() if self.dial_s is None else asyncio.sleep(self.dial_s))
        if self.refuses is not None:
            raise self.refuses
        connection = make()
        line = MemoryTransport(self, connection)
        self.lines.append(line)
        connection.connection_made(line)

    def next_script(self, request: bytes) -> Script:
        """The answer to a request; silence when none is left."""
        self.requests.append(request)
        script = self._scripts.popleft() if self._scripts else ()
        return (script,) if isinstance(script, bytes) else script

    def add(self, *scripts: Script | bytes) -> None:
        """The next answers."""
        self._scripts.extend(scripts)


class Heard:
    """A sink that notes what it hears and holds it to the contract."""

    def __init__(self) -> None:
        self.status = 0
        self.headers: Mapping[str, str] = {}
        self.pieces: list[bytes] = []
        self.error: APIError | None = None
        self.is_whole = False
        self.over = asyncio.get_running_loop().create_future()
        self.exchange: Exchange | None = None
        self.pauses_each_piece = False

    @property
    def body(self) -> bytes:
        return b"".join(self.pieces)

    def on_head(self, status: int, headers: Mapping[str, str]) -> None:
        assert self.status == 0
        assert not self.over.done()
        self.status, self.headers = status, headers

    def on_piece(self, data: bytes) -> None:
        assert self.status
        assert data
        assert not self.over.done()
        self.pieces.append(data)
        if self.pauses_each_piece and self.exchange is not None:
            self.exchange.pause()
            asyncio.get_running_loop().call_later(0.001, self.exchange.resume)

    def on_whole(self, reply: WholeReply) -> None:
        self.on_head(reply.status, reply.headers)
        if reply.body:
            self.on_piece(reply.body)
        self.on_end()

    def on_end(self) -> None:
        assert self.status
        self.is_whole = True
        self.over.set_result(None)

    def on_error(self, error: APIError) -> None:
        self.error = error
        self.over.set_result(None)
