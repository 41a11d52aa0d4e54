"""Workers that are played, in virtual time, without a process."""

from __future__ import annotations

from dataclasses import dataclass, field

from puna.gateway.workers.schedule import WorkerPool, WorkerPoolLimits

LIMITS = WorkerPoolLimits()
TICK_S = 0.1


@dataclass
class Played:
    """A worker that does as it is told: ready when `is_up`, ending at once when `is_obedient`."""

    number: int
    is_up: bool = True
    is_silent: bool = False
    is_obedient: bool = True
    how: str | None = None
    told: list[str] = field(default_factory=list[str])

    @property
    def name(self) -> str:
        return f"worker {self.number}"

    def start(self) -> None:
        self.told.append("start")

    def poll(self) -> bool | None:
        return None if self.is_silent else self.is_up

    def reload(self) -> None:
        self.told.append("reload")

    def ended(self) -> str | None:
        return self.how

    def terminate(self) -> None:
        self.told.append("terminate")
        if self.is_obedient:
            self.how = "ended by SIGTERM"

    def kill(self) -> None:
        self.told.append("kill")
        self.how = "ended by SIGKILL"


class House:
    """A pool, its clock, and all workers that it ever made."""

    def __init__(self, size: int = 2) -> None:
        self.now = 1_000.0
        self.made: list[Played] = []
        self.said: list[str] = []
        self.readies = 0
        self.next_is_up = True
        self.next_is_obedient = True
        self.refusals = 0
        self.pool = WorkerPool(size, self._make, self.said.append, self._ready, LIMITS)

    def _make(self) -> Played:
        if self.refusals:
            self.refusals -= 1
            raise BlockingIOError(11, "Resource temporarily unavailable")
        made = Played(len(self.made), self.next_is_up, is_obedient=self.next_is_obedient)
        self.made.append(made)
        return made

    def _ready(self) -> None:
        self.readies += 1

    def run(self, seconds: float = 1.0) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.pool.tick(self.now)
            self.now += TICK_S
            assert self.working <= self.pool.size + 1

    @property
    def working(self) -> int:
        """How many run."""
        return sum(one.how is None for one in self.made)

    def is_over(self) -> bool:
        return self.pool.is_over

    @property
    def alive(self) -> list[int]:
        return [one.number for one in self.made if one.how is None]


def up(size: int = 2) -> House:
    house = House(size)
    house.run()
    return house
