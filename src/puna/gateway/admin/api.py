"""What all of the admin API shares: who asks, one transaction for an act, and its audit."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import MISSING, fields, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import parse_qsl

from puna.engine.clock import Clock
from puna.errors import (
    BadRequestError,
    NotFoundError,
    PermissionDeniedError,
    ServiceUnavailableError,
)
from puna.gateway.accounts_feed import AccountsFeed
from puna.gateway.admin.fields import Field, waiting_in
from puna.gateway.answers.replies import Reply, json_reply
from puna.governance.principal import Principal
from puna.governance.records import ID_FIELDS, AuditRecord, Row, Spending, id_of_record

if TYPE_CHECKING:  # SQLAlchemy is loaded only where there is a database
    from puna.governance.store.accounts import AccountReader, AccountWriter

T = TypeVar("T")
RowT = TypeVar("RowT", bound=Row)

NOT_ENFORCED: Final = "x-puna-not-enforced"
"""The header of an answer that names fields which are stored and have no effect yet."""

_UNAUDITED: Final = frozenset(
    ("revision", "created_at", "updated_at", "created_by", "updated_by", "spend", "total_spend")
)


class AdminAPI:
    """The admin API of one worker."""

    def __init__(self, feed: AccountsFeed, clock: Clock) -> None:
        self._feed = feed
        self._clock = clock

    @property
    def now(self) -> float:
        """Unix time."""
        return self._clock.now()

    @property
    def is_connected(self) -> bool:
        """Whether the database answered when it was asked last."""
        return self._feed.is_connected

    async def read(self, work: Callable[[AccountReader], T]) -> T:
        """Read in one transaction.

        Raises:
            ServiceUnavailableError: the database cannot be used. So does `change`.
        """
        return await self._feed.store.read(work)

    async def change(self, principal: Principal, work: Callable[[Act], T]) -> T:
        """Do one act in one transaction. What has changed holds in this worker at once.

        Where it cannot be read back, it holds once the database answers again: it is done, and a
        new key is shown only in this answer.
        """
        now = self.now
        done = await self._feed.store.write(lambda writer: work(Act(writer, principal, now)))
        with suppress(ServiceUnavailableError):
            await self._feed.refresh()
        return done

    def reply(
        self, value: Any, body: Mapping[str, Any] | None = None, known: Sequence[Field] = ()
    ) -> Reply:
        """The answer, which tells the fields of the request's body that have no effect yet."""
        waiting = waiting_in(body or {}, known)
        return json_reply(value, headers={NOT_ENFORCED: ",".join(waiting)} if waiting else {})


class Act:
    """One act of an administrator: what it writes, it also writes to the audit log.

    Attributes:
        rows: reads and writes rows of the transaction.
        now: Unix time of the act.
    """

    def __init__(self, writer: AccountWriter, principal: Principal, now: float) -> None:
        self.rows = writer
        self.principal = principal
        self.now = now

    def create(self, record: RowT) -> RowT:
        """Write a row that there is none of yet.

        Raises:
            BadRequestError: there is one with this id.
        """
        record_id = id_of_record(record)
        found = self.rows.get(type(record), record_id, also_deleted=True)
        if found is not None and found.deleted_at is None:
            name = ID_FIELDS[type(record)]
            raise BadRequestError(
                f"There is a {kind_of(record)} with this `{name}` already; choose another one, or "
                "update it.",
                status_code=409,
                param=name,
                code="already_exists",
            )
        by = self.principal.key_id
        made = replace(
            record,
            created_at=self.now,
            updated_at=self.now,
            created_by=by,
            updated_by=by,
            deleted_at=None,
        )
        written = self.rows.put(made)
        if isinstance(written, Spending):
            self.rows.set_spend(written, written.spend, written.total_spend)
        self._note("created", written, {}, _audited(written))
        return written

    def update(self, before: RowT, after: RowT, action: str = "updated") -> RowT:
        """Write a row in the place of what it was."""
        made = replace(after, updated_at=self.now, updated_by=self.principal.key_id)
        written = self.rows.put(made)
        was, now = _audited(before), _audited(written)
        changed = [name for name in now if was[name] != now[name]]
        self._note(action, written, {n: was[n] for n in changed}, {n: now[n] for n in changed})
        return written

    def delete(self, record: Row) -> None:
        """Mark a row as deleted."""
        gone = replace(
            record,
            deleted_at=self.now,
            updated_at=self.now,
            updated_by=self.principal.key_id,
        )
        self.rows.put(gone)
        self._note("deleted", record, _audited(record), {})

    def _note(
        self, action: str, record: Row, before: Mapping[str, Any], after: Mapping[str, Any]
    ) -> None:
        audit = AuditRecord(
            at=self.now,
            actor=self.principal.key_id,
            actor_user=self.principal.user_id,
            action=action,
            kind=kind_of(record),
            object_id=id_of_record(record),
            before=before,
            after=after,
        )
        self.rows.note(audit)


def kind_of(record: Row | type[Row]) -> str:
    """What a row is, in a word: `key`, `user`, `team`, `organization`, `budget`, `customer`."""
    kind = record if isinstance(record, type) else type(record)
    return kind.__name__.removesuffix("Record").lower()


def _audited(record: Row) -> dict[str, Any]:
    return {
        one.name: getattr(record, one.name) for one in fields(record) if one.name not in _UNAUDITED
    }


def with_values(record: RowT, values: Mapping[str, Any], known: Sequence[Field]) -> RowT:
    """A row with what a request says of it. None gives a field's default back.

    Raises:
        BadRequestError: the soft budget is not below the budget.
    """
    defaults: dict[str, Any] = {}
    for one in fields(record):
        if one.default is not MISSING:
            defaults[one.name] = one.default
        elif one.default_factory is not MISSING:
            defaults[one.name] = one.default_factory()
    changes: dict[str, Any] = {}
    for one_field in known:
        if one_field.stored_as and one_field.name in values:
            value = values[one_field.name]
            name = one_field.stored_as
            changes[name] = defaults.get(name) if value is None else value
    made = replace(record, **changes)
    soft, most = getattr(made, "soft_budget", None), getattr(made, "max_budget", None)
    if soft is not None and most is not None and soft >= most:
        raise BadRequestError(
            "`soft_budget` must be below `max_budget`: it warns before that is reached.",
            param="soft_budget",
        )
    return made


def found(record: RowT | None, kind: type[RowT], record_id: str) -> RowT:
    """A row that must be there.

    Raises:
        NotFoundError: it is not.
    """
    if record is None:
        what = kind_of(kind)
        named = "key" if what == "key" else f"{what} `{record_id[:100]}`"
        raise NotFoundError(
            f"There is no such {named}; `GET /{what}/list` lists those that there are.",
            code="not_found",
            param=ID_FIELDS[kind] if what != "key" else "key",
        )
    return record


def read_query(query: str, known: Sequence[str]) -> dict[str, str]:
    """The parameters of a query; empty ones are left out.

    Raises:
        BadRequestError: one is not known.
    """
    values = dict(parse_qsl(query, max_num_fields=100))
    for name in values:
        if name not in known:
            raise BadRequestError(
                f"`{name[:100]}` is no parameter here; known are "
                f"{', '.join(f'`{one}`' for one in known)}.",
                param=name[:100],
                code="unknown_field",
            )
    return values


def read_page(values: Mapping[str, str], name: str, usual: int, most: int) -> int:
    """A whole number above 0 of a query. Raises BadRequestError."""
    text = values.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and len(text) < 10 and 1 <= int(text) <= most):  # noqa: PLR2004 - digits of a number that is meant
        raise BadRequestError(
            f"`{name}` must be a whole number from 1 to {most}, not `{text[:20]}`.", param=name
        )
    return int(text)


def needs_admin(principal: Principal, *, may_view: bool = False) -> None:
    """Check that the caller is an administrator, or may at least see everything.

    Raises:
        PermissionDeniedError: neither.
    """
    if principal.role == "admin" or (may_view and principal.role == "viewer"):
        return
    raise denied("Only an administrator may do this: use the master key, or an admin's key.")


def denied(message: str) -> PermissionDeniedError:
    """The error for who may not do what it asks for."""
    return PermissionDeniedError(message, code="not_allowed", fault="caller")
