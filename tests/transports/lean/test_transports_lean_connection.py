"""One connection: closed ones are replaced, early answers end it, paused readers stop the host."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from tests.support.lean_requests import HI, cancel, request_of, start
from tests.support.memory_network import Heard, MemoryNetwork, Step, run

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport, PoolLimits
from puna.transports.lean.connection import Connection
from puna.transports.lean.head import Origin


@pytest.mark.parametrize("end", ["eof", "reset"])
def test_a_kept_connection_that_was_closed_is_replaced_once_in_silence(end: Step) -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, [end], HI, [end], [end]])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        again = start(transport)
        await again.over
        assert (again.error, again.body) == (None, b"hi")
        assert len(network.lines) == 2
        failed = start(transport)
        await failed.over
        assert type(failed.error) is APIConnectionError
        assert len(network.lines) == 3
        await transport.close()

    run(main())


def test_who_is_tried_again_keeps_the_place_that_others_wait_for() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, ["reset"], HI, HI])
        open_at_dials: list[int] = []

        async def dial(origin: Origin, make: Callable[[], Connection]) -> None:
            open_at_dials.append(sum(not line.is_closing() for line in network.lines))
            await network(origin, make)

        transport = LeanTransport(dialer=dial, limits=PoolLimits(connections=1))
        await start(transport).over
        second, third = start(transport), start(transport)
        await third.over
        assert (second.body, third.body) == (b"hi", b"hi")
        assert open_at_dials == [0, 0]
        await transport.close()

    run(main())


def test_nothing_is_sent_twice_after_a_byte_of_the_reply() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, [b"H", "reset"], HI])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        failed = start(transport)
        await failed.over
        assert "in the middle of its reply" in str(failed.error)
        assert len(network.requests) == 2
        await transport.close()

    run(main())


def test_a_retried_request_can_be_cancelled_and_keeps_its_time_limit() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, ["eof"], (), HI, ["eof"]])
        transport = LeanTransport(dialer=network)
        await start(transport).over
        slow = start(transport)
        await slow.over
        assert isinstance(slow.error, APITimeoutError)
        await start(transport).over
        network.dial_s = None
        left = start(transport)
        await asyncio.sleep(0.1)
        cancel(left)
        await transport.close()

    run(main())


def test_an_early_answer_is_delivered_and_its_connection_closed() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI, HI])
        transport = LeanTransport(dialer=network)
        heard = start(transport, request_of(body=b"x" * 1_000_000))
        network.pending = 500_000
        await heard.over
        assert heard.body == b"hi"
        network.pending = 0
        await start(transport).over
        assert len(network.lines) == 2
        await transport.close()

    run(main())


def test_a_paused_reader_stops_the_host_and_its_pause_is_not_the_hosts() -> None:
    async def main() -> None:
        head = b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
        network = MemoryNetwork([[head, b"ab", 1.0, b"cd"], HI])
        transport = LeanTransport(dialer=network)
        heard = Heard()
        exchange = heard.exchange = transport.start(request_of(is_stream=True), heard)
        await asyncio.sleep(0.5)
        exchange.pause()
        exchange.pause()
        await asyncio.sleep(60)
        assert heard.body == b"ab"
        exchange.resume()
        exchange.resume()
        await heard.over
        assert heard.body == b"abcd"
        exchange.pause()
        exchange.resume()
        await start(transport).over
        assert len(network.lines) == 1
        await transport.close()

    run(main())


def test_a_request_paused_from_the_start_is_limited_all_the_same() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([HI]))
        heard = start(transport)
        assert heard.exchange is not None
        heard.exchange.pause()
        await heard.over
        assert isinstance(heard.error, APITimeoutError)
        await transport.close()

    run(main())


def test_a_connection_lost_before_anybody_could_use_it_is_an_error() -> None:
    async def main() -> None:
        async def dialer(*_: object) -> None:
            await asyncio.sleep(0.1)

        transport = LeanTransport(dialer=dialer)
        heard = start(transport)
        await heard.over
        assert "closed the connection at once" in str(heard.error)
        await transport.close()

    run(main())
