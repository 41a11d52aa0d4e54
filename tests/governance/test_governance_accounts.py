"""The accounts of a worker: what changed is taken over, and a key becomes a principal."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import AuthenticationError
from puna.governance.access import ModelNames
from puna.governance.accounts import Accounts
from puna.governance.budgets import Budget
from puna.governance.principal import Principal
from puna.governance.records import (
    BudgetRecord,
    KeyRecord,
    OrganizationRecord,
    Row,
    TeamRecord,
    UserRecord,
)
from puna.governance.windows import Window

NAMES = ModelNames()


def with_rows(*rows: Row) -> Accounts:
    return Accounts().updated(1, rows)


def principal_of(key: KeyRecord, *others: Row, now: float = 0.0) -> Principal:
    found = with_rows(key, *others).principal(key.token, NAMES, now)
    assert found is not None
    return found


def test_changes_make_other_accounts_and_leave_the_earlier_ones() -> None:
    first = with_rows(KeyRecord(token="a"), TeamRecord(team_id="t"))
    second = first.updated(
        2,
        [
            KeyRecord(token="b"),
            KeyRecord(token="a", blocked=True),
            TeamRecord(team_id="t", deleted_at=1),
        ],
    )
    assert (set(first.keys), set(first.teams), first.revision) == ({"a"}, {"t"}, 1)
    assert (set(second.keys), set(second.teams), second.revision) == ({"a", "b"}, set(), 2)
    assert second.keys["a"].blocked
    assert second.users is first.users
    # A row that was made and deleted between two questions was never known.
    assert second.updated(3, [UserRecord(user_id="u", deleted_at=2)]).users == {}


def test_the_next_expiry_is_the_earliest_that_is_still_to_come() -> None:
    rows = [KeyRecord(token=str(at), expires=at) for at in (5.0, 3.0, 9.0)]
    accounts = with_rows(KeyRecord(token="never"), *rows)
    assert [accounts.next_expiry(now) for now in (0, 3, 5, 9)] == [3.0, 5.0, 9.0, None]


def test_a_key_alone_has_no_limits() -> None:
    found = principal_of(KeyRecord(token="a", key_alias="app", tags=("x",)))
    assert found == Principal("a", token="a", alias="app", tags=("x",))
    assert with_rows().principal("a", NAMES, 0) is None


@pytest.mark.parametrize(
    ("key", "team", "code"),
    [
        ({"blocked": True}, {}, "key_blocked"),
        ({"expires": 10.0}, {}, "expired_key"),
        ({"team_id": "t"}, {"blocked": True}, "team_blocked"),
    ],
)
def test_what_cannot_be_used_is_refused_and_says_why(
    key: dict[str, Any], team: dict[str, Any], code: str
) -> None:
    with pytest.raises(AuthenticationError) as caught:
        principal_of(KeyRecord(token="a", **key), TeamRecord(team_id="t", **team), now=10.0)
    assert caught.value.code == code


def test_the_lists_of_key_team_and_organization_must_all_have_a_model() -> None:
    found = principal_of(
        KeyRecord(token="a", team_id="t", user_id="u", models=("m", "n", "o")),
        TeamRecord(team_id="t", organization_id="org", models=("m", "n")),
        UserRecord(user_id="u", models=("x",)),  # its own list is for its own keys
        OrganizationRecord(organization_id="org", models=("n", "o")),
    )
    assert found.access is not None
    assert [one for one in "mnox" if found.access.allows_model(one)] == ["n"]
    assert found.organization_id == "org"
    own = principal_of(KeyRecord(token="a", user_id="u"), UserRecord(user_id="u", models=("x",)))
    assert own.access is not None
    assert [one for one in "mnox" if own.access.allows_model(one)] == ["x"]


def test_budgets_of_all_owners_count_the_own_ones_before_those_of_the_budget_id() -> None:
    month, never = Window.parse("1mo"), Window.parse(None)
    shared = BudgetRecord(budget_id="b", max_budget=7, max_tokens_budget=70, budget_duration="1mo")
    user = UserRecord(user_id="u", max_budget=9)
    key = KeyRecord(token="a", team_id="t", user_id="u", max_budget=1, soft_budget=0, budget_id="b")
    team = TeamRecord(team_id="t", organization_id="o", budget_id="b")
    organization = OrganizationRecord(organization_id="o", max_budget=5, strict_budget=True)
    found = principal_of(key, team, organization, shared, user)
    assert found.budgets == (
        Budget("key:a", "money", 1, never, 0),
        Budget("key:a", "tokens", 70, month),
        Budget("team:t", "money", 7, month),
        Budget("team:t", "tokens", 70, month),
        Budget("organization:o", "money", 5, never, None, True),
    )
    # A team's key counts against the team, any other against its user (LiteLLM's rule).
    assert principal_of(KeyRecord(token="a", user_id="u"), user).budgets == (
        Budget("user:u", "money", 9, never),
    )


@pytest.mark.parametrize(
    ("role", "team_id", "found"),
    [
        ("proxy_admin", None, "admin"),
        ("proxy_admin_viewer", None, "viewer"),
        ("internal_user", None, "caller"),
        # A team's administrator may have made it for somebody: it has no rights beyond the team.
        ("proxy_admin", "t", "caller"),
        ("proxy_admin", "gone", "caller"),
    ],
)
def test_the_role_of_a_user_is_that_of_its_own_keys(
    role: str, team_id: str | None, found: str
) -> None:
    key = KeyRecord(token="a", user_id="u", team_id=team_id)
    made = principal_of(key, UserRecord(user_id="u", user_role=role), TeamRecord(team_id="t"))
    assert made.role == found


def test_a_teams_key_is_an_administrators_in_that_team_only() -> None:
    admin = {"user_id": "u", "role": "admin"}
    teams = [
        TeamRecord(team_id="one", members_with_roles=(admin,)),
        TeamRecord(team_id="two", members_with_roles=({"user_id": "v", "role": "user"}, admin)),
        TeamRecord(team_id="three", members_with_roles=({"user_id": "u", "role": "user"},)),
    ]

    def teams_of(team_id: str | None) -> frozenset[str]:
        return principal_of(KeyRecord(token="a", user_id="u", team_id=team_id), *teams).admin_teams

    assert teams_of(None) == {"one", "two"}
    assert teams_of("one") == {"one"}
    assert teams_of("three") == teams_of("gone") == frozenset()
    assert principal_of(KeyRecord(token="a", team_id="one"), *teams).admin_teams == frozenset()


def test_aliases_of_the_key_win_over_those_of_the_team() -> None:
    found = principal_of(
        KeyRecord(token="a", team_id="t", aliases={"x": "mine"}),
        TeamRecord(team_id="t", model_aliases={"x": "theirs", "y": "theirs"}),
    )
    assert found.access is not None
    assert found.access.aliases == {"x": "mine", "y": "theirs"}
