"""The program of the child process that runs llama.cpp's server.

It is started as a file and imports nothing of Puna. On stdin it gets one JSON line (`model`,
`alias`, `api_key`, `n_parallel`, `n_ctx`, `n_batch`, `n_threads`, `cache_ram_mib`, `parent_pid`);
on stdout it writes one, `{"base_url": ...}`, when it can answer. The server listens on loopback
only and requires the key, so that other users of the machine cannot use it.

It never outlives its parent. It watches for the end of stdin, whose other end only the parent
holds, and for another parent process id, because a parent that forked left copies of that end. (The
kernel's parent-death signal does not work: it comes when the *thread* that started the child ends.)
"""

from __future__ import annotations

import json
import os
import sys
import threading
import time
from typing import Any, Final

POLL_S: Final = 0.25
"""How often the parent's process id is looked at, in seconds."""


def watch_parent(parent_pid: int) -> None:
    """Start two threads that end this process when the parent is gone."""
    threading.Thread(target=_wait_for_stdin_to_end, daemon=True).start()
    threading.Thread(target=_wait_for_other_parent, args=(parent_pid,), daemon=True).start()


def _wait_for_stdin_to_end() -> None:
    # Not through `sys.stdin`, whose lock this thread would hold while the process ends.
    while os.read(0, 4096):
        pass
    os._exit(0)


def _wait_for_other_parent(parent_pid: int) -> None:
    while os.getppid() == parent_pid:
        time.sleep(POLL_S)
    os._exit(0)


def start_server(settings: dict[str, Any]) -> str:
    """Load the model and start the server; gives its base URL."""
    import xllamacpp

    llama: Any = xllamacpp  # it ships no types
    params = llama.CommonParams()
    params.model.path = settings["model"]
    params.model_alias = {settings["alias"]}
    params.api_keys = [settings["api_key"]]
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.ui = False
    params.offline = True
    params.endpoint_props = False
    params.endpoint_slots = False
    params.n_parallel = settings["n_parallel"]
    params.n_ctx = settings["n_ctx"]
    params.cache_ram_mib = settings["cache_ram_mib"]
    # The same process embeds. An input must fit in one batch, for the mean is made of all states.
    params.embedding = True
    params.pooling_type = llama.llama_pooling_type.LLAMA_POOLING_TYPE_MEAN
    params.n_batch = params.n_ubatch = settings["n_batch"]
    params.n_threads_http = 2 * settings["n_parallel"]
    params.cpuparams.n_threads = settings["n_threads"]
    params.cpuparams_batch.n_threads = settings["n_threads"]
    params.verbosity = 1  # errors only: the reason when the model cannot be loaded
    server = llama.Server(params)
    _KEPT.append(server)
    return str(server.listening_address)


_KEPT: Final[list[Any]] = []
"""Holds the server: it stops when nobody refers to it."""


def main() -> None:
    """Read the settings, run the server, and wait until the parent is gone."""
    settings = json.loads(sys.stdin.buffer.readline())
    watch_parent(settings["parent_pid"])
    try:
        address = start_server(settings)
    except Exception as error:  # noqa: BLE001 - whatever it is, the parent gets to read it
        sys.stderr.write(f"{error}\n")
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.write(json.dumps({"base_url": address}) + "\n")
    sys.stdout.flush()
    # Nobody reads what the server says from here on; a full pipe would stop it.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    threading.Event().wait()


if __name__ == "__main__":
    main()
