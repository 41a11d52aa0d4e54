"""Windows snap to the calendar, and follow each other without a gap."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.governance.windows import NO_END, Window

NOW = "2026-12-01T04:13:55"  # a Tuesday


def at(text: str) -> int:
    return int(datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("1s", "2026-12-01T04:13:55", "2026-12-01T04:13:56"),
        ("30s", "2026-12-01T04:13:30", "2026-12-01T04:14:00"),
        ("5m", "2026-12-01T04:10:00", "2026-12-01T04:15:00"),
        ("1h", "2026-12-01T04:00:00", "2026-12-01T05:00:00"),
        ("hourly", "2026-12-01T04:00:00", "2026-12-01T05:00:00"),
        ("6h", "2026-12-01T00:00:00", "2026-12-01T06:00:00"),
        ("24h", "2026-12-01T00:00:00", "2026-12-02T00:00:00"),
        ("1d", "2026-12-01T00:00:00", "2026-12-02T00:00:00"),
        ("daily", "2026-12-01T00:00:00", "2026-12-02T00:00:00"),
        ("7d", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        ("1w", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        ("Weekly", "2026-11-30T00:00:00", "2026-12-07T00:00:00"),
        ("30d", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("1mo", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("3mo", "2026-10-01T00:00:00", "2027-01-01T00:00:00"),
        ("12mo", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
    ],
)
def test_a_window_snaps_to_the_calendar(text: str, start: str, end: str) -> None:
    assert Window.parse(text).span_at(at(NOW)) == (at(start), at(end))


def test_a_leap_year_has_its_february() -> None:
    span = Window.parse("1mo").span_at(at("2028-02-29T23:59:59"))
    assert span == (at("2028-02-01T00:00:00"), at("2028-03-01T00:00:00"))


def test_without_a_duration_there_is_no_end() -> None:
    window = Window.parse(None)
    assert window.span_at(at(NOW)) == (0, NO_END)
    assert not window.has_end
    assert Window.parse("1s").has_end
    assert Window.parse("1mo").has_end


def test_the_same_length_is_the_same_window() -> None:
    assert Window.parse("7d") == Window.parse("1w") == Window.parse("weekly")
    assert Window.parse("30d") == Window.parse("1mo")
    assert Window.parse("60s") == Window.parse(" 1M ")
    assert Window.parse("30d").name == "30d"
    assert Window.parse("720h") != Window.parse("30d")


@pytest.mark.parametrize("text", ["", "d", "1", "1y", "-1d", "1.5h", "1d ago", "\u0661d", "1d\n1d"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot be read"):
        Window.parse(text)


@pytest.mark.parametrize("text", ["0s", "0mo", "0d", "000h"])
def test_no_length_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="has no length"):
        Window.parse(text)


@pytest.mark.parametrize("text", ["36601d", "1201mo", "999999999w"])
def test_more_than_a_hundred_years_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match="longer than a hundred years"):
        Window.parse(text)


@given(
    st.tuples(st.integers(1, 800), st.sampled_from(("s", "m", "h", "d", "w", "mo"))),
    st.integers(0, 4_000_000_000),
)
def test_windows_follow_each_other_and_hold_their_time(
    length: tuple[int, str], unix_s: int
) -> None:
    window = Window.parse(f"{length[0]}{length[1]}")
    start, end = window.span_at(unix_s)
    assert start <= unix_s < end
    assert window.span_at(start) == window.span_at(end - 1) == (start, end)
    assert window.span_at(end)[0] == end
