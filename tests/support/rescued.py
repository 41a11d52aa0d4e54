"""Calls that are found in texts."""

from __future__ import annotations

from tests.support.rescue import known

TOOLS = known("f", "g", "get-weather")
