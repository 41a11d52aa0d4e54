"""When budgets start anew: windows of time that snap to the calendar as LiteLLM's do, in UTC.

`1d` begins at midnight, `7d` and `1w` on Monday, `30d` and `1mo` on the 1st of the month, `1h` on
the full hour (LiteLLM 1.110.2, `litellm_core_utils/duration_parser.py`). Other lengths follow each
other from a fixed start, so that every worker finds the same window by the time alone: seconds,
minutes and hours from midnight of 1 January 1970, days and weeks from Monday, 5 January 1970,
months from January 1970 (`3mo` is a quarter). LiteLLM counts these from the moment a key is made.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

NO_END: Final = 2**63 - 1
"""The end of a window that never starts anew: later than any time."""

_DAY_S: Final = 86_400
_UNITS_S: Final = {"s": 1, "m": 60, "h": 3_600, "d": _DAY_S, "w": 7 * _DAY_S}
_WORDS: Final = {"hourly": "1h", "daily": "1d", "weekly": "7d", "monthly": "30d"}
"""LiteLLM's names for some durations; its `daily` is 24 hours, which begin at midnight, too."""
_FIRST_MONDAY_S: Final = 4 * _DAY_S
_DAYS_FOR_A_MONTH: Final = 30
_FORM: Final = re.compile(r"([0-9]{1,9})(s|mo|m|h|d|w)")
_LONGEST_S: Final = 100 * 366 * _DAY_S
_LONGEST_MONTHS: Final = 1_200


@dataclass(frozen=True, slots=True)
class Window:
    """How long a budget counts before it starts anew. Two of the same length are equal.

    Attributes:
        name: as it was written, such as `30d`; None for a budget that never starts anew.
        length_s: seconds; 0 where it is counted in months, or never ends.
        months: calendar months; 0 where it is counted in seconds, or never ends.
    """

    name: str | None = field(default=None, compare=False)
    length_s: int = 0
    months: int = 0

    @classmethod
    def parse(cls, text: str | None) -> Window:
        """Read a duration such as `30s`, `5m`, `1h`, `1d`, `7d`, `30d`, `1w` or `1mo`.

        None gives a window without an end. `hourly`, `daily`, `weekly` and `monthly` are known.

        Raises:
            ValueError: the text is none of these, of no length, or longer than a hundred years.
        """
        if text is None:
            return cls()
        plain = text.strip().lower()
        form = _FORM.fullmatch(_WORDS.get(plain, plain))
        if form is None:
            raise ValueError(
                f"The duration `{text[:40]}` cannot be read. Give a number and a unit (`s`, `m`, "
                "`h`, `d`, `w`, `mo`), such as `1h`, `7d` or `1mo`."
            )
        count, unit = int(form[1]), form[2]
        months = count if unit == "mo" else 0
        length_s = 0 if months else count * _UNITS_S.get(unit, 0)
        if length_s == _DAYS_FOR_A_MONTH * _DAY_S and unit == "d":
            months, length_s = 1, 0
        if not months and not length_s:
            raise ValueError(
                f"The duration `{text[:40]}` has no length. Give one above zero, such as `30d`, or "
                "none for a budget that never starts anew."
            )
        if months > _LONGEST_MONTHS or length_s > _LONGEST_S:
            raise ValueError(
                f"The duration `{text[:40]}` is longer than a hundred years. Give a shorter one, "
                "or none for a budget that never starts anew."
            )
        return cls(plain, length_s, months)

    @property
    def has_end(self) -> bool:
        """Whether the budget ever starts anew."""
        return bool(self.length_s or self.months)

    def span_at(self, unix_s: int) -> tuple[int, int]:
        """The span of this window in which a time lies: its start, and its end, which is outside.

        Both are Unix times in whole seconds. The end of a window without one is `NO_END`.
        """
        if self.months:
            return self._months_at(unix_s)
        if not self.length_s:
            return 0, NO_END
        first = _FIRST_MONDAY_S if self.length_s % _DAY_S == 0 else 0
        start = unix_s - (unix_s - first) % self.length_s
        return start, start + self.length_s

    def _months_at(self, unix_s: int) -> tuple[int, int]:
        moment = datetime.fromtimestamp(unix_s, UTC)
        since_1970 = (moment.year - 1970) * 12 + moment.month - 1
        first = since_1970 - since_1970 % self.months
        return _month_start_s(first), _month_start_s(first + self.months)


def _month_start_s(since_1970: int) -> int:
    """The Unix time at which a month begins, by its number since January 1970."""
    years, month = divmod(since_1970, 12)
    return int(datetime(1970 + years, month + 1, 1, tzinfo=UTC).timestamp())
