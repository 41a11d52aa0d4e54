"""Sockets with a deadline for a whole operation, for the synchronous transport.

httpx2 takes a limit for each single read and write of a socket, so a host that sends one byte at a
time never exceeds it. The streams here also check a deadline for the whole operation. They replace
the network backend of a connection pool (httpcore2's name for what opens sockets), and use the
deadline of the thread that calls them: a connection serves one request at a time.

Source: httpcore2 2.16, `NetworkBackend` and `NetworkStream`.
"""

from __future__ import annotations

import math
import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import httpx2

_TLS_RECORD_BYTES = 16_384
_FIRST_WAIT_S = 0.001
"""A timeout of zero would mean a socket that does not block."""

Resolver = Callable[[str, int], Sequence[Any]]
"""The addresses of a host, as `socket.getaddrinfo` gives them."""


class _Deadline(threading.local):
    """The deadline of this thread's reads and writes, on `time.monotonic`; infinity for none."""

    at: float = math.inf


_deadline = _Deadline()


class io_deadline:  # noqa: N801 - reads as a word of `with`; a class costs half of a generator
    """A context in which this thread's reads and writes time out at `at` (`time.monotonic`).

    None means never.
    """

    __slots__ = ("_at",)

    def __init__(self, at: float | None) -> None:
        self._at = math.inf if at is None else at

    def __enter__(self) -> None:
        _deadline.at = self._at

    def __exit__(self, *_: object) -> None:
        _deadline.at = math.inf


def enforce_deadlines(transport: httpx2.HTTPTransport) -> None:
    """Make all connections that `transport` opens from now on respect `io_deadline`."""
    # httpx2 offers no argument for it, httpcore2 does; tests hold that the names are there.
    pool: Any = transport._pool  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
    pool._network_backend = DeadlineBackend(pool._network_backend)  # noqa: SLF001 - as above


class DeadlineBackend:
    """Opens connections whose reads and writes respect the deadline of `io_deadline`."""

    def __init__(self, opener: Any, resolve: Resolver | None = None) -> None:
        """`opener` is httpcore2's own backend; `resolve` gives the addresses of a host name."""
        self._opener = opener
        self._resolve = resolve or _resolve

    def connect_tcp(
        self, host: str, port: int, timeout: float | None = None, **options: Any
    ) -> DeadlineStream:
        """Connect to the first address that answers.

        `timeout` (seconds) is the limit for all together.

        Raises:
            httpx2.ConnectTimeout: no address answered in time.
            OSError: the host name has no address, or no address accepts a connection.
        """
        end = _deadline.at
        if timeout is not None:
            end = min(end, time.monotonic() + timeout)
        addresses = self._addresses(host, port, end)
        for address in addresses[:-1]:
            with suppress(Exception):
                return self._connect(address, port, end, options)
        return self._connect(addresses[-1], port, end, options)

    def _connect(
        self, address: str, port: int, end: float, options: dict[str, Any]
    ) -> DeadlineStream:
        """Connect to one address, until `end` on the steady clock."""
        left_s = None if end == math.inf else end - time.monotonic()
        if left_s is not None and left_s <= 0:
            raise httpx2.ConnectTimeout("no address answered in time")
        return DeadlineStream(self._opener.connect_tcp(address, port, timeout=left_s, **options))

    def _addresses(self, host: str, port: int, end: float) -> list[str]:
        """Resolve a host's addresses in a thread: the system's resolver takes no timeout."""
        with suppress(OSError):  # a name, not an address
            return _unique_addresses(socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST))
        if end == math.inf:
            return _unique_addresses(self._resolve(host, port))
        found: queue.SimpleQueue[Sequence[Any] | Exception] = queue.SimpleQueue()

        def ask() -> None:
            """Resolve the name; runs in the thread."""
            try:
                found.put(self._resolve(host, port))
            except Exception as error:  # noqa: BLE001 - raised where it is awaited
                found.put(error)

        threading.Thread(target=ask, name="puna-look-up", daemon=True).start()
        try:
            answer = found.get(timeout=max(_FIRST_WAIT_S, end - time.monotonic()))
        except queue.Empty:
            raise httpx2.ConnectTimeout("the host's name was not found in time") from None
        if isinstance(answer, Exception):
            raise answer
        return _unique_addresses(answer)

    def connect_unix_socket(self, *args: Any, **options: Any) -> DeadlineStream:
        """Connect to a Unix socket, like httpcore2's own backend."""
        return DeadlineStream(self._opener.connect_unix_socket(*args, **options))

    def sleep(self, seconds: float) -> None:
        """Sleep, like httpcore2's own backend."""
        self._opener.sleep(seconds)


class DeadlineStream:
    """One connection. Reads and writes raise `TimeoutError` once the deadline has passed."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read at least one byte; an empty result means that the host closed the connection."""
        data: bytes = self._stream.read(max_bytes, timeout=_time_left(timeout))
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Send all bytes; the deadline is checked after each part."""
        view = memoryview(buffer)
        if self._stream.get_extra_info("ssl_object") is not None:
            while view:
                self._stream.write(view[:_TLS_RECORD_BYTES], timeout=_time_left(timeout))
                view = view[_TLS_RECORD_BYTES:]
            return
        sock = self._stream.get_extra_info("socket")
        while view:
            sock.settimeout(_time_left(timeout))
            try:
                view = view[sock.send(view) :]
            except TimeoutError:
                raise
            except OSError:
                self._stream.write(
                    view, timeout=_time_left(timeout)
                )  # fails alike, in httpcore2's words
                return

    def close(self) -> None:
        """Close the connection."""
        self._stream.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> DeadlineStream:
        """Do the TLS handshake, and return the encrypted stream."""
        return DeadlineStream(
            self._stream.start_tls(ssl_context, server_hostname, timeout=_time_left(timeout))
        )

    def get_extra_info(self, info: str) -> Any:
        """A property of the connection by name: `socket`, `ssl_object` and others."""
        return self._stream.get_extra_info(info)


def _time_left(timeout: float | None) -> float | None:
    """How many seconds the next read or write may take: the smaller of `timeout` and the deadline.

    Raises TimeoutError when the deadline has passed.
    """
    if _deadline.at == math.inf:
        return timeout
    left_s = _deadline.at - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s if timeout is None else min(timeout, left_s)


def _resolve(host: str, port: int) -> Sequence[Any]:
    """The addresses of a host, by the system's resolver."""
    return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)


def _unique_addresses(found: Sequence[Any]) -> list[str]:
    """The resolver's addresses in its order, without repetitions."""
    addresses = list(dict.fromkeys(str(one[4][0]) for one in found))
    if not addresses:
        raise OSError("the host name has no address")
    return addresses
