"""The store of accounts: the same over SQLite and over PostgreSQL."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable, Coroutine
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.support.databases import KINDS, make_store, make_url, migrated, server

from puna.errors import ConfigError, ServiceUnavailableError
from puna.governance.records import (
    ID_FIELDS,
    AuditRecord,
    BudgetRecord,
    CustomerRecord,
    KeyRecord,
    OrganizationRecord,
    Record,
    TeamRecord,
    UserRecord,
    id_of_record,
)
from puna.governance.store.accounts import AccountReader, AccountStore, AccountWriter
from puna.governance.store.database import open_database
from puna.types.secret import Secret

pytestmark = pytest.mark.xdist_group("postgresql")

FULL: tuple[Record, ...] = (
    KeyRecord(
        token="a" * 64,
        first_token="b" * 64,
        key_name="sk-...1234",
        key_alias="alias",
        user_id="u",
        team_id="t",
        organization_id="o",
        models=("m", "llama/*"),
        aliases={"gpt-4": "m"},
        allowed_routes=("/v1/*",),
        allowed_ips=("10.0.0.0/8",),
        tags=("x",),
        expires=2_000_000_000.5,
        blocked=True,
        max_budget=9_000_000 * 10**12,
        soft_budget=1,
        max_tokens_budget=2**40,
        budget_duration="30d",
        strict_budget=True,
        tpm_limit=1,
        rpm_limit=2,
        tpd_limit=3,
        max_parallel_requests=4,
        model_max_budget={"m": {"budget_limit": 1.5, "time_period": "1d"}},
        spend=5,
        total_spend=2**62,
        budget_id="b",
        created_at=1.25,
        updated_at=2.5,
        created_by="master",
        updated_by="other",
        metadata={"deep": [1, {"x": None}], "ключ": "é"},
    ),
    UserRecord(user_id="u", user_email="u@example.com", user_role="proxy_admin", teams=("t",)),
    TeamRecord(
        team_id="t",
        team_alias="the team",
        members_with_roles=({"user_id": "u", "role": "admin"},),
        model_aliases={"a": "b"},
    ),
    OrganizationRecord(organization_id="o", organization_alias="org", models=("m",)),
    BudgetRecord(budget_id="b", max_budget=7, budget_duration="1mo"),
    CustomerRecord(user_id="c", alias="customer", blocked=True),
)


def run_with(
    kind: str, folder: Path, test: Callable[[AccountStore], Coroutine[Any, Any, None]]
) -> None:
    async def run() -> None:
        store = await migrated(make_url(kind, folder))
        try:
            await test(store)
        finally:
            await store.close()

    asyncio.run(run())


def put_all(writer: AccountWriter) -> None:
    for one in FULL:
        writer.put(one)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_row_comes_back_as_it_was_put(kind: str, tmp_path: Path) -> None:
    async def test(store: AccountStore) -> None:
        await store.write(put_all)
        for one in FULL:
            assert await store.read(finding(one)) == replace(one, revision=2)

    run_with(kind, tmp_path, test)


def finding(one: Record) -> Callable[[AccountReader], Record | None]:
    return lambda reader: reader.get(type(one), id_of_record(one))


@pytest.mark.parametrize("kind", KINDS)
def test_who_reads_the_changes_since_a_revision_gets_what_was_written_after_it(
    kind: str, tmp_path: Path
) -> None:
    async def test(store: AccountStore) -> None:
        assert await store.revision() == 1
        assert (await store.changes_since(0)).records == ()
        await store.write(put_all)
        first = await store.changes_since(0)
        assert first.revision == 2
        assert {type(one) for one in first.records} == set(ID_FIELDS)
        await store.write(lambda writer: writer.put(BudgetRecord(budget_id="b", deleted_at=9.0)))
        later = await store.changes_since(2)
        assert later.revision == 3
        (gone,) = later.records
        assert gone.deleted_at == 9.0
        assert (await store.changes_since(3)).records == ()
        # To who begins now, a deleted row says nothing.
        assert not any(
            isinstance(one, BudgetRecord) for one in (await store.changes_since(0)).records
        )
        assert await store.read(lambda reader: reader.get(BudgetRecord, "b")) is None

    run_with(kind, tmp_path, test)


@pytest.mark.parametrize("kind", KINDS)
def test_writers_at_once_each_get_a_revision_of_their_own(kind: str, tmp_path: Path) -> None:
    async def test(store: AccountStore) -> None:
        async def add(number: int) -> int:
            def work(writer: AccountWriter) -> int:
                seen = len(writer.find(BudgetRecord))
                writer.put(BudgetRecord(budget_id=str(number), max_budget=seen))
                return writer.revision

            return await store.write(work)

        revisions = await asyncio.gather(*map(add, range(20)))
        assert sorted(revisions) == list(range(2, 22))
        budgets = await store.read(lambda reader: reader.find(BudgetRecord))
        # Each saw all that were before it: what is read in a transaction is not out of date.
        assert sorted(one.max_budget or 0 for one in budgets) == list(range(20))

    run_with(kind, tmp_path, test)


@pytest.mark.parametrize("kind", KINDS)
def test_what_raises_has_written_nothing(kind: str, tmp_path: Path) -> None:
    async def test(store: AccountStore) -> None:
        def work(writer: AccountWriter) -> None:
            put_all(writer)
            raise KeyError("stop")

        with pytest.raises(KeyError):
            await store.write(work)
        assert await store.revision() == 1
        assert (await store.changes_since(0)).records == ()

    run_with(kind, tmp_path, test)


@pytest.mark.parametrize("kind", KINDS)
def test_spend_is_not_overwritten_by_who_changes_a_row(kind: str, tmp_path: Path) -> None:
    async def test(store: AccountStore) -> None:
        key = KeyRecord(token="a", spend=1, total_spend=2)
        await store.write(lambda writer: writer.put(key))
        await store.write(lambda writer: writer.set_spend(key, 10, 20))
        await store.write(lambda writer: writer.put(key))
        found = await store.read(lambda reader: reader.get(KeyRecord, "a"))
        assert found is not None
        assert (found.spend, found.total_spend) == (10, 20)

    run_with(kind, tmp_path, test)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_are_found_by_columns_and_by_text_in_pages(kind: str, tmp_path: Path) -> None:
    def put(writer: AccountWriter) -> None:
        for number in range(25):
            writer.put(
                KeyRecord(
                    token=f"{number:02}",
                    key_alias=f"Key_{number:02}",
                    team_id="even" if number % 2 == 0 else "odd",
                    created_at=float(number),
                )
            )

    async def test(store: AccountStore) -> None:
        await store.write(put)
        page = await store.read(
            lambda reader: reader.page(KeyRecord, equal={"team_id": "even"}, skip=10, most=10)
        )
        assert page.total == 13
        assert [one.token for one in page.records] == ["04", "02", "00"]
        found = await store.read(
            lambda reader: reader.page(
                KeyRecord,
                search=(("key_alias", "token"), "key_1"),
                order="key_alias",
                is_descending=False,
            )
        )
        assert [one.token for one in found.records] == [str(n) for n in range(10, 20)]
        # `%` and `_` stand for themselves.
        for odd in ("%", "key%", "' OR 1=1 --"):
            question = partial(AccountReader.page, kind=KeyRecord, search=(("key_alias",), odd))
            assert (await store.read(question)).total == 0
        either = await store.read(
            lambda reader: reader.page(KeyRecord, equal={"token": ("01", "02", "zz")})
        )
        assert {one.token for one in either.records} == {"01", "02"}

    run_with(kind, tmp_path, test)


@pytest.mark.parametrize("kind", KINDS)
def test_the_audit_log_keeps_what_was_done_the_last_first(kind: str, tmp_path: Path) -> None:
    acts = [
        AuditRecord(
            at=float(number),
            actor="master",
            actor_user=None,
            action="created",
            kind="key",
            object_id="a",
            before={},
            after={"models": ["m"]},
        )
        for number in range(3)
    ]

    async def test(store: AccountStore) -> None:
        for act in acts:
            await store.write(partial(AccountWriter.note, audit=act))
        assert await store.audit_log(most=2) == (acts[2], acts[1])

    run_with(kind, tmp_path, test)


def test_another_process_that_locks_the_file_is_waited_for_no_longer_than_the_deadline(
    tmp_path: Path,
) -> None:
    url = make_url("sqlite", tmp_path)

    async def run() -> None:
        first = await migrated(url)
        second = make_store(url, deadline_s=0.05)
        stays = asyncio.Event()
        loop = asyncio.get_running_loop()
        is_locked = asyncio.Event()

        def hold(_: AccountWriter) -> None:
            loop.call_soon_threadsafe(is_locked.set)
            asyncio.run_coroutine_threadsafe(stays.wait(), loop).result()

        holding = loop.create_task(first.write(hold))
        await is_locked.wait()
        with pytest.raises(ServiceUnavailableError) as caught:
            await second.write(put_all)
        assert caught.value.code == "database_unavailable"
        assert "locked" in str(caught.value)
        # In WAL mode, who only reads is kept out by nobody.
        assert await second.revision() == 1
        stays.set()
        await holding
        await second.write(put_all)
        await second.close()
        await first.close()

    asyncio.run(run())


def test_a_server_that_does_not_answer_is_waited_for_no_longer_than_the_deadline() -> None:
    url = make_url("postgresql", Path())

    async def run() -> None:
        store = await migrated(url)
        quick = make_store(url, deadline_s=0.2)
        assert await quick.revision() == 1
        server().pause()
        try:
            with pytest.raises(ServiceUnavailableError) as caught:
                await quick.revision()
        finally:
            server().go_on()
        assert "took too long" in str(caught.value)
        assert await store.revision() == 1
        patient = make_store(url)
        assert await patient.revision() == 1
        for one in (store, quick, patient):
            await one.close()

    asyncio.run(run())


def test_a_server_that_is_not_there_is_told_without_the_password(tmp_path: Path) -> None:
    async def run() -> None:
        store = make_store(f"postgresql://puna:hunter22@localhost/x?host={tmp_path}")
        with pytest.raises(ServiceUnavailableError) as caught:
            await store.revision()
        assert "postgresql://puna:***@localhost/x" in str(caught.value)
        assert "hunter22" not in str(caught.value)
        await store.close()

    asyncio.run(run())


def test_a_sqlite_file_is_for_its_owner_only(tmp_path: Path) -> None:
    url = make_url("sqlite", tmp_path)
    asyncio.run(make_store(url).close())
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("", "sqlite:///FILE"),
        ("mysql://u:hunter22@h/x", "postgresql://"),
        ("postgresql://u:hunter22@h", "postgresql://"),
        ("sqlite://", "sqlite:///FILE"),
        ("sqlite:////nowhere/at/all.db", "may write to"),
        ("not a url hunter22", "sqlite:///FILE"),
        ("postgresql://u:hunter22@h/x?sslmode=maybe", "`sslmode`"),
        ("postgresql://u:hunter22@h/x?application=y", "`application`"),
    ],
)
def test_what_names_no_database_is_refused_with_the_form_that_is_wanted(
    url: str, words: str
) -> None:
    with pytest.raises(ConfigError, match="database") as caught:
        open_database(Secret(url))
    assert words in str(caught.value)
    assert "hunter22" not in str(caught.value)


def test_options_of_prismas_urls_are_known() -> None:
    async def run() -> None:
        url = make_url("postgresql", Path()) + "&schema=public&connection_limit=1&pool_timeout=60"
        store = await migrated(url)
        assert await asyncio.gather(*(store.revision() for _ in range(5))) == [1] * 5
        await store.close()

    asyncio.run(run())
