"""Requests of the lean transport to a network in memory, and a usual reply."""

from __future__ import annotations

from collections.abc import Mapping

from tests.support.memory_network import Heard

from puna.transports.lean import LeanTransport
from puna.wire.http import HTTPRequest, Timeouts

HEAD = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n"
HI = HEAD + b"hi"
TIMEOUTS = Timeouts(connect_s=2.0, idle_s=5.0, total_s=30.0)


def request_of(
    *,
    url: str = "http://upstream.test/v1/chat",
    is_stream: bool = False,
    timeouts: Timeouts = TIMEOUTS,
    body: bytes = b"{}",
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> HTTPRequest:
    return HTTPRequest(method, url, headers or {}, body, timeouts, is_stream)


def start(transport: LeanTransport, request: HTTPRequest | None = None) -> Heard:
    heard = Heard()
    heard.exchange = transport.start(request or request_of(), heard)
    return heard


def cancel(heard: Heard) -> None:
    assert heard.exchange is not None
    heard.exchange.cancel()
