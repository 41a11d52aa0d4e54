"""Removes nested fields of parameters by their paths: `tools[*].function.strict`.

A path consists of names with dots between them; `[*]` stands for every item of a list, `[0]` for
one. Source: LiteLLM 1.106.2, `additional_drop_params`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_STEP = re.compile(r"\[(\*|\d+)\]|([^.\[\]]+)")
_INDEX = re.compile(r"[0-9]{1,9}")
_MISSING: Any = object()


def without_paths(
    params: Mapping[str, Any], paths: Iterable[str]
) -> tuple[Mapping[str, Any], tuple[str, ...]]:
    """Remove the fields at these paths from parameters.

    Returns them, and the paths that were found.

    The given parameters are not changed; plain names without a path are ignored here.
    """
    left, found = params, list[str]()
    for path in paths:
        steps = [index or name for index, name in _STEP.findall(path)]
        if len(steps) > 1:
            changed = _without(left, steps)
            if changed is not left:
                left = changed
                found.append(path)
    return left, tuple(found)


def _without(value: Any, steps: Sequence[str]) -> Any:
    """A copy of a value without the field at the path `steps`; the value itself if it has none."""
    step, rest = steps[0], steps[1:]
    if isinstance(value, Mapping):
        inner = value.get(step, _MISSING)
        if inner is _MISSING:
            return value
        if not rest:
            return {name: one for name, one in value.items() if name != step}
        changed = _without(inner, rest)
        return value if changed is inner else {**value, step: changed}
    if isinstance(value, list | tuple):
        is_index = _INDEX.fullmatch(step)
        wanted = range(len(value)) if step == "*" else [int(step)] if is_index else []
        items = list(value)
        for index in wanted:
            if rest and index < len(items):
                items[index] = _without(items[index], rest)
        if any(new is not old for new, old in zip(items, value, strict=True)):
            return items
    return value


__all__ = ["without_paths"]
