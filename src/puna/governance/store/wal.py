"""Switches a SQLite file to write-ahead logging, while other processes use the file."""

from __future__ import annotations

import sqlite3
import time

_PAUSE_S = 0.01


def use_wal(connection: sqlite3.Connection, until: float) -> None:
    """Have a database write ahead. While others hold its lock, try again until `until`.

    SQLite does not wait by itself for this one statement: of two programs that open a new file at
    once, the second may be refused at once. `until` is a time of `time.monotonic()`.

    Raises:
        sqlite3.Error: the file is still locked then, or it is no database.
    """
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL").close()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return
