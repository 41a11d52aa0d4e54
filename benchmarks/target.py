"""A server under load, and how it is asked."""

from __future__ import annotations

import http.client
import json
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from benchmarks.asks import CHAT
from benchmarks.job import Job
from benchmarks.processes import cpu_s, fetch
from benchmarks.upstream import model_name

STREAM_CHUNKS = 64
MODELS = [model_name(STREAM_CHUNKS, pause_ms) for pause_ms in (0, 10, 20)]


@dataclass(frozen=True, slots=True)
class Target:
    """A server. `first_answer_s` is from its start to its first good chat answer.

    Attributes:
        path, key, headers, model_form: how it is asked (`Job`).
    """

    name: str
    pid: int
    port: int
    key: str = ""
    first_answer_s: float = 0.0
    path: str = CHAT
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    model_form: str = "{}"

    def job(self, connections: int, seconds: float | None = None) -> Job:
        """Questions to it, not streamed."""
        return Job(
            self.port,
            connections,
            self.key,
            seconds,
            path=self.path,
            headers=self.headers,
            model_form=self.model_form,
        )

    def cpu_us(self) -> float:
        """User and system time of its processes so far."""
        return cpu_s(self.pid) * 1e6


def wait_for_answer(
    process: subprocess.Popen[str], target: Target, model: str = MODELS[0], limit_s: float = 90
) -> None:
    """Ask every 10 ms until the chat endpoint answers with status 200.

    Raises:
        RuntimeError: the process ended, or did not answer in time.
    """
    until = time.monotonic() + limit_s
    said: object = "nothing"
    messages = [{"role": "user", "content": "Say hi."}]
    model = target.model_form.format(model)
    body = json.dumps({"model": model, "messages": messages, "max_tokens": 1}).encode()
    while time.monotonic() < until:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with status {process.returncode}")
        with suppress(OSError, http.client.HTTPException):
            said = fetch(target.port, target.path, body, target.key, target.headers)
            if said[0] == http.client.OK:
                return
        time.sleep(0.01)
    raise RuntimeError(f"no good answer within {limit_s:g} s; the last was {said!r}")
