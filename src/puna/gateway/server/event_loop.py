"""The event loop of a server process: uvloop's, which can stop when no thread can be started."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import uvloop
from typing_extensions import override

from puna.gateway.requests.free_memory import lacks_memory


class GatewayLoop(uvloop.Loop):
    """uvloop's loop. Its threads for long steps end without the help of another thread."""

    def __init__(self) -> None:
        super().__init__()
        self._threads = ThreadPoolExecutor(thread_name_prefix="long steps")
        self.set_default_executor(self._threads)

    @override
    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads of the default executor, at most `timeout` seconds.

        None has no limit.

        Called when the loop closes. asyncio and uvloop wait in one more thread. Under a memory
        limit there may be no room for its stack, and the server would end with an error; then it
        waits here, without a limit.
        """
        try:
            await super().shutdown_default_executor(timeout)
        except RuntimeError as error:
            if not lacks_memory(error):
                raise
            self._threads.shutdown(wait=True)
