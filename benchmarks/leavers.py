"""Clients that leave in the middle of a stream: `python -m benchmarks.leavers VISITS`.

Each opens a connection, reads a part of a paced stream and closes; every other one resets the
connection instead, and every other pair takes the full lane.
"""

from __future__ import annotations

import asyncio
import json
import random
import socket
import struct
import sys
from dataclasses import asdict, dataclass, replace

import uvloop

from benchmarks.job import MENDED, Job
from benchmarks.processes import run_json

_CHUNKS = 64
_PAUSE_MS = 10
_LATEST = 40  # of the chunks; the stream goes on for a while after it
_AT_ONCE = 32
_LIMIT_S = 120
_LEAST_EARLY = 0.9  # on a busy machine a client may be so late that it has all
_AT_ONCE_CLOSED = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Visits:
    """How many clients are to come to 127.0.0.1, and leave early."""

    port: int
    key: str
    count: int
    seed: int


def visit(visits: Visits) -> None:
    """Send the clients, from a process of its own.

    Raises:
        RuntimeError: one was answered otherwise than with a stream, or too many of them were so
            slow that they saw its end.
    """
    answered, left = run_json("benchmarks.leavers", asdict(visits))
    if answered != visits.count:
        raise RuntimeError(f"{answered} of {visits.count} clients got a stream")
    if left < _LEAST_EARLY * visits.count:
        raise RuntimeError(f"only {left} of {visits.count} clients left in the middle of a stream")


async def _send_all(visits: Visits) -> tuple[int, int]:
    """How many got a stream, and how many left in the middle of it."""
    dice = random.Random(visits.seed)
    places = asyncio.Semaphore(_AT_ONCE)
    plain = Job(visits.port, 1, visits.key, chunks=_CHUNKS, pause_ms=_PAUSE_MS)
    requests = [one.request() for one in (plain, replace(plain, extra=MENDED))]

    async def one(number: int, chunks: int) -> tuple[bool, bool]:
        async with places:
            request = requests[number // 2 % 2]
            return await _leave(visits.port, request, chunks, is_reset=bool(number % 2))

    async with asyncio.timeout(_LIMIT_S):
        clients = [one(number, dice.randint(1, _LATEST)) for number in range(visits.count)]
        found = await asyncio.gather(*clients)
    return sum(is_stream for is_stream, _ in found), sum(is_early for _, is_early in found)


async def _leave(port: int, request: bytes, chunks: int, *, is_reset: bool) -> tuple[bool, bool]:
    """Whether a stream came, and whether its end had not come when the client left."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    said = b""
    while said.count(b"data: {") < chunks:
        more = await reader.read(65_536)
        if not more:
            break
        said += more
    if is_reset:
        sock: socket.socket = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE_CLOSED)
        writer.transport.abort()
    else:
        writer.close()
        await writer.wait_closed()
    is_stream = said.startswith(b"HTTP/1.1 200 ") and said.count(b"data: {") >= chunks
    return is_stream, is_stream and b"data: [DONE]" not in said


if __name__ == "__main__":
    print(json.dumps(uvloop.run(_send_all(Visits(**json.loads(sys.argv[1]))))))
