"""The caller that a request acts for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from puna.governance.access import Access
from puna.governance.budgets import Budget

PrincipalRole = Literal["caller", "viewer", "admin"]
"""What a caller may do with the admin API: read its own, read everything, change everything."""


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a request acts for.

    Attributes:
        key_id: names the key in logs without revealing it. A key that is rotated keeps its id.
        budgets: all budgets that the caller's requests count against, beside those of the gateway
            and of the models.
        role: what the caller may do with the admin API.
        token: the SHA-256 of a virtual key, in hex; empty for others.
        alias: the name that people gave the key.
        user_id, team_id, organization_id: whom the key belongs to.
        admin_teams: the teams whose keys and members the caller may change.
        tags: what the spend of the key is marked with.
        access: what the key may be used for; None without limits.
    """

    key_id: str
    budgets: tuple[Budget, ...] = ()
    role: PrincipalRole = "caller"
    token: str = ""
    alias: str | None = None
    user_id: str | None = None
    team_id: str | None = None
    organization_id: str | None = None
    admin_teams: frozenset[str] = frozenset()
    tags: tuple[str, ...] = ()
    access: Access | None = None
