"""Errors in the events of Anthropic's Messages API, by their type."""

from __future__ import annotations

import pytest
from tests.support.contexts import context_for

from puna.dialects.anthropic_errors import read_messages_error
from puna.errors import (
    APIError,
    APITimeoutError,
    AuthenticationError,
    BadRequestError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("invalid_request_error", (BadRequestError, 400)),
        ("authentication_error", (AuthenticationError, 401)),
        ("billing_error", (BadRequestError, 402)),
        ("permission_error", (PermissionDeniedError, 403)),
        ("not_found_error", (NotFoundError, 404)),
        ("request_too_large", (BadRequestError, 413)),
        ("rate_limit_error", (RateLimitError, 429)),
        ("api_error", (InternalServerError, 500)),
        ("timeout_error", (APITimeoutError, 504)),
        ("overloaded_error", (ServiceUnavailableError, 529)),
        ("of next year", (InternalServerError, 500)),
    ],
)
def test_each_type_has_its_class_and_status(
    kind: str, expected: tuple[type[APIError], int]
) -> None:
    frame = {"type": "error", "error": {"type": kind, "message": "said so"}}
    error = read_messages_error(frame, context_for())
    assert (type(error), error.status_code) == expected
    assert "said so" in str(error)


def test_a_text_is_an_error_of_the_host() -> None:
    assert type(read_messages_error("just words", context_for())) is InternalServerError
