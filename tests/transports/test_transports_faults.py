"""Faults that make no sense are refused."""

from __future__ import annotations

import pytest

from puna.errors import BadRequestError
from puna.transports.faults import Faults


@pytest.mark.parametrize(
    "wrong",
    [
        {"cut": {0: 1}},
        {"slow": {1: -1.0}},
        {"rate_limited": {1: float("nan")}},
        {"refused": {True}},
        {"refused": {"1"}},
        {"refused": 1},
        {"rate_limited": {1}},
        {"slow": [1]},
    ],
)
def test_faults_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadRequestError, match="`faults") as caught:
        Faults(**wrong)  # type: ignore[arg-type]  # what a caller may give
    assert caught.value.param == f"faults.{next(iter(wrong))}"
