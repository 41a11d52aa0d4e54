"""THE call: both engines drive the attempt machine over a transport, and settle in the end."""

from __future__ import annotations

from puna.engine.asynchronous import AsyncEngine
from puna.engine.call import Call, Canned
from puna.engine.clock import Clock, SystemClock
from puna.engine.streams import AsyncStream, Stream
from puna.engine.synchronous import Engine

__all__ = [
    "AsyncEngine",
    "AsyncStream",
    "Call",
    "Canned",
    "Clock",
    "Engine",
    "Stream",
    "SystemClock",
]
