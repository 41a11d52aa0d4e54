"""How long hostile requests and answers hold a gateway, and how much memory they take.

    python -m benchmarks.hostile [--quick] [--seed N] [--only WORDS] [--seconds N]

One worker before a host on loopback. Each kind of input (`benchmarks/hostile_cases.py`) is sent in
several sizes, while a second connection asks a cheap path every 10 ms: the longest time that it
waits, less what it waits while nobody else asks, is the stall. The time that the kernel let other
processes run instead does not count (`/proc/PID/schedstat`), so other work on the machine does not
show. Memory is the largest RSS less that of a worker that has seen the kind in small; a worker that
kept much of earlier bodies is replaced. Fails above 250 ms a MB (or 250 ms for less than a MB), and
above 6 times a body's size (or 256 KB) and 12 MB, which allocators keep between requests. What is
above a limit is measured again, memory in a fresh worker, and the least of its figures counts.
`--quick` takes bodies of 0.1 MB only.
"""

from __future__ import annotations

import argparse
import random
import socket
import sys
import threading
import time
from collections.abc import Generator, Iterable
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tests.support.asgi import MODEL
from tests.support.hostile import completion

from benchmarks.hostile_cases import Case, Reply, Sent, in_order, mixed
from benchmarks.processes import children, peak_mb, rss_mb
from benchmarks.puna_server import base_url_of, serving, usual_setup
from benchmarks.target import Target

MOST_STALL_MS = 250.0
"""Of each MB (10^6 bytes) of the longer of a request and its answer, and of all that is shorter."""

MOST_TIMES = 6.0
"""Memory by the size of a body, beyond what allocators keep."""

KEPT_MB = 12.0
"""What allocators keep between requests, in MB (2^20 bytes)."""

_LEAST_BODY = 256_000
"""A shorter body is taken for one of this length: a process's own needs are no multiple of it."""

_SIZES = (100_000, 1_000_000, 8_000_000)
_QUICK_SIZES = (100_000,)
_PROBE_S = 0.01
_CONTROL_S = 1.0
_TRIES = 3
_SMALL = 20_000
_MIXES = 20
_WAIT_S = 60


@dataclass(frozen=True, slots=True)
class Figure:
    """What one input took."""

    name: str
    size: int
    stall_ms: float
    memory_mb: float
    outcome: str

    @property
    def stall_a_mb(self) -> float:
        """Milliseconds for each MB; for less than one MB, all."""
        return self.stall_ms / max(1.0, self.size / 1e6)

    @property
    def times(self) -> float:
        """Memory beyond what is kept, by the body's size."""
        return max(0.0, self.memory_mb - KEPT_MB) / max(_LEAST_BODY, self.size) * 2**20

    def least(self, other: Figure) -> Figure:
        """The smaller figures of two measurements of the same input."""
        return replace(
            other,
            stall_ms=min(self.stall_ms, other.stall_ms),
            memory_mb=min(self.memory_mb, other.memory_mb),
        )

    @property
    def is_bad(self) -> bool:
        """Whether a limit is passed, or there was no answer."""
        too_much = self.stall_a_mb > MOST_STALL_MS or self.times > MOST_TIMES
        return too_much or not self.outcome.isdigit()


class Host:
    """An upstream on loopback that answers each request with `reply`."""

    def __init__(self) -> None:
        self.reply = Reply(completion())
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port = int(self._listening.getsockname()[1])

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._listening.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while read_message(connection)[0]:
                connection.sendall(self.reply.wire())


def read_message(connection: socket.socket) -> tuple[bytes, bytes]:
    """Head and body of a message; the body by its length, in chunks, or to the end."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65_536)
        if not piece:
            return b"", b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    lines = dict(line.lower().split(b": ", 1) for line in head.split(b"\r\n")[1:] if b": " in line)
    pieces, has = [body], len(body)
    length = int(lines.get(b"content-length", b"-1"))
    in_chunks = b"chunked" in lines.get(b"transfer-encoding", b"")
    end = body[-16:]
    while has < length or (in_chunks and not end.endswith(b"0\r\n\r\n")):
        piece = connection.recv(262_144)
        if not piece:
            break
        pieces.append(piece)
        has += len(piece)
        end = (end + piece)[-16:]
    return head, b"".join(pieces)


class Probe:
    """Asks a cheap path every 10 ms on a connection of its own, and keeps the longest wait."""

    def __init__(self, port: int, pid: int) -> None:
        self._port = port
        self._pid = pid
        self.longest_s = 0.0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join(_WAIT_S)

    def _run(self) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self._port), 60) as asking:
            while not self._ended.is_set():
                began_at, before = time.monotonic(), self._waited()
                asking.sendall(b"GET /health/liveliness HTTP/1.1\r\nhost: localhost\r\n\r\n")
                head, _ = read_message(asking)
                took_s = time.monotonic() - began_at - _longest(before, self._waited())
                self.longest_s = max(self.longest_s, took_s)
                if not head:
                    return
                time.sleep(_PROBE_S)

    def _waited(self) -> dict[str, float]:
        """Seconds that each thread of the worker, and this one, waited for a processor."""
        tasks = [*Path(f"/proc/{self._pid}/task").iterdir(), Path("/proc/thread-self")]
        waited: dict[str, float] = {}
        for task in tasks:
            with suppress(OSError):  # it has ended
                waited[task.name] = int((task / "schedstat").read_text().split()[1]) / 1e9
        return waited


def _longest(before: dict[str, float], after: dict[str, float]) -> float:
    """The longest of the waits between: threads may have waited at the same time."""
    return max(after[name] - before.get(name, after[name]) for name in after)


@dataclass(frozen=True, slots=True)
class _Worker:
    """A gateway, what it holds when idle, and how long a probe waits then."""

    target: Target
    pid: int
    idle_mb: float
    control_s: float

    @property
    def keeps_much(self) -> bool:
        """Whether it holds so much of earlier bodies that a later one might need none."""
        return rss_mb(self.pid) > self.idle_mb + KEPT_MB / 2

    def measure(self, name: str, sent: Sent, host: Host) -> Figure:
        """Send it, and see what happens."""
        host.reply = sent.reply
        Path(f"/proc/{self.pid}/clear_refs").write_text("5")  # the largest RSS is counted anew
        with Probe(self.target.port, self.pid) as probe:
            time.sleep(3 * _PROBE_S)
            outcome = _ask(self.target, sent)
            time.sleep(3 * _PROBE_S)
        stall_ms = max(0.0, probe.longest_s - self.control_s) * 1e3
        return Figure(name, sent.size, stall_ms, peak_mb(self.pid) - self.idle_mb, outcome)


@contextmanager
def _worker(host: Host, parts: Iterable[Case]) -> Generator[_Worker]:
    """A fresh gateway that has seen a small input of each of these kinds."""
    setup = replace(usual_setup(base_url_of(host.port), (MODEL,)), core=None)
    host.reply = Reply(completion())
    with serving(setup) as target:
        for case in parts:
            sent = case.make(_SMALL)
            host.reply = sent.reply
            _ask(target, sent)
        pid = next(iter(children(target.pid)), target.pid)
        with Probe(target.port, pid) as probe:
            time.sleep(_CONTROL_S)
        yield _Worker(target, pid, rss_mb(pid), probe.longest_s)


def _ask(target: Target, sent: Sent) -> str:
    """The status of the answer, or why there was none."""
    head = (
        f"POST {sent.path} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {target.key}\r\ncontent-length: {len(sent.body)}\r\n"
        "connection: close\r\n\r\n"
    )
    try:
        with socket.create_connection(("127.0.0.1", target.port), _WAIT_S) as asking:
            with suppress(BrokenPipeError, ConnectionResetError):  # refused while it was sent
                asking.sendall(head.encode() + sent.body)
            answer = read_message(asking)[0]
    except OSError as error:
        return f"no answer: {error}"
    return answer.split(b" ", 2)[1].decode() if answer else "no answer"


@dataclass(frozen=True, slots=True)
class Inputs:
    """What to send: in these sizes, within so many seconds."""

    seed: int
    sizes: tuple[int, ...]
    only: str
    seconds: float

    def chosen(self) -> list[Case]:
        """The kinds, in an order by the seed."""
        return [case for case in in_order(self.seed) if self.only in case.name]

    def all(self) -> Generator[tuple[str, Case, Sent]]:
        """`each` of all sizes."""
        for size in self.sizes:
            yield from self.each(size)

    def each(self, size: int) -> Generator[tuple[str, Case, Sent]]:
        """Name, kind and input: each kind at this size, then mixed ones of up to that."""
        chosen = self.chosen()
        for case in chosen:
            yield f"{case.name}, {size / 1e6:g} MB", case, case.make(size)
        dice = random.Random(self.seed + size)
        for number in range(_MIXES if chosen else 0):
            case = dice.choice(chosen)
            yield f"mix {number} of {case.name}", case, mixed(case, dice.randint(1_000, size), dice)


def run(inputs: Inputs) -> list[Figure]:
    """All of them, or as many as there is time for."""
    until = time.monotonic() + inputs.seconds
    figures: list[Figure] = []
    doubtful: list[tuple[int, Case, Sent]] = []
    with Host() as host, ExitStack() as running:
        worker: _Worker | None = None
        for name, case, sent in inputs.all():
            if time.monotonic() > until:
                _say(f"time is up at {name}: `--seconds` gives more")
                break
            if worker is None or worker.keeps_much:
                running.close()
                worker = running.enter_context(_worker(host, [case]))
            figure = _least(worker, name, sent, host)
            if figure.is_bad:
                _say(f"{name}: {figure.stall_ms:.0f} ms, {figure.memory_mb:.1f} MB")
                doubtful.append((len(figures), case, sent))
            figures.append(figure)
        running.close()
        for at, case, sent in doubtful:
            if time.monotonic() > until + inputs.seconds / 2:
                _say("time is up: not all that is above a limit was measured again")
                break
            with _worker(host, [case]) as fresh:
                again = _least(fresh, figures[at].name, sent, host)
            figures[at] = figures[at].least(again)
    return figures


def _least(worker: _Worker, name: str, sent: Sent, host: Host) -> Figure:
    """The least of what an input takes in a few tries; of one, when that is within the limits."""
    best = worker.measure(name, sent, host)
    for _ in range(_TRIES - 1):
        if best.stall_a_mb <= MOST_STALL_MS:
            break
        best = best.least(worker.measure(name, sent, host))
    return best


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def as_table(figures: Iterable[Figure]) -> str:
    """A row for each, the worst first."""
    rows = ["| input | MB | answered | stall ms | ms a MB | memory MB | times |  |"]
    rows.append("|---|---|---|---|---|---|---|---|")
    worst = sorted(figures, key=lambda one: (not one.is_bad, -one.stall_a_mb))
    rows += [
        f"| {one.name} | {one.size / 1e6:.2f} | {one.outcome} | {one.stall_ms:.0f} | "
        f"{one.stall_a_mb:.0f} | {one.memory_mb:.1f} | {one.times:.1f} | "
        f"{'too much' if one.is_bad else ''} |"
        for one in worst
    ]
    return "\n".join(rows)


def main() -> int:
    """Measure and print. Status 1 when something is held too long or takes too much."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.hostile",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--quick", action="store_true", help="bodies of 0.1 MB, for 3 minutes")
    parser.add_argument("--seed", type=int, help="of the order and the mixes; else a random one")
    parser.add_argument("--sizes", type=int, nargs="+", metavar="BYTES", help="of the bodies")
    parser.add_argument("--only", default="", metavar="WORDS", help="kinds with this in their name")
    parser.add_argument("--seconds", type=float, help="begin nothing after so long; else 900")
    options = parser.parse_args()
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(10**6)
    print(f"seed: {seed}", flush=True)
    sizes = tuple(options.sizes or (_QUICK_SIZES if options.quick else _SIZES))
    seconds = options.seconds or (180 if options.quick else 900)
    figures = run(Inputs(seed, sizes, options.only, seconds))
    bad = [one for one in figures if one.is_bad]
    print(as_table(figures))
    print(f"\n{len(figures)} inputs, {len(bad)} above the limits; seed {seed}")
    return int(bool(bad) or not figures)


if __name__ == "__main__":
    sys.exit(main())
