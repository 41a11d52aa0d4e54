"""What a request may say of how it is served: retries, time, names. None of it goes upstream."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.routing.steering import Steering
from puna.types.option_kinds import Scope
from puna.types.option_scopes import read_first, read_option, with_aliases

_RETRIES = with_aliases("max_retries")


def read_steering(body: Mapping[str, Any], *, is_stream: bool) -> Steering:
    """Read the retries and timeouts in a request's fields. Raises BadRequestError."""
    return Steering(
        is_stream,
        read_first(body, _RETRIES, Scope.REQUEST),
        read_option(body, "timeout", Scope.REQUEST),
        read_option(body, "stream_timeout", Scope.REQUEST),
    )
