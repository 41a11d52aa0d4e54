"""The pool of one origin: which connection serves, who waits, how long connections are kept."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest
from tests.support.lean_requests import HI, cancel, request_of, start
from tests.support.memory_network import MemoryNetwork, run

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.lean import LeanTransport, PoolLimits
from puna.wire.http import Timeouts


def test_the_connection_used_last_serves_next_and_unused_ones_are_closed_in_time() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI] * 10)
        transport = LeanTransport(dialer=network)
        await asyncio.gather(*(start(transport).over for _ in range(3)))
        assert transport.open_connections == 3
        await asyncio.sleep(20)
        last = network.lines[2]
        await start(transport).over
        assert last.written.count(b"POST") == 2
        await asyncio.sleep(16)
        assert transport.open_connections == 1
        await asyncio.sleep(30)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_only_so_many_unused_connections_are_kept() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, HI]] * 5)
        transport = LeanTransport(dialer=network, limits=PoolLimits(unused=2))
        await asyncio.gather(*(start(transport).over for _ in range(5)))
        await asyncio.sleep(0)
        assert transport.open_connections == 2
        await transport.close()

    run(main())


def test_no_connection_grows_older_than_its_age() -> None:
    async def main() -> None:
        network = MemoryNetwork([HI] * 40)
        transport = LeanTransport(dialer=network, limits=PoolLimits(age_s=100))
        for _ in range(30):
            await start(transport).over
            await asyncio.sleep(9)
        assert len(network.lines) == 3
        network.add(*[(80.0, HI)] * 2)
        await transport.close()

    run(main())


def test_an_old_connection_is_closed_after_a_long_reply() -> None:
    async def main() -> None:
        network = MemoryNetwork([[20.0, HI]])
        transport = LeanTransport(dialer=network, limits=PoolLimits(age_s=10))
        await start(transport).over
        await asyncio.sleep(0.1)
        assert transport.open_connections == 0
        await transport.close()

    run(main())


def test_a_full_pool_serves_in_the_order_of_asking() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, HI]] * 6)
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=2))
        timeouts = Timeouts(connect_s=None, total_s=None)
        order: list[int] = []
        asked = [start(transport, request_of(timeouts=timeouts)) for _ in range(6)]
        for number, heard in enumerate(asked):
            heard.over.add_done_callback(partial(_note, order, number))
        cancel(asked[3])
        await asyncio.gather(*(heard.over for heard in asked if heard is not asked[3]))
        assert order == [0, 1, 2, 4, 5]
        assert len(network.lines) == 2
        await transport.close()

    run(main())


def test_who_waits_in_vain_is_told_and_leaves_the_queue() -> None:
    async def main() -> None:
        network = MemoryNetwork([[10.0, HI], HI])
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        first, second = start(transport), start(transport)
        await second.over
        assert isinstance(second.error, APITimeoutError)
        assert "No connection to `http://upstream.test` within 2 s" in str(second.error)
        assert second.error.is_retryable
        await first.over
        await start(transport).over
        assert len(network.requests) == 2
        await transport.close()

    run(main())


def test_a_lost_connection_makes_room_for_who_waits() -> None:
    async def main() -> None:
        network = MemoryNetwork([[1.0, "reset"], HI, HI])
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        first, second, third = (start(transport) for _ in range(3))
        await third.over
        assert first.error is not None
        assert (second.body, third.body) == (b"hi", b"hi")
        await transport.close()

    run(main())


def test_a_connection_that_does_not_come_ends_in_time_and_can_be_cancelled() -> None:
    async def main() -> None:
        network = MemoryNetwork()
        network.dial_s = None
        transport = LeanTransport(dialer=network)
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        heard = start(transport, request_of(timeouts=Timeouts(connect_s=9, total_s=4)))
        left = start(transport)
        cancel(left)
        cancel(left)
        await heard.over
        assert loop.time() - began_at == pytest.approx(4, abs=0.01)
        assert isinstance(heard.error, APITimeoutError)
        assert not heard.error.is_retryable
        assert not left.over.done()
        waiting = start(transport)
        await transport.close()
        assert "the transport was closed" in str(waiting.error)

    run(main())


@pytest.mark.parametrize(
    "refusal",
    [ConnectionRefusedError(111, "Connect call failed"), UnicodeError("label"), KeyError("bug")],
)
def test_a_refused_connection_is_told_and_the_next_request_dials_anew(refusal: Exception) -> None:
    async def main() -> None:
        network = MemoryNetwork([HI])
        network.refuses = refusal
        transport = LeanTransport(dialer=network, limits=PoolLimits(connections=1))
        heard = start(transport)
        await heard.over
        assert type(heard.error) is APIConnectionError
        assert heard.error.__cause__ is refusal
        network.refuses = None
        again = start(transport)
        await again.over
        assert again.body == b"hi"
        await transport.close()

    run(main())


def _note(order: list[int], number: int, _: object) -> None:
    order.append(number)
