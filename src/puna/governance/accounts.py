"""All accounts at one moment, and the principal that a key stands for.

Each worker keeps its own `Accounts` in memory, so that a key is looked up by its hash without a
query. `AccountsFeed` (`gateway/accounts_feed.py`) makes the next one from what has changed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Final, TypeVar

from puna.errors import AuthenticationError
from puna.governance.access import Access, ModelNames
from puna.governance.budgets import Budget
from puna.governance.principal import Principal, PrincipalRole
from puna.governance.records import (
    BudgetRecord,
    CustomerRecord,
    KeyRecord,
    Limits,
    OrganizationRecord,
    Row,
    Spending,
    TeamRecord,
    UserRecord,
    id_of_record,
)
from puna.governance.windows import Window

RowT = TypeVar("RowT", bound=Row)

_ROLES: Final[Mapping[str, PrincipalRole]] = {
    "proxy_admin": "admin",
    "proxy_admin_viewer": "viewer",
}


@dataclass(frozen=True, slots=True, eq=False)
class Accounts:
    """The accounts of the database as of one revision. Rows that were deleted are not in it.

    Attributes:
        revision: that of the database; 0 before anything was read.
        keys: by the SHA-256 of the key, in hex.
        users, teams, organizations, budgets, customers: by id.
    """

    revision: int = 0
    keys: Mapping[str, KeyRecord] = field(default_factory=dict[str, KeyRecord], repr=False)
    users: Mapping[str, UserRecord] = field(default_factory=dict[str, UserRecord], repr=False)
    teams: Mapping[str, TeamRecord] = field(default_factory=dict[str, TeamRecord], repr=False)
    organizations: Mapping[str, OrganizationRecord] = field(
        default_factory=dict[str, OrganizationRecord], repr=False
    )
    budgets: Mapping[str, BudgetRecord] = field(default_factory=dict[str, BudgetRecord], repr=False)
    customers: Mapping[str, CustomerRecord] = field(
        default_factory=dict[str, CustomerRecord], repr=False
    )

    def updated(self, revision: int, records: Iterable[Row]) -> Accounts:
        """The accounts as of a later revision, in which these rows were written or deleted."""
        by_kind: dict[type[Row], list[Row]] = {}
        for one in records:
            by_kind.setdefault(type(one), []).append(one)

        def changed(known: Mapping[str, RowT], kind: type[RowT]) -> Mapping[str, RowT]:
            written = [one for one in by_kind.get(kind, ()) if isinstance(one, kind)]
            if not written:
                return known
            made = {**known, **{id_of_record(one): one for one in written}}
            for one in written:
                if one.deleted_at is not None:
                    del made[id_of_record(one)]
            return made

        return replace(
            self,
            revision=revision,
            keys=changed(self.keys, KeyRecord),
            users=changed(self.users, UserRecord),
            teams=changed(self.teams, TeamRecord),
            organizations=changed(self.organizations, OrganizationRecord),
            budgets=changed(self.budgets, BudgetRecord),
            customers=changed(self.customers, CustomerRecord),
        )

    def next_expiry(self, now: float) -> float | None:
        """When the next key expires that has not expired at `now`; None where none will."""
        times = (one.expires for one in self.keys.values() if one.expires is not None)
        return min((at for at in times if at > now), default=None)

    def principal(self, token: str, names: ModelNames, now: float) -> Principal | None:
        """Who the key with this hash stands for; None where there is no such key.

        Raises:
            AuthenticationError: the key is blocked or has expired, or its team is blocked.
        """
        key = self.keys.get(token)
        if key is None:
            return None
        team = self.teams.get(key.team_id or "")
        _check_usable(key, team, now)
        # What a user may do beyond a team is only for the user's own keys.
        user = self.users.get(key.user_id or "")
        organization_id = (
            key.organization_id
            or (team.organization_id if team else None)
            or (user.organization_id if user and not team else None)
        )
        organization = self.organizations.get(organization_id or "")
        role = _ROLES.get(user.user_role, "caller") if user and not key.team_id else "caller"
        key_id = key.first_token or key.token
        lists = (
            names.list_for("key", key.models),
            names.list_for("team", team.models) if team else None,
            names.list_for("user", user.models) if user and not key.team_id else None,
            names.list_for("org", organization.models) if organization else None,
        )
        access = Access(
            tuple(one for one in lists if one is not None),
            key.allowed_routes,
            tuple(ip_network(one, strict=False) for one in key.allowed_ips),
            {**(team.model_aliases if team else {}), **key.aliases},
        )
        scopes: list[tuple[str, Spending | None]] = [
            (f"key:{key_id}", key),
            (f"team:{key.team_id}", team) if key.team_id else (f"user:{key.user_id}", user),
            (f"organization:{organization_id}", organization),
        ]
        return Principal(
            key_id,
            budgets=tuple(
                budget
                for scope, limits in scopes
                if limits is not None
                for budget in budgets_of(scope, limits, self.budgets.get(limits.budget_id or ""))
            ),
            role=role,
            token=key.token,
            alias=key.key_alias,
            user_id=key.user_id,
            team_id=key.team_id,
            organization_id=organization_id,
            admin_teams=self._admin_teams(key),
            tags=(*key.tags, *(team.tags if team else ())),
            access=access or None,
        )

    def _admin_teams(self, key: KeyRecord) -> frozenset[str]:
        """The teams whose keys and members the key may change.

        A team's key has rights in that team only, whoever it is for: others may have made it.
        """
        if key.user_id is None:
            return frozenset()
        teams = (
            ((self.teams[key.team_id],) if key.team_id in self.teams else ())
            if key.team_id
            else tuple(self.teams.values())
        )
        return frozenset(one.team_id for one in teams if is_team_admin(one, key.user_id))


def is_team_admin(team: TeamRecord, user_id: str) -> bool:
    """Whether a user is an administrator of a team."""
    return any(
        one.get("user_id") == user_id and one.get("role") == "admin"
        for one in team.members_with_roles
    )


def is_member(team: TeamRecord, user_id: str) -> bool:
    """Whether a user belongs to a team."""
    return any(one.get("user_id") == user_id for one in team.members_with_roles)


def budgets_of(scope: str, own: Limits, shared: BudgetRecord | None) -> Iterable[Budget]:
    """The budgets of one scope: its own, and where it has none, those of its `budget_id`."""
    for unit in ("money", "tokens"):
        for one in (own, shared):
            if one is None:
                continue
            limit = one.max_budget if unit == "money" else one.max_tokens_budget
            if limit is not None:
                soft = one.soft_budget if unit == "money" else None
                window = Window.parse(one.budget_duration)
                yield Budget(scope, unit, limit, window, soft, one.strict_budget)
                break


def _check_usable(key: KeyRecord, team: TeamRecord | None, now: float) -> None:
    if key.blocked:
        raise AuthenticationError(
            "This key is blocked; an administrator may unblock it with `POST /key/unblock`.",
            code="key_blocked",
        )
    if key.expires is not None and now >= key.expires:
        raise AuthenticationError(
            "This key has expired; ask for a new one.",
            code="expired_key",
        )
    if team is not None and team.blocked:
        raise AuthenticationError(
            f"The team `{team.team_id}` of this key is blocked; an administrator may unblock it "
            "with `POST /team/unblock`.",
            code="team_blocked",
        )
