"""What a hostile host makes of a JSON value: every node of it gone, twice, or something else."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

OTHERS: tuple[Any, ...] = (
    None, True, -1, 10**30, 1.5, float("nan"), "", "x", "\ud800", [], [None], ["a", "b"], {},
    {"": None}, {"type": "x"},
)  # fmt: skip

_GONE = object()
_TWICE = object()


def mutated(value: Any) -> Iterator[Any]:
    """Copies of a JSON value, each with one node changed; the value itself stays as it is."""
    for path in _paths(value, ()):
        for other in (*OTHERS, _GONE, _TWICE):
            if path:
                yield _changed(value, path, other)
            elif other not in (_GONE, _TWICE):
                yield other


def _paths(value: Any, path: tuple[Any, ...]) -> Iterator[tuple[Any, ...]]:
    yield path
    if isinstance(value, dict):
        for name, one in value.items():
            yield from _paths(one, (*path, name))
    elif isinstance(value, list):
        for index, one in enumerate(value):
            yield from _paths(one, (*path, index))


def _changed(value: Any, path: tuple[Any, ...], other: Any) -> Any:
    whole = holder = deepcopy(value)
    for step in path[:-1]:
        holder = holder[step]
    last = path[-1]
    if other is _GONE:
        del holder[last]
    elif other is not _TWICE:
        holder[last] = deepcopy(other)
    elif isinstance(holder, list):
        holder.insert(last, deepcopy(holder[last]))
    else:
        holder[last] = [holder[last], deepcopy(holder[last])]
    return whole
