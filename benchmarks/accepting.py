"""Which of several workers take the connections that come to their port."""

from __future__ import annotations

import socket
import time
from contextlib import ExitStack

from benchmarks.processes import children, sockets
from benchmarks.target import Target

_SETTLES_S = 0.5


def most_taken(target: Target, connections: int, workers: int) -> float:
    """Open idle connections one after the other: the most at one worker, over the mean."""
    pids = children(target.pid)
    before = [sockets(pid) for pid in pids]
    with ExitStack() as opened:
        for _ in range(connections):
            opened.enter_context(socket.create_connection(("127.0.0.1", target.port)))
        time.sleep(_SETTLES_S)
        taken = [sockets(pid) - count for pid, count in zip(pids, before, strict=True)]
    return max(taken) * workers / connections
