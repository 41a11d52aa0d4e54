"""Closed formulas for one server and several: seconds in, seconds out.

Sources: Pollaczek and Khinchine for one server, Erlang's C for several that share one queue, as in
every textbook of queueing. Arrivals are Poisson.
"""

from __future__ import annotations

import math


def mean_wait(rate: float, service_s: float, variation: float = 1.0) -> float:
    """The mean wait before service (M/G/1), in seconds; infinite where there is too much work.

    Args:
        rate: arrivals a second.
        service_s: the mean service time.
        variation: its coefficient of variation: 1 for exponential times, 0 for constant ones.
    """
    busy = rate * service_s
    if busy >= 1:
        return math.inf
    return busy * service_s * (1 + variation**2) / (2 * (1 - busy))


def mean_wait_shared(rate: float, service_s: float, servers: int) -> float:
    """The mean wait where several servers take from one queue (M/M/c)."""
    offered = rate * service_s
    if offered >= servers:
        return math.inf
    blocked = 1.0  # Erlang's B, by its recursion
    for number in range(1, servers + 1):
        blocked = offered * blocked / (number + offered * blocked)
    waits = blocked / (1 - offered / servers * (1 - blocked))
    return waits * service_s / (servers - offered)


def workers_for(rate: float, service_s: float, most_busy: float = 0.5) -> int:
    """How many workers keep each at most so busy."""
    return max(1, math.ceil(rate * service_s / most_busy))
