"""The tables of keys, users, teams, organizations, budgets, customers and the audit log.

A change here wants a migration in `migrations/versions`; a test compares the two. All names begin
with `puna_`, so that the tables can stand in a database beside those of another program.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
)

from puna.governance.records import (
    BudgetRecord,
    CustomerRecord,
    KeyRecord,
    OrganizationRecord,
    Row,
    TeamRecord,
    UserRecord,
)

SCHEMA: Final = "0001"
"""The newest migration. A gateway serves with a database of exactly this schema."""

VERSION_TABLE: Final = "puna_schema_version"
"""Alembic's own table."""

METADATA = MetaData()


def _row() -> list[Column[Any]]:
    return [
        Column("revision", BigInteger, nullable=False, index=True),
        Column("created_at", Double, nullable=False),
        Column("updated_at", Double, nullable=False),
        Column("created_by", String, nullable=False),
        Column("updated_by", String, nullable=False),
        Column("deleted_at", Double),
        Column("metadata", JSON, nullable=False),
    ]


def _limits() -> list[Column[Any]]:
    return [
        Column("max_budget", BigInteger),
        Column("soft_budget", BigInteger),
        Column("max_tokens_budget", BigInteger),
        Column("budget_duration", String),
        Column("strict_budget", Boolean, nullable=False),
        Column("tpm_limit", BigInteger),
        Column("rpm_limit", BigInteger),
        Column("tpd_limit", BigInteger),
        Column("max_parallel_requests", BigInteger),
        Column("model_max_budget", JSON, nullable=False),
    ]


def _spending() -> list[Column[Any]]:
    return [
        *_limits(),
        Column("spend", BigInteger, nullable=False),
        Column("total_spend", BigInteger, nullable=False),
        Column("budget_id", String, index=True),
    ]


KEYS = Table(
    "puna_keys",
    METADATA,
    Column("token", String, primary_key=True),
    Column("first_token", String, nullable=False),
    Column("key_name", String, nullable=False),
    Column("key_alias", String, index=True),
    Column("user_id", String, index=True),
    Column("team_id", String, index=True),
    Column("organization_id", String, index=True),
    Column("models", JSON, nullable=False),
    Column("aliases", JSON, nullable=False),
    Column("allowed_routes", JSON, nullable=False),
    Column("allowed_ips", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("expires", Double),
    Column("blocked", Boolean, nullable=False),
    *_spending(),
    *_row(),
)
USERS = Table(
    "puna_users",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("user_email", String, index=True),
    Column("user_alias", String),
    Column("user_role", String, nullable=False),
    Column("teams", JSON, nullable=False),
    Column("organization_id", String, index=True),
    Column("models", JSON, nullable=False),
    *_spending(),
    *_row(),
)
TEAMS = Table(
    "puna_teams",
    METADATA,
    Column("team_id", String, primary_key=True),
    Column("team_alias", String, index=True),
    Column("organization_id", String, index=True),
    Column("members_with_roles", JSON, nullable=False),
    Column("models", JSON, nullable=False),
    Column("model_aliases", JSON, nullable=False),
    Column("tags", JSON, nullable=False),
    Column("blocked", Boolean, nullable=False),
    *_spending(),
    *_row(),
)
ORGANIZATIONS = Table(
    "puna_organizations",
    METADATA,
    Column("organization_id", String, primary_key=True),
    Column("organization_alias", String, nullable=False),
    Column("models", JSON, nullable=False),
    *_spending(),
    *_row(),
)
BUDGETS = Table(
    "puna_budgets",
    METADATA,
    Column("budget_id", String, primary_key=True),
    *_limits(),
    *_row(),
)
CUSTOMERS = Table(
    "puna_customers",
    METADATA,
    Column("user_id", String, primary_key=True),
    Column("alias", String),
    Column("blocked", Boolean, nullable=False),
    Column("default_model", String),
    Column("models", JSON, nullable=False),
    *_spending(),
    *_row(),
)
AUDIT_LOG = Table(
    "puna_audit_log",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True),
    Column("at", Double, nullable=False),
    Column("actor", String, nullable=False),
    Column("actor_user", String),
    Column("action", String, nullable=False),
    Column("kind", String, nullable=False),
    Column("object_id", String, nullable=False),
    Column("before", JSON, nullable=False),
    Column("after", JSON, nullable=False),
    Index("ix_puna_audit_log_object", "kind", "object_id"),
)
REVISION = Table(
    "puna_revision",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)
"""One row. Each transaction that writes accounts raises `value` first, which keeps others out."""

TABLES: Final[Mapping[type[Row], Table]] = {
    KeyRecord: KEYS,
    UserRecord: USERS,
    TeamRecord: TEAMS,
    OrganizationRecord: ORGANIZATIONS,
    BudgetRecord: BUDGETS,
    CustomerRecord: CUSTOMERS,
}
