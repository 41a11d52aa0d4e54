"""Reads and writes accounts: keys, users, teams, organizations, budgets and customers.

All writes of one act are one transaction. It raises the revision of the database first, which keeps
other writers out until it ends, and each row that it writes gets the new revision. So who has read
everything up to a revision misses nothing by reading what has a higher one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, RowMapping, func, inspect, select, text
from sqlalchemy.dialects import postgresql, sqlite

from puna.errors import ConfigError
from puna.governance.records import ID_FIELDS, AuditRecord, Row
from puna.governance.store.database import Database
from puna.governance.store.tables import AUDIT_LOG, REVISION, SCHEMA, TABLES, VERSION_TABLE

T = TypeVar("T")
RecordT = TypeVar("RecordT", bound=Row)

_OF_THE_LEDGER = frozenset(("spend", "total_spend"))


@dataclass(frozen=True, slots=True)
class Changes:
    """The rows that were written since a revision, deleted ones included, and the revision now."""

    revision: int
    records: tuple[Row, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the rows that a question finds, and how many it finds in all."""

    records: tuple[Any, ...]
    total: int


class AccountReader:
    """Reads rows in one transaction. Deleted rows are not found, unless they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def get(
        self, kind: type[RecordT], record_id: str, *, also_deleted: bool = False
    ) -> RecordT | None:
        """The row of this kind with this id, or None."""
        table = TABLES[kind]
        query = select(table).where(table.c[ID_FIELDS[kind]] == record_id)
        row = self._connection.execute(query).mappings().first()
        if row is None or (row["deleted_at"] is not None and not also_deleted):
            return None
        return _record(kind, row)

    def find(self, kind: type[RecordT], **equal: Any) -> tuple[RecordT, ...]:
        """All rows of this kind whose columns are equal to these values."""
        return self.page(kind, equal=equal).records

    def page(  # noqa: PLR0913 - a question's parts; all but one by keyword
        self,
        kind: type[RecordT],
        *,
        equal: Mapping[str, Any] | None = None,
        search: tuple[Sequence[str], str] | None = None,
        order: str = "created_at",
        is_descending: bool = True,
        skip: int = 0,
        most: int | None = None,
        is_deleted: bool = False,
    ) -> Page:
        """Some of the rows of this kind.

        Args:
            kind: the class of the rows.
            equal: values of columns that the rows must have; a tuple holds several that may be.
            search: columns, and a text that one of them must hold.
            order: the column to sort by, `is_descending` or not.
            skip: how many rows to leave out first.
            most: how many rows to give; None for all.
            is_deleted: whether the deleted rows are meant, not the others.
        """
        table = TABLES[kind]
        gone = table.c.deleted_at
        terms: list[ColumnElement[bool]] = [gone.is_not(None) if is_deleted else gone.is_(None)]
        for name, value in (equal or {}).items():
            column = table.c[name]
            terms.append(column.in_(value) if isinstance(value, tuple) else column == value)
        if search is not None:
            columns, wanted = search
            likes = [table.c[name].icontains(wanted, autoescape=True) for name in columns]
            terms.append(likes[0] if len(likes) == 1 else likes[0] | likes[1])
        total = self._connection.execute(
            select(func.count()).select_from(table).where(*terms)
        ).scalar_one()
        sorting = table.c[order]
        query = (
            select(table)
            .where(*terms)
            .order_by(
                sorting.desc() if is_descending else sorting.asc(), table.c[ID_FIELDS[kind]].asc()
            )
            .offset(skip)
        )
        rows = self._connection.execute(query.limit(most) if most is not None else query)
        return Page(tuple(_record(kind, row) for row in rows.mappings()), total)


class AccountWriter(AccountReader):
    """Reads and writes rows in one transaction, of which each row gets the revision."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        raised = REVISION.update().values(value=REVISION.c.value + 1).returning(REVISION.c.value)
        self.revision = int(connection.execute(raised).scalar_one())

    def put(self, record: RecordT) -> RecordT:
        """Write a row, in place of one with the same id. Returns it with its revision."""
        written = replace(record, revision=self.revision)
        kind = type(written)
        table = TABLES[kind]
        values = _columns(written)
        # The two dialects write the same words.
        is_sqlite = self._connection.dialect.name == "sqlite"
        insert = (sqlite if is_sqlite else postgresql).insert(table).values(values)
        # Spend belongs to the ledger: only the first writing of a row says what it is.
        others = {n: v for n, v in values.items() if n not in _OF_THE_LEDGER}
        self._connection.execute(
            insert.on_conflict_do_update(index_elements=[ID_FIELDS[kind]], set_=others)
        )
        return written

    def set_spend(self, record: Row, spend: int, total_spend: int) -> None:
        """Write the spend of a row, in pico-dollars."""
        table, name = TABLES[type(record)], ID_FIELDS[type(record)]
        self._connection.execute(
            table.update()
            .where(table.c[name] == getattr(record, name))
            .values(spend=spend, total_spend=total_spend)
        )

    def note(self, audit: AuditRecord) -> None:
        """Add a line to the audit log."""
        self._connection.execute(AUDIT_LOG.insert().values(_columns(audit)))


class AccountStore:
    """The accounts in one database."""

    def __init__(self, database: Database) -> None:
        self.database = database

    async def check_schema(self) -> None:
        """Check that the database has the schema of this version.

        Raises:
            ConfigError: it has another one, or none.
            ServiceUnavailableError: the database cannot be used.
        """
        found = await self.database.run(schema_of)
        if found != SCHEMA:
            has = f"has the schema `{found}`" if found else "has no tables of Puna"
            raise ConfigError(
                f"the database `{self.database.name}` {has}, and this version needs `{SCHEMA}`. "
                "Run `puna db migrate`; where the schema is newer than this version, run the "
                "version of Puna that made it",
                key="general_settings.database_url",
            )

    async def revision(self) -> int:
        """The revision of the last write.

        Raises:
            ServiceUnavailableError: the database cannot be used. So do all methods here.
        """
        return await self.database.run(_revision)

    async def changes_since(self, revision: int) -> Changes:
        """What was written after a revision; 0 gives all rows."""
        return await self.database.run(lambda connection: _changes(connection, revision))

    async def read(self, work: Callable[[AccountReader], T]) -> T:
        """Read in one transaction."""
        return await self.database.run(lambda connection: work(AccountReader(connection)))

    async def write(self, work: Callable[[AccountWriter], T]) -> T:
        """Read and write in one transaction, which is undone where the work raises."""
        return await self.database.run(
            lambda connection: work(AccountWriter(connection)), writes=True
        )

    async def audit_log(self, *, most: int = 100) -> tuple[AuditRecord, ...]:
        """The last acts of administrators, the last first."""
        names = [one.name for one in fields(AuditRecord)]

        def work(connection: Connection) -> tuple[AuditRecord, ...]:
            columns = [AUDIT_LOG.c[name] for name in names]
            query = select(*columns).order_by(AUDIT_LOG.c.id.desc()).limit(most)
            return tuple(AuditRecord(**row) for row in connection.execute(query).mappings())

        return await self.database.run(work)

    async def close(self) -> None:
        """Close the database."""
        await self.database.close()


def schema_of(connection: Connection) -> str | None:
    """The newest migration that a database has seen, or None."""
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text("SELECT version_num FROM puna_schema_version")).scalar()
    return str(found) if found is not None else None


def _revision(connection: Connection) -> int:
    return int(connection.execute(select(REVISION.c.value)).scalar_one())


def _changes(connection: Connection, since: int) -> Changes:
    # Read first: what is written meanwhile has a higher one, and comes once more with the next.
    revision = _revision(connection)
    records: list[Row] = []
    if revision != since:
        for kind, table in TABLES.items():
            query = select(table).where(table.c.revision > since)
            if not since:
                query = query.where(table.c.deleted_at.is_(None))
            rows = connection.execute(query).mappings()
            records += [_record(kind, row) for row in rows]
    return Changes(revision, tuple(records))


def _record(kind: type[RecordT], row: RowMapping) -> RecordT:
    """A row of a table as a value: its lists are tuples."""
    values: dict[str, Any] = {
        str(name): tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    return kind(**values)


def _columns(record: Any) -> dict[str, Any]:
    """A value as columns of its table."""
    return {one.name: _plain(getattr(record, one.name)) for one in fields(record)}


def _plain(value: Any) -> Any:
    """What JSON can hold: mappings and tuples as dicts and lists."""
    if isinstance(value, Mapping):
        return {str(name): _plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return value
