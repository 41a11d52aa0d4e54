"""Runs long steps of a call, such as parsing a large body, on a thread beside the event loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

P = ParamSpec("P")
T = TypeVar("T")

LONG_BODY: Final = 16_384
"""Bytes of an answer that takes long to read."""

A_TURN: Final = 4_096
"""Bytes of a stream that are read at once: they may be 400 events, at 0.2 ms each."""

A_PIECE: Final = 64
"""What a piece of a stream counts beside its bytes: an empty one takes time, too."""

MANY: Final = 1_000
"""Messages or items of a request that takes long to build."""


async def run_step(is_long: bool, act: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:  # noqa: FBT001 - its condition, as in `if`
    """Call `act` and return its result.

    On a thread if `is_long`, so that the event loop goes on.
    """
    if not is_long:
        return act(*args, **kwargs)
    return await asyncio.to_thread(act, *args, **kwargs)
