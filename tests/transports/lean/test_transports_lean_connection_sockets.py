"""The lean transport over real sockets, on asyncio's loop and on uvloop: TLS, leaks, early ends."""

from __future__ import annotations

import asyncio
import gc
import random
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import uvloop
from tests.support.certificates import Certificate
from tests.support.upstream import Reply, Upstream

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport
from puna.transports.lean.connection import Connection
from puna.transports.lean.dial import NetworkDialer
from puna.transports.lean.head import Origin
from puna.transports.tls import TLSConfig
from puna.wire.http import HTTPRequest, Timeouts

Run = Callable[[Coroutine[Any, Any, None]], None]
ON_EACH_LOOP = pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])


def request_of(
    url: str, *, is_stream: bool = False, body: bytes = b"{}", timeouts: Timeouts | None = None
) -> HTTPRequest:
    url = f"{url}/chat/completions"
    return HTTPRequest("POST", url, {}, body, timeouts or Timeouts(2, 2, 10), is_stream)


async def _ask(transport: LeanTransport, request: HTTPRequest) -> bytes:
    reply = await transport.open(request)
    try:
        return await reply.read()
    finally:
        await reply.close()


def _read_to_the_end(listener: socket.socket) -> None:
    """Of one client; raises TimeoutError if it does not leave."""
    client, _ = listener.accept()
    with client:
        client.settimeout(2)
        with suppress(ConnectionResetError):
            while client.recv(65_536):
                pass


def _open_files() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.case(57)
@ON_EACH_LOOP
def test_two_hundred_exchanges_with_random_cancels_leave_no_socket(
    run: Run, upstream: Upstream
) -> None:
    upstream.plays_always(Reply.text_stream(*["word "] * 4, pause_s=0.02))

    async def main() -> None:
        transport = LeanTransport()
        dice = random.Random(3)  # noqa: S311 - a fixed order

        async def maybe_leave() -> None:
            with suppress(TimeoutError):
                async with asyncio.timeout(dice.random() * 0.2):
                    assert b"[DONE]" in await _ask(transport, request_of(upstream.url))

        await _ask(transport, request_of(upstream.url))
        before = _open_files()
        for _ in range(2):
            await asyncio.gather(*(maybe_leave() for _ in range(100)))
        await transport.close()
        assert transport.open_connections == 0
        assert await asyncio.to_thread(upstream.sees, lambda: upstream.open_connections == 0)
        gc.collect()
        assert _open_files() <= before
        assert len(asyncio.all_tasks()) == 1

    run(main())


@ON_EACH_LOOP
def test_a_tls_session_is_used_again(
    run: Run, secure_upstream: Upstream, certificate: Certificate
) -> None:
    async def main() -> None:
        dialer = NetworkDialer(TLSConfig(ca_file=str(certificate.cert)))
        resumed: list[bool] = []

        async def dial(origin: Origin, make: Callable[[], Connection]) -> None:
            def note() -> Connection:
                made.append(make())
                return made[-1]

            await dialer(origin, note)

        made: list[Connection] = []
        for _ in range(2):
            transport = LeanTransport(dialer=dial)
            reply = await transport.open(request_of(secure_upstream.url))
            await reply.read()
            tls = made[-1].transport.get_extra_info("ssl_object")
            resumed.append(tls.session_reused)
            assert tls.version() in ("TLSv1.2", "TLSv1.3")
            dialer.remember(made[-1])
            await transport.close()
        assert resumed == [False, True]

    run(main())


@ON_EACH_LOOP
def test_connections_with_tls_are_kept_and_cut_at_once(
    run: Run, secure_upstream: Upstream, certificate: Certificate
) -> None:
    async def main() -> None:
        transport = LeanTransport(TLSConfig(ca_file=str(certificate.cert)))
        for _ in range(3):
            await _ask(transport, request_of(secure_upstream.url))
        assert secure_upstream.connections == 1
        secure_upstream.plays(Reply.endless(0.01))
        reply = await transport.open(request_of(secure_upstream.url, is_stream=True))
        assert await anext(reply.pieces())
        await reply.close()
        assert await asyncio.to_thread(
            secure_upstream.sees, lambda: secure_upstream.open_connections == 0
        )
        await transport.close()

    run(main())


@ON_EACH_LOOP
@pytest.mark.parametrize("says_so", [True, False], ids=["close_notify", "cut"])
def test_a_tls_body_that_ends_with_its_connection_must_say_so(
    run: Run,
    says_so: bool,  # noqa: FBT001 - a parametrised case
    certificate: Certificate,
) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        plain, _ = listener.accept()
        with plain, certificate.server_context().wrap_socket(plain, server_side=True) as tls:
            tls.recv(65_536)
            tls.sendall(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
            if says_so:
                with suppress(OSError):
                    tls.unwrap()
            else:
                tls.shutdown(socket.SHUT_RDWR)

    thread = threading.Thread(target=serve)
    thread.start()

    async def main() -> None:
        transport = LeanTransport(TLSConfig(ca_file=str(certificate.cert)))
        request = request_of(f"https://localhost:{listener.getsockname()[1]}")
        if says_so:
            assert await _ask(transport, request) == b"all of it?"
        else:
            with pytest.raises(APIConnectionError):
                await _ask(transport, request)
        await transport.close()

    with listener:
        run(main())
        thread.join(5)


@ON_EACH_LOOP
def test_a_handshake_that_hangs_ends_in_time_and_leaves_nothing(run: Run) -> None:
    async def main() -> None:
        with socket.create_server(("127.0.0.1", 0)) as deaf:
            transport = LeanTransport(TLSConfig())
            url = f"https://127.0.0.1:{deaf.getsockname()[1]}"
            with pytest.raises(APITimeoutError, match=r"No connection .* within 0\.2 s"):
                await transport.open(request_of(url, timeouts=Timeouts(0.2, None, 5)))
            await asyncio.to_thread(_read_to_the_end, deaf)
            await transport.close()

    run(main())


@ON_EACH_LOOP
def test_an_answer_before_the_whole_request_is_delivered(run: Run) -> None:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            client.recv(1_000)
            client.sendall(b"HTTP/1.1 413 Too Large\r\ncontent-length: 3\r\n\r\nno!")
            client.settimeout(5)
            with suppress(OSError):
                while client.recv(1_000):  # so slow that most is never read
                    threading.Event().wait(0.01)

    thread = threading.Thread(target=serve)
    thread.start()

    async def main() -> None:
        transport = LeanTransport()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        reply = await transport.open(request_of(url, body=b"x" * 50_000_000))
        assert (reply.status, await reply.read()) == (413, b"no!")
        await asyncio.sleep(0.05)
        assert transport.open_connections == 0
        await transport.close()

    with listener:
        run(main())
        thread.join(5)


@ON_EACH_LOOP
def test_a_host_with_several_addresses_is_reached_by_the_one_that_answers(
    run: Run, upstream: Upstream
) -> None:
    async def main() -> None:
        transport = LeanTransport()
        url = upstream.url.replace("127.0.0.1", "localhost")  # ::1, where nobody listens, as well
        assert await _ask(transport, request_of(url))
        await transport.close()

    run(main())


class LeftAsItConnects(asyncio.SelectorEventLoop):
    """A loop on which the caller leaves in the moment in which an address has answered."""

    dial: asyncio.Task[None]

    def __init__(self, port: int) -> None:
        super().__init__()
        self.opened: list[socket.socket] = []
        self._port = port

    async def getaddrinfo(self, *_: Any, **__: Any) -> list[Any]:
        one = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", self._port))
        return [one, one]

    async def sock_connect(self, sock: socket.socket, address: Any) -> None:
        await super().sock_connect(sock, address)
        self.opened.append(sock)
        self.dial.cancel()


def test_who_leaves_as_one_of_several_addresses_answers_leaves_no_socket() -> None:
    def make() -> Connection:
        raise AssertionError("nobody waits for a connection")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        loop = LeftAsItConnects(listener.getsockname()[1])

        async def main() -> None:
            dialling = NetworkDialer(None)(Origin("http", "upstream.test", 80), make)
            loop.dial = loop.create_task(dialling)
            with pytest.raises(asyncio.CancelledError):
                await loop.dial

        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.run(main())
        (sock,) = loop.opened
        assert sock.fileno() == -1
