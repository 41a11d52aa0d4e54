"""What a field of the admin API may be: a check, its words, its schema, and the value it gives."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any, Final

from puna.governance.amounts import pico_dollars
from puna.governance.records import ROLES
from puna.governance.windows import Window

_LONGEST_TEXT: Final = 512
_MOST_NAMES: Final = 1_000
_MOST_DOLLARS: Final = 9_000_000
"""So that pico-dollars fit in the 64 bits of a column."""
_LARGEST: Final = 2**53
_LONGEST_NUMBER: Final = 40
_DEEPEST: Final = 50
_LIFETIME = re.compile(r"([0-9]{1,9})\s*(s|m|min|h|d|w|mo)")
_UNITS_S: Final = {"s": 1, "m": 60, "min": 60, "h": 3_600, "d": 86_400, "w": 604_800}
_MONTH_S: Final = 30 * 86_400


@dataclass(frozen=True, slots=True)
class Kind:
    """What a field must be.

    Attributes:
        words: what it must be, in words for an error: `a list of names`.
        schema: the same as a JSON schema.
        read: gives the value that is stored. Raises ValueError for what is wrong, whose text, if
            any, says more than `words`.
    """

    words: str
    schema: Mapping[str, Any] = field(compare=False)
    read: Callable[[Any], Any] = field(compare=False)


def is_storable(text: str) -> bool:
    """Whether a database can hold a text: PostgreSQL holds no NUL."""
    return "\0" not in text


def _text(value: Any, longest: int = _LONGEST_TEXT) -> str:
    if not isinstance(value, str) or not value.strip() or len(value) > longest:
        raise ValueError
    if not value.isprintable() or not is_storable(value):
        raise ValueError
    return value


def _names(value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or len(value) > _MOST_NAMES:
        raise ValueError
    return tuple(dict.fromkeys(_text(one) for one in value))


def _flag(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError  # noqa: TRY004 - every wrong value is a ValueError here
    return value


def _count(value: Any) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= _LARGEST:
        raise ValueError
    return value


def _dollars(value: Any) -> int:
    is_number = isinstance(value, int | float | str) and not isinstance(value, bool)
    if not is_number or (isinstance(value, str) and len(value) > _LONGEST_NUMBER):
        raise ValueError
    picos = pico_dollars(value)
    if picos > _MOST_DOLLARS * 10**12:
        raise ValueError(f"The most is {_MOST_DOLLARS} dollars; null is no limit.")
    return picos


def _window(value: Any) -> str:
    text = _text(value, 20)
    Window.parse(text)
    return text.strip()


def lifetime_s(text: str) -> float | None:
    """The seconds of a key's `duration`, such as `20m`, `30d` or `1mo` (30 days); None for ever.

    Raises:
        ValueError: it is none.
    """
    if text.strip() == "-1":
        return None
    form = _LIFETIME.fullmatch(text.strip().lower())
    if form is None:
        raise ValueError
    seconds = int(form[1]) * (_MONTH_S if form[2] == "mo" else _UNITS_S[form[2]])
    if seconds > 100 * 366 * 86_400:
        raise ValueError("The longest is a hundred years; null is for ever.")
    return float(seconds)


def _lifetime(value: Any) -> float | None:
    if isinstance(value, int) and not isinstance(value, bool) and value == -1:
        return None
    return lifetime_s(_text(value, 20))


def _time(value: Any) -> float:
    text = _text(value, 40)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError from None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _json(value: Any, depth: int = 0) -> Any:
    if depth > _DEEPEST:
        raise ValueError(f"It is nested deeper than {_DEEPEST} levels.")
    if isinstance(value, str) and not is_storable(value):
        raise ValueError("It holds a character that cannot be stored.")
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError
    if isinstance(value, dict):
        return {_json(name, depth + 1): _json(one, depth + 1) for name, one in value.items()}
    if isinstance(value, list):
        return [_json(one, depth + 1) for one in value]
    return value


def _object(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ValueError  # noqa: TRY004 - every wrong value is a ValueError here
    return _json(value)  # type: ignore[no-any-return]  # a dict gives a dict


def _texts(value: Any) -> dict[str, str]:
    return {_text(name): _text(one) for name, one in _object(value).items()}


def _networks(value: Any) -> tuple[str, ...]:
    return tuple(str(ip_network(one, strict=False)) for one in _names(value))


def _role(value: Any) -> str:
    if value not in ROLES:
        raise ValueError
    return str(value)


def _model_budgets(value: Any) -> dict[str, Any]:
    for one in _object(value).values():
        if not isinstance(one, dict):
            raise ValueError  # noqa: TRY004 - every wrong value is a ValueError here
        limit = one.get("budget_limit", one.get("max_budget"))
        window = one.get("time_period", one.get("budget_duration"))
        _dollars(limit)
        if window is not None:
            _window(window)
    return _object(value)


def read_member(value: Any) -> dict[str, Any]:
    """A member of a team: `{"user_id": …, "role": "admin"}` or `"user"`. Raises ValueError."""
    if not isinstance(value, dict) or value.keys() - {"user_id", "user_email", "role"}:
        raise ValueError
    role = value.get("role", "user")
    if role not in {"admin", "user"}:
        raise ValueError
    made: dict[str, Any] = {"role": role}
    for name in ("user_id", "user_email"):
        if value.get(name) is not None:
            made[name] = _text(value[name])
    if len(made) == 1:
        raise ValueError
    return made


def _members(value: Any) -> tuple[dict[str, Any], ...]:
    if not isinstance(value, list) or len(value) > _MOST_NAMES:
        raise ValueError
    return tuple(read_member(one) for one in value)


def _member_or_members(value: Any) -> tuple[dict[str, Any], ...]:
    return _members(value if isinstance(value, list) else [value])


_STRING: Final[Mapping[str, Any]] = {"type": "string", "minLength": 1, "maxLength": _LONGEST_TEXT}
_MEMBER: Final[Mapping[str, Any]] = {
    "type": "object",
    "properties": {
        "user_id": _STRING,
        "user_email": _STRING,
        "role": {"enum": ["admin", "user"]},
    },
}


def _list_of(item: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": item, "maxItems": _MOST_NAMES}


TEXT = Kind(f"a text of at most {_LONGEST_TEXT} characters", _STRING, _text)
NAMES = Kind(f"a list of at most {_MOST_NAMES} texts", _list_of(_STRING), _names)
FLAG = Kind("true or false", {"type": "boolean"}, _flag)
COUNT = Kind(
    "a whole number from 0", {"type": "integer", "minimum": 0, "maximum": _LARGEST}, _count
)
DOLLARS = Kind(
    "US dollars, a number from 0",
    {"type": "number", "minimum": 0, "maximum": _MOST_DOLLARS},
    _dollars,
)
WINDOW = Kind("a window such as `30s`, `1h`, `7d`, `30d` or `1mo`", {"type": "string"}, _window)
LIFETIME = Kind(
    "a time such as `20m`, `24h` or `30d`; `-1` or null is for ever",
    {"type": "string"},
    _lifetime,
)
TIME = Kind("a time in ISO 8601, such as `2027-01-31T12:00:00Z`", {"type": "string"}, _time)
OBJECT = Kind("an object", {"type": "object"}, _object)
TEXTS = Kind("an object of texts", {"type": "object", "additionalProperties": _STRING}, _texts)
NETWORKS = Kind(
    "a list of addresses and networks, such as `10.0.0.0/8`", _list_of(_STRING), _networks
)
ROLE = Kind(f"one of {', '.join(f'`{one}`' for one in ROLES)}", {"enum": list(ROLES)}, _role)
MODEL_BUDGETS = Kind(
    'budgets by model, such as `{"gpt-4": {"budget_limit": 1.5, "time_period": "1d"}}`',
    {"type": "object"},
    _model_budgets,
)
MEMBERS = Kind(
    'a list of members, such as `{"role": "user", "user_id": "u1"}`',
    _list_of(_MEMBER),
    _members,
)
MEMBER_OR_MEMBERS = Kind(
    'a member, such as `{"role": "user", "user_id": "u1"}`, or a list of them',
    {"anyOf": [_MEMBER, _list_of(_MEMBER)]},
    _member_or_members,
)
