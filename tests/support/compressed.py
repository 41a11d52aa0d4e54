"""Compressed replies, and the ways of sending that open them."""

from __future__ import annotations

import pytest
from tests.support.senders import send_async, send_lean, send_lean_uvloop, send_sync
from tests.support.upstream import Reply

from puna.wire.http import HTTPRequest

EACH = pytest.mark.parametrize(
    "send",
    [send_sync, send_async, send_lean, send_lean_uvloop],
    ids=["sync", "async", "lean", "lean on uvloop"],
)


def request_of(url: str, *, is_stream: bool = False) -> HTTPRequest:
    return HTTPRequest("POST", url + "/chat/completions", {}, b"{}", is_stream=is_stream)


def zipped(body: bytes, encoding: str = "gzip") -> Reply:
    headers = {"content-encoding": encoding, "content-type": "text/event-stream"}
    return Reply(200, headers, (body,))
