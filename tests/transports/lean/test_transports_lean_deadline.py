"""Time limits of requests: no timer without a limit, one for all requests of a connection."""

from __future__ import annotations

import asyncio
import math

from tests.support.lean_requests import HI, request_of, start
from tests.support.memory_network import MemoryNetwork, VirtualLoop, run

from puna.transports.lean import Exchange, LeanTransport
from puna.wire.http import Timeouts


def test_no_limit_arms_no_timer() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([[60.0, HI]]))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        heard = start(transport, request_of(timeouts=Timeouts(None, None, None)))
        assert loop.armed_timers == 1  # the sweep
        await heard.over
        assert heard.body == b"hi"
        assert isinstance(heard.exchange, Exchange)
        assert heard.exchange.deadline == math.inf
        await transport.close()

    run(main())


def test_a_connection_has_one_timer_for_all_its_requests() -> None:
    async def main() -> None:
        transport = LeanTransport(dialer=MemoryNetwork([HI] * 50))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualLoop)
        for _ in range(50):
            await start(transport).over
        assert loop.armed_timers == 2  # the connection's and the sweep
        await asyncio.sleep(40)
        assert loop.armed_timers == 0
        await transport.close()

    run(main())
