"""Clients that ask a gateway without a pause, whatever happens to it meanwhile.

clients = Clients(served.port)
with clients.at_work():
    served.process.send_signal(signal.SIGHUP)
assert clients.failures == []
"""

from __future__ import annotations

import http.client
import json
import threading
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.asgi import CHAT, MODEL


@dataclass(frozen=True, slots=True)
class Asked:
    """A request, and what stands near the end of its whole answer."""

    path: str
    body: Mapping[str, Any]
    sign: bytes


CHATS = (
    Asked("/v1/chat/completions", CHAT, b'"usage"'),
    Asked("/v1/chat/completions", {**CHAT, "stream": True}, b"data: [DONE]"),
)
"""Whole and streamed in the fast lane."""

_PROMPT: Mapping[str, Any] = {"model": MODEL, "prompt": "hi"}
BOTH_LANES = (
    *CHATS,
    Asked("/v1/responses", {"model": MODEL, "input": "hi", "stream": True}, b"response.completed"),
    Asked("/v1/completions", _PROMPT, b'"usage"'),
    Asked("/v1/completions", {**_PROMPT, "stream": True}, b"data: [DONE]"),
)
"""Whole and streamed in each lane."""


class Clients:
    """Threads that ask each of some requests, on two kept connections and on new ones.

    Attributes:
        failures: what went wrong, in words.
        answers: how many requests have ended.
    """

    def __init__(self, port: int, asked: Sequence[Asked] = CHATS, key: str = "") -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._port = port
        self._headers = {"authorization": f"Bearer {key}"} if key else {}
        self._is_over = threading.Event()
        self._threads = [
            threading.Thread(target=self._ask, args=(one, is_kept))
            for one in asked
            for is_kept in (True, True, False)
        ]

    @contextmanager
    def at_work(self) -> Generator[None]:
        """They ask meanwhile."""
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            for thread in self._threads:
                thread.join(20)

    def _ask(self, asked: Asked, is_kept: bool) -> None:  # noqa: FBT001 - a thread's
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=20)
        while not self._is_over.is_set():
            try:
                connection.request("POST", asked.path, json.dumps(asked.body), self._headers)
                reply = connection.getresponse()
                text = reply.read()
                if reply.status != 200 or asked.sign not in text[-2_000:]:
                    self.failures.append(f"{asked.path} {reply.status} {text[-200:]!r}")
            except (OSError, http.client.HTTPException) as error:
                self.failures.append(f"{asked.path} {error!r}")
                connection.close()
            self.answers += 1
            if not is_kept:
                connection.close()
        connection.close()
