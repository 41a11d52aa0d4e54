"""A store of responses in a file: its quota, its owner, and rows that somebody damaged."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import time
from contextlib import closing
from pathlib import Path

import pytest
from tests.support.asgi import CONFIG, MODEL, House
from tests.support.upstream import Upstream

from puna.bridges.responses.stored import StoredResponse
from puna.errors import ConfigError, ServiceUnavailableError
from puna.governance.store.sqlite import SQLiteStore


def stored(number: int, text: str = "") -> StoredResponse:
    return StoredResponse(f"resp_{number}", "k", ({"content": text},), {}, (), number)


def test_the_oldest_responses_make_room(tmp_path: Path) -> None:
    async def run() -> list[bool]:
        store = SQLiteStore(str(tmp_path / "r.db"), most_bytes=400_000)
        for number in range(100):
            await store.put(stored(number, "x" * 10_000))
        kept = [await store.get("k", f"resp_{number}") is not None for number in range(100)]
        await store.close()
        return kept

    kept = asyncio.run(run())
    assert 20 <= sum(kept) <= 40
    assert kept == sorted(kept)  # the old ones are gone, the new ones are there


def test_a_store_that_is_smaller_than_an_empty_file_keeps_the_newest(tmp_path: Path) -> None:
    async def run() -> list[bool]:
        store = SQLiteStore(str(tmp_path / "r.db"), most_bytes=1_000)
        for number in range(3):
            await store.put(stored(number, "x" * 500))
        kept = [await store.get("k", f"resp_{number}") is not None for number in range(3)]
        await store.close()
        return kept

    assert asyncio.run(run()) == [False, False, True]


def test_a_response_larger_than_the_store_is_refused_and_takes_nobodys_place(
    tmp_path: Path,
) -> None:
    async def run() -> None:
        store = SQLiteStore(str(tmp_path / "r.db"), most_bytes=100_000)
        await store.put(stored(1))
        with pytest.raises(ServiceUnavailableError, match="response_store_size_mb"):
            await store.put(stored(2, "x" * 100_001))
        assert await store.get("k", "resp_1") == stored(1)
        await store.close()

    asyncio.run(run())


@pytest.mark.parametrize("path", ["a\0b", "~nobody-of-this-name/r.db", "/nowhere/r.db", "/"])
def test_a_path_that_cannot_be_is_an_error_of_the_configuration(path: str) -> None:
    with pytest.raises(ConfigError, match="cannot be used"):
        SQLiteStore(path)


@pytest.mark.parametrize("before", [None, 0o644, 0o666])
def test_the_file_is_its_owners_only(tmp_path: Path, before: int | None) -> None:
    path = tmp_path / "r.db"
    if before is not None:
        path.touch()
        path.chmod(before)

    def modes() -> set[int]:
        return {stat.S_IMODE(one.stat().st_mode) for one in tmp_path.iterdir()}

    async def run() -> set[int]:
        store = SQLiteStore(str(path))
        await store.put(stored(1))
        found = await asyncio.to_thread(modes)
        await store.close()
        return found

    assert asyncio.run(run()) == {0o600}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "null",
        "5",
        "[]",
        "[1, 2, 3]",
        "[[], [], []]",
        "[[1], {}, []]",
        '[["x"], {}, []]',
        "[[], {}, [null]]",
        "[" * 100_000,
        b"\xff\xfe",
        7,
    ],
)
@pytest.mark.parametrize("use", ["get", "go on", "items"])
def test_a_damaged_row_is_a_clear_error(
    upstream: Upstream,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    content: object,
    use: str,
) -> None:
    path = tmp_path / "r.db"
    house = House(upstream, CONFIG + f"general_settings: {{response_store: {path}}}\n")
    made = house.ask("/v1/responses", {"model": MODEL, "input": "hi"}).json["id"]
    with sqlite3.connect(path) as db:
        db.execute("UPDATE responses SET content = ?", (content,))
    db.close()
    if use == "get":
        answer = house.get(f"/v1/responses/{made}")
    elif use == "items":
        answer = house.get(f"/v1/responses/{made}/input_items")
    else:
        body = {"model": MODEL, "input": "hi", "previous_response_id": made}
        answer = house.ask("/v1/responses", body)
    assert answer.status in (500, 503)
    assert answer.error["code"] in ("stored_response_damaged", "response_store_unavailable")
    assert "Traceback" not in caplog.text
    assert house.ask(f"/v1/responses/{made}", None, method="DELETE").status == 200


def test_a_file_that_became_no_database_fails_no_caller(
    upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "r.db"
    house = House(upstream, CONFIG + f"general_settings: {{response_store: {path}}}\n")
    house.ask("/v1/responses", {"model": MODEL, "input": "hi"})
    for one in tmp_path.iterdir():
        one.write_bytes(b"no database " * 4_000)
    assert house.ask("/v1/responses", {"model": MODEL, "input": "hi"}).status == 200
    found = house.get("/v1/responses/resp_1")
    assert found.status == 503
    assert found.error["code"] == "response_store_unavailable"
    assert "was not stored" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize(
    ("sweep", "index"),
    [
        ("DELETE FROM responses WHERE created_at < 5", "responses_by_age"),
        ("DELETE FROM items WHERE created_at < 5", "items_by_age"),
    ],
)
def test_what_is_too_old_is_found_without_a_look_at_every_row(
    sweep: str, index: str, tmp_path: Path
) -> None:
    """Each response that is kept makes the old ones go."""
    file = tmp_path / "responses.db"
    asyncio.run(SQLiteStore(str(file)).close())
    with closing(sqlite3.connect(file)) as db:
        ((*_, plan),) = db.execute("EXPLAIN QUERY PLAN " + sweep).fetchall()
    assert f"INDEX {index}" in plan


def test_a_store_of_sqlite_forgets_after_thirty_days(tmp_path: Path) -> None:
    async def run() -> None:
        store = SQLiteStore(str(tmp_path / "r.db"))
        await store.put(stored(1))
        kept = await store.get("k", "resp_1")
        assert kept == stored(1)
        await store.put(stored(31 * 24 * 3600))
        assert await store.get("k", "resp_1") is None
        await store.close()

    asyncio.run(run())


def test_a_locked_store_holds_nobody_longer_than_its_patience(tmp_path: Path) -> None:
    path = tmp_path / "r.db"

    async def run() -> tuple[list[object], float]:
        store = SQLiteStore(str(path), busy_s=0.3)
        other = sqlite3.connect(path)
        other.execute("BEGIN EXCLUSIVE")
        began = time.monotonic()
        done = await asyncio.gather(
            *(store.put(stored(number)) for number in range(40)), return_exceptions=True
        )
        took = time.monotonic() - began
        other.rollback()
        await store.put(stored(50))
        assert await store.get("k", "resp_50") == stored(50)
        other.close()
        await store.close()
        return list(done), took

    done, took = asyncio.run(run())
    assert all(isinstance(one, ServiceUnavailableError) for one in done)
    assert took < 2, took  # one after the other they would take 12 s
