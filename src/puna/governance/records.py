"""The rows of keys, users, teams, organizations, budgets and customers, as frozen values.

Money is an int of pico-dollars (1e-12 US dollars), a time is Unix time in seconds. The names of the
fields are LiteLLM's, as in its admin API, and those of the columns of the database.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

Role = Literal["proxy_admin", "proxy_admin_viewer", "internal_user", "internal_user_viewer"]
"""What a user may do with the admin API (LiteLLM's `user_role`)."""

ROLES: Final[tuple[Role, ...]] = (
    "proxy_admin",
    "proxy_admin_viewer",
    "internal_user",
    "internal_user_viewer",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What every row has.

    Attributes:
        revision: the revision of the database in which the row was written last.
        deleted_at: when the row was deleted, or None. A deleted row is kept, so that every gateway
            that reads the changes since a revision learns of it.
        created_by, updated_by: the ids of the keys that wrote the row first and last.
    """

    revision: int = 0
    created_at: float = 0.0
    updated_at: float = 0.0
    created_by: str = ""
    updated_by: str = ""
    deleted_at: float | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits(Row):
    """How much may be spent and asked. None is no limit.

    Attributes:
        max_budget, soft_budget: pico-dollars in one window; `soft_budget` only warns.
        max_tokens_budget: tokens in one window.
        budget_duration: the window, such as `30d`; None for one that never starts anew.
        strict_budget: whether answers are limited so that a budget cannot be passed at all.
        tpm_limit, rpm_limit: tokens and requests in a minute; `tpd_limit`: tokens in a day.
        max_parallel_requests: requests under way at once.
        model_max_budget: budgets of single models, by name, as LiteLLM writes them.
    """

    max_budget: int | None = None
    soft_budget: int | None = None
    max_tokens_budget: int | None = None
    budget_duration: str | None = None
    strict_budget: bool = False
    tpm_limit: int | None = None
    rpm_limit: int | None = None
    tpd_limit: int | None = None
    max_parallel_requests: int | None = None
    model_max_budget: Mapping[str, Any] = field(default_factory=dict[str, Any])


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending(Limits):
    """Limits, and what was spent under them: in the present window, and since the beginning."""

    spend: int = 0
    total_spend: int = 0
    budget_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRecord(Spending):
    """A virtual key. The key itself is stored nowhere.

    Attributes:
        token: SHA-256 of the key, in hex.
        first_token: the `token` that the key had before it was first rotated. Whatever counts for
            the key, such as its budget, counts for this one.
        key_name: the key as it may be shown: `sk-...` and its last four characters.
        models: names of models, with wildcards, and access groups; empty for all.
        allowed_routes: paths, with wildcards, and LiteLLM's names for groups of them; empty: all.
        allowed_ips: networks in CIDR form that the key may be used from; empty for all.
        aliases: other names for models, for this key only.
        expires: from when on the key is refused, or None.
    """

    token: str
    first_token: str = ""
    key_name: str = ""
    key_alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    models: tuple[str, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    allowed_routes: tuple[str, ...] = ()
    allowed_ips: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    expires: float | None = None
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class UserRecord(Spending):
    """A person or a program that owns keys. `teams` are the ids of the user's teams."""

    user_id: str
    user_email: str | None = None
    user_alias: str | None = None
    user_role: str = "internal_user"
    teams: tuple[str, ...] = ()
    organization_id: str | None = None
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TeamRecord(Spending):
    """A team, which owns keys.

    `members_with_roles` are its users: `{"user_id": …, "role": "admin"}` or `"user"`.
    """

    team_id: str
    team_alias: str | None = None
    organization_id: str | None = None
    members_with_roles: tuple[Mapping[str, Any], ...] = ()
    models: tuple[str, ...] = ()
    model_aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    tags: tuple[str, ...] = ()
    blocked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class OrganizationRecord(Spending):
    """An organization, to which teams, users and keys may belong."""

    organization_id: str
    organization_alias: str = ""
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetRecord(Limits):
    """Limits that several keys, users, teams or customers name by `budget_id`.

    Each of them has these limits for itself; its own limits come first.
    """

    budget_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CustomerRecord(Spending):
    """An end customer: who a request is made for, by its `user` field."""

    user_id: str
    alias: str | None = None
    blocked: bool = False
    default_model: str | None = None
    models: tuple[str, ...] = ()


Record = KeyRecord | UserRecord | TeamRecord | OrganizationRecord | BudgetRecord | CustomerRecord

ID_FIELDS: Final[Mapping[type[Row], str]] = {
    KeyRecord: "token",
    UserRecord: "user_id",
    TeamRecord: "team_id",
    OrganizationRecord: "organization_id",
    BudgetRecord: "budget_id",
    CustomerRecord: "user_id",
}
"""The field that identifies a row among those of its kind."""


def id_of_record(record: Row) -> str:
    """What identifies a row among those of its kind."""
    return str(getattr(record, ID_FIELDS[type(record)]))


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditRecord:
    """One act of an administrator. No secret is in it: a key stands as its SHA-256.

    Attributes:
        actor: the id of the key that asked; `actor_user` is the user that it belongs to.
        action: `created`, `updated`, `deleted`, `blocked`, `unblocked` or `rotated`.
        kind: what was changed, such as `key`; `object_id` says which one.
        before, after: the fields that differ, as they were and as they are.
    """

    at: float
    actor: str
    actor_user: str | None
    action: str
    kind: str
    object_id: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]
