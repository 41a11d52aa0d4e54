"""Reads the keywords of `moderation()` into one frozen call. Pure, as for chat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from puna.client.keywords import make_call, read_options, split_keywords
from puna.client.settings import ClientSettings
from puna.engine.call import Call
from puna.errors import BadRequestError
from puna.types.moderations import ModerationRequest, make_moderation_request


def read_moderation_call(
    model: Any, given: Any, keywords: Mapping[str, Any], settings: ClientSettings
) -> Call[ModerationRequest]:
    """Make the call from the arguments of `moderation()`; `given` is the input.

    Raises as `read_call`.
    """
    own, body = split_keywords(keywords, settings)
    if own.get("mock_response") is not None:
        raise BadRequestError(
            "A moderation knows no `mock_response`; use `Client(replay=...)` in tests.",
            param="mock_response",
        )
    request = make_moderation_request(model, given, body, **read_options(own, settings))
    return make_call(request, own, settings, None)
