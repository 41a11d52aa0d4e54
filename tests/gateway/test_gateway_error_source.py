"""Who is at fault for an error: the gateway, or a host behind it."""

from __future__ import annotations

import pytest

from puna.errors import APIConnectionError, APIError, BadRequestError, RateLimitError
from puna.gateway.error_source import error_source


@pytest.mark.parametrize(
    ("error", "source"),
    [
        (BadRequestError("no", param="n"), "gateway"),
        (RateLimitError("busy"), "gateway"),
        (RateLimitError("busy", provider="groq", body='{"error": "busy"}'), "upstream"),
        (BadRequestError("no", provider="groq", body="no"), "upstream"),
        (BadRequestError("no", provider="groq"), "gateway"),
        (APIConnectionError("gone", provider="groq"), "upstream"),
    ],
)
def test_what_a_provider_answered_or_failed_to_answer_is_its_own(
    error: APIError, source: str
) -> None:
    assert error_source(error) == source
