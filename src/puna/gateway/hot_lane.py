"""The fast lane at the server's edge: heads and call ids in, cycles out, one line in the log."""

from __future__ import annotations

import itertools
import logging
import re
import secrets
import time
from collections.abc import Sequence
from typing import Any, Final

from puna.errors import APIError
from puna.gateway.access_log import AccessLog
from puna.gateway.fast_lane import FastLane
from puna.gateway.hot_cycle import HotCycle
from puna.gateway.replies import error_source
from puna.types.report import CallReport

_log = logging.getLogger("puna.gateway")

_CALL_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_SERVER_ERROR: Final = 500


class HotLane:
    """One for each worker."""

    def __init__(self, lane: FastLane, access_log: AccessLog, most_bytes: int) -> None:
        self._lane = lane
        self._access_log = access_log
        self._most_bytes = most_bytes
        self._prefix = secrets.token_hex(8)
        self._numbers = itertools.count()
        self._paths: dict[HotCycle, str] = {}

    def admits(self, headers: Sequence[tuple[bytes, bytes]]) -> bool:
        """Whether to wait for the body: it has a told length, within the limit, and a right key."""
        named = dict(headers)
        length = named.get(b"content-length", b"")
        return (
            length.isdigit()
            and int(length) <= self._most_bytes
            and b"transfer-encoding" not in named
            and self._lane.admits(named)
        )

    def begin(
        self, protocol: Any, url: bytes, headers: Sequence[tuple[bytes, bytes]], body: bytes
    ) -> HotCycle | None:
        """The cycle of a request, ready to start; None where the long way must answer."""
        named = dict(headers)  # of a repeated header the last counts, as everywhere
        call_id = self._call_id(named.get(b"x-litellm-call-id"))
        cycle = HotCycle(protocol, call_id, self._done)
        call = self._lane.begin(named, body, call_id, cycle)
        if call is None:
            return None
        cycle.call = call
        self._paths[cycle] = url.decode("ascii")
        return cycle

    async def close(self) -> None:
        """End what is still under way, and wait for what hooks want awaited."""
        for cycle in list(self._paths):
            cycle.leave()
        await self._lane.wait_for_hooks()
        self._access_log.flush()

    def _call_id(self, given: bytes | None) -> str:
        """The id that a client gave its call, or the next of this worker: 32 hex digits."""
        if given is not None and _CALL_ID.fullmatch(given):
            return given.decode("ascii")
        return f"{self._prefix}{next(self._numbers):016x}"

    def _done(
        self, cycle: HotCycle, status: int, report: CallReport | None, error: APIError | None
    ) -> None:
        path = self._paths.pop(cycle)
        if error is not None and (
            error.status_code >= _SERVER_ERROR or error_source(error) == "upstream"
        ):
            _log.warning("POST %s: %s", path, error)
        spent_s = time.perf_counter() - cycle.started_s
        self._access_log.add(f"POST {path} {status}", spent_s, report)
