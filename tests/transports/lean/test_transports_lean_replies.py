"""`open`: coroutines that wait for the head and the pieces of a reply."""

from __future__ import annotations

import asyncio

import pytest
from tests.support.lean_requests import HEAD, request_of
from tests.support.memory_network import MemoryNetwork, Script, run

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport


def test_open_gives_the_head_first_then_the_body_whole_or_in_pieces() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([[HEAD, b"h", b"i"]] * 3))
        reply = await transport.open(request_of())
        assert reply.status == 200
        assert await reply.read() == b"hi"
        await reply.close()
        reply = await transport.open(request_of(is_stream=True))
        assert [piece async for piece in reply.pieces()] == [b"h", b"i"]
        await reply.close()
        assert await (await transport.open(request_of(is_stream=True))).read() == b"hi"
        assert transport.open_connections == 1
        await transport.close()

    run(main())


def test_a_reply_that_nobody_reads_is_held_back() -> None:
    async def main() -> None:
        piece = b"x" * 100_000
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n"
        network = MemoryNetwork([[head, *[piece] * 10]] * 2)
        transport = LeanTransport(dialer=network)
        for is_stream in (False, True):
            reply = await transport.open(request_of(is_stream=is_stream))
            await asyncio.sleep(1)
            assert not network.lines[0].reads
            if is_stream:
                assert sum([len(piece) async for piece in reply.pieces()]) == 1_000_000
            else:
                assert len(await reply.read()) == 1_000_000
            await reply.close()
        assert len(network.lines) == 1
        await transport.close()

    run(main())


def test_errors_reach_whoever_waits() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        network = MemoryNetwork([["reset"], [head, b"ab", "reset"], [head, 1.0, b"ab", "reset"]])
        transport = LeanTransport(dialer=network)
        with pytest.raises(APIConnectionError):
            await transport.open(request_of())
        reply = await transport.open(request_of())
        with pytest.raises(APIConnectionError, match="in the middle"):
            await reply.read()
        reply = await transport.open(request_of(is_stream=True))
        pieces = reply.pieces()
        assert await anext(pieces) == b"ab"
        with pytest.raises(APIConnectionError, match="in the middle"):
            await anext(pieces)
        await transport.close()

    run(main())


def test_a_stream_that_is_read_whole_has_the_total_time() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 400\r\n\r\n"
        step: Script = [b"a", 1.0]
        network = MemoryNetwork([[head, *(step[i % 2] for i in range(100))]])
        transport = LeanTransport(dialer=network)
        reply = await transport.open(request_of(is_stream=True))
        with pytest.raises(APITimeoutError, match="stream_timeout"):
            await reply.read()
        await reply.close()
        await asyncio.sleep(0.1)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_who_leaves_while_waiting_cuts_the_connection() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([(), [HEAD]]))
        for act in ("open", "read"):
            task = asyncio.create_task(_open_and_read(transport))
            await asyncio.sleep(1)
            assert transport.open_connections == 1, act
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task
            await asyncio.sleep(0.1)
            assert transport.open_connections == 0
        await transport.close()

    run(main())


async def _open_and_read(transport: LeanTransport) -> bytes:
    reply = await transport.open(request_of())
    try:
        return await reply.read()
    finally:
        await reply.close()
