"""What a request may say of its retries and its time."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.gateway.requests.steering import read_steering
from puna.routing.steering import Steering


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, Steering(False, None, None, None)),
        ({"max_retries": 3}, Steering(False, 3, None, None)),
        ({"num_retries": 2}, Steering(False, 2, None, None)),
        ({"max_retries": 0, "num_retries": 2}, Steering(False, 0, None, None)),
        ({"max_retries": None, "num_retries": 10}, Steering(False, 10, None, None)),
        ({"timeout": 3, "stream_timeout": 0.5}, Steering(False, None, 3.0, 0.5)),
        ({"timeout": 86_400}, Steering(False, None, 86_400.0, None)),
    ],
)
def test_retries_and_seconds_are_read(body: Mapping[str, Any], expected: Steering) -> None:
    assert read_steering(body, is_stream=False) == expected


@pytest.mark.parametrize(
    ("field", "value"),
    [
        *(("max_retries", value) for value in (-1, 11, True, 1.0, "1")),
        *(("num_retries", value) for value in (-1, 11)),
        *(("timeout", value) for value in (0, -1, 86_401, True, "1")),
        ("stream_timeout", 0),
    ],
)
def test_other_values_are_refused_by_their_field(field: str, value: object) -> None:
    with pytest.raises(BadRequestError) as raised:
        read_steering({field: value}, is_stream=True)
    assert raised.value.param == field
