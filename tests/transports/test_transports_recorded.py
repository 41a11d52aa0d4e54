"""Recorded failures become their errors again."""

from __future__ import annotations

from puna.errors import APITimeoutError
from puna.transports.recorded import RecordedFailure


def test_a_failure_becomes_its_error_again() -> None:
    error = RecordedFailure(
        "APITimeoutError", "late", "timeout", 504, is_retryable=False
    ).to_error()
    assert type(error) is APITimeoutError
    assert (error.message, error.is_retryable) == ("late", False)
    assert RecordedFailure("ConfigError", "x").to_error().code == "connection_error"
