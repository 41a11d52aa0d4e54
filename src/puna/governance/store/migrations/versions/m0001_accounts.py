"""Keys, users, teams, organizations, budgets, customers, the audit log and the revision."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def _text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String()) for name in names]


def _needed_text(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.String(), nullable=False) for name in names]


def _json(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.JSON(), nullable=False) for name in names]


def _row() -> list[sa.Column[Any]]:
    return [
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.Double(), nullable=False),
        sa.Column("updated_at", sa.Double(), nullable=False),
        *_needed_text("created_by", "updated_by"),
        sa.Column("deleted_at", sa.Double()),
        *_json("metadata"),
    ]


def _limits() -> list[sa.Column[Any]]:
    return [
        sa.Column("max_budget", sa.BigInteger()),
        sa.Column("soft_budget", sa.BigInteger()),
        sa.Column("max_tokens_budget", sa.BigInteger()),
        *_text("budget_duration"),
        sa.Column("strict_budget", sa.Boolean(), nullable=False),
        sa.Column("tpm_limit", sa.BigInteger()),
        sa.Column("rpm_limit", sa.BigInteger()),
        sa.Column("tpd_limit", sa.BigInteger()),
        sa.Column("max_parallel_requests", sa.BigInteger()),
        *_json("model_max_budget"),
    ]


def _spending() -> list[sa.Column[Any]]:
    return [
        *_limits(),
        sa.Column("spend", sa.BigInteger(), nullable=False),
        sa.Column("total_spend", sa.BigInteger(), nullable=False),
        *_text("budget_id"),
    ]


def _blocked() -> sa.Column[Any]:
    return sa.Column("blocked", sa.Boolean(), nullable=False)


def _table(name: str, id_column: str, columns: Sequence[sa.Column[Any]], *indexed: str) -> None:
    key = sa.Column(id_column, sa.String(), primary_key=True)
    op.create_table(f"puna_{name}", key, *columns, *_row())
    for column in (*indexed, "revision"):
        op.create_index(f"ix_puna_{name}_{column}", f"puna_{name}", [column])


def upgrade() -> None:
    """Make the tables, and the one row that holds the revision."""
    key_columns = [
        *_needed_text("first_token", "key_name"),
        *_text("key_alias", "user_id", "team_id", "organization_id"),
        *_json("models", "aliases", "allowed_routes", "allowed_ips", "tags"),
        sa.Column("expires", sa.Double()),
        _blocked(),
        *_spending(),
    ]
    owners = ("key_alias", "user_id", "team_id", "organization_id", "budget_id")
    _table("keys", "token", key_columns, *owners)
    user_columns = [
        *_text("user_email", "user_alias"),
        *_needed_text("user_role"),
        *_json("teams"),
        *_text("organization_id"),
        *_json("models"),
        *_spending(),
    ]
    _table("users", "user_id", user_columns, "user_email", "organization_id", "budget_id")
    team_columns = [
        *_text("team_alias", "organization_id"),
        *_json("members_with_roles", "models", "model_aliases", "tags"),
        _blocked(),
        *_spending(),
    ]
    _table("teams", "team_id", team_columns, "team_alias", "organization_id", "budget_id")
    organization_columns = [
        *_needed_text("organization_alias"),
        *_json("models"),
        *_spending(),
    ]
    _table("organizations", "organization_id", organization_columns, "budget_id")
    _table("budgets", "budget_id", _limits())
    customer_columns = [
        *_text("alias"),
        _blocked(),
        *_text("default_model"),
        *_json("models"),
        *_spending(),
    ]
    _table("customers", "user_id", customer_columns, "budget_id")
    op.create_table(
        "puna_audit_log",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("at", sa.Double(), nullable=False),
        *_needed_text("actor"),
        *_text("actor_user"),
        *_needed_text("action", "kind", "object_id"),
        *_json("before", "after"),
    )
    op.create_index("ix_puna_audit_log_object", "puna_audit_log", ["kind", "object_id"])
    counter = op.create_table(
        "puna_revision",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("value", sa.BigInteger(), nullable=False),
    )
    op.bulk_insert(counter, [{"id": 1, "value": 1}])
