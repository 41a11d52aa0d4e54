"""Visits all states that a small world can reach, breadth first."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

State = TypeVar("State", bound=Hashable)


class BrokenInvariantError(AssertionError):
    """A state or a step that must not be. The message has the shortest way to it."""


@dataclass(frozen=True)
class Explored(Generic[State]):
    """What was visited: the states, how many steps led from one to another, and how far."""

    states: int
    steps: int
    depth: int
    is_complete: bool


def explore(
    start: State,
    steps: Callable[[State], Iterable[tuple[str, State]]],
    check: Callable[[State], None],
    most_states: int = 10**9,
) -> Explored[State]:
    """Check each state that can be reached from `start`, until there are `most_states`.

    `steps` gives the steps from a state, each with its name. It and `check` raise an AssertionError
    where something is wrong, which comes out as a `BrokenInvariantError` with the way to it.
    """
    came_from: dict[State, tuple[State, str] | None] = {start: None}
    layer, depth, count = [start], 0, 0
    while layer and len(came_from) < most_states:
        following: list[State] = []
        for state in layer:
            try:
                check(state)
                for name, after in steps(state):
                    count += 1
                    if after not in came_from:
                        came_from[after] = state, name
                        following.append(after)
            except AssertionError as broken:
                way = _way_to(state, came_from)
                raise BrokenInvariantError(f"{broken}\nafter {' > '.join(way)}: {state}") from None
        layer, depth = following, depth + 1
    return Explored(len(came_from), count, depth, is_complete=not layer)


def _way_to(state: State, came_from: dict[State, tuple[State, str] | None]) -> list[str]:
    names: list[str] = []
    step = came_from[state]
    while step is not None:
        state, name = step
        names.append(name)
        step = came_from[state]
    return names[::-1] or ["nothing"]
