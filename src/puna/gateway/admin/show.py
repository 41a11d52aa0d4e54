"""Rows as LiteLLM's admin API shows them: dollars as numbers, times in ISO 8601."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, Final

from puna.governance.amounts import dollars
from puna.governance.records import KeyRecord, Limits, Row
from puna.governance.windows import Window

_TIMES: Final = frozenset(("created_at", "updated_at", "expires"))
_MONEY: Final = frozenset(("max_budget", "soft_budget", "spend", "total_spend"))
_INSIDE: Final = frozenset(("revision", "deleted_at", "first_token"))
_OF_KEYS: Final[Mapping[str, Any]] = {
    "config": {},
    "permissions": {},
    "allowed_cache_controls": [],
    "model_spend": {},
    "litellm_budget_table": None,
}
"""What LiteLLM's keys have beside, as it stands where nothing was given."""


def show_time(at: float | None) -> str | None:
    """Unix time in ISO 8601, in UTC."""
    return datetime.fromtimestamp(at, UTC).isoformat() if at is not None else None


def show_money(picos: int | None) -> float | None:
    """Pico-dollars as LiteLLM shows dollars: a float. Exact sums are made of ints only."""
    return float(dollars(picos)) if picos is not None else None


def show_record(record: Row, now: float) -> dict[str, Any]:
    """A row with all of its fields but those that only Puna needs."""
    made: dict[str, Any] = {}
    for one in fields(record):
        value = getattr(record, one.name)
        if one.name in _INSIDE:
            continue
        if one.name in _TIMES:
            made[one.name] = show_time(value)
        elif one.name in _MONEY:
            made[one.name] = show_money(value)
        else:
            made[one.name] = _plain(value)
    if isinstance(record, Limits):
        made["budget_reset_at"] = _reset_at(record.budget_duration, now)
    return made


def show_key(record: KeyRecord, now: float) -> dict[str, Any]:
    """A key, without the key itself: `token` is its SHA-256."""
    return {**show_record(record, now), **_OF_KEYS, "status": status_of(record, now)}


def status_of(record: KeyRecord, now: float) -> str:
    """Whether a key can be used: `active`, `expired`, `revoked` (blocked) or `deleted`."""
    if record.deleted_at is not None:
        return "deleted"
    if record.blocked:
        return "revoked"
    return "expired" if record.expires is not None and now >= record.expires else "active"


def _reset_at(duration: str | None, now: float) -> str | None:
    window = Window.parse(duration)
    return show_time(window.span_at(int(now))[1]) if window.has_end else None


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(one) for name, one in value.items()}
    if isinstance(value, tuple | list):
        return [_plain(one) for one in value]
    return value
