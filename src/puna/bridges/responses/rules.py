"""Refuses or leaves out the fields of a Responses request that chat does not have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from puna.bridges.omissions import Omissions
from puna.errors import BadRequestError

_IMPOSSIBLE: Mapping[str, Callable[[Any], bool]] = {
    "access_programs": lambda _: True,
    "background_options": lambda _: True,
    "context_management": lambda value: value != [],
    "image": lambda _: True,
    "moderation": lambda _: True,
}
"""Refused unless `drop_params`."""

_HINTS = (
    "client_metadata",
    "max_tool_calls",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
)
"""About OpenAI's caches, queues and accounts: the answer is the same without. Left out and told,
unless `allowed_openai_params` names them."""


def drop_unsupported_fields(
    given: dict[str, Any], allowed_params: frozenset[str], omissions: Omissions
) -> None:
    """Remove from `given` the fields that chat cannot do, and hints that no host uses.

    Raises:
        BadRequestError: a field needs state that Puna does not keep.
        UnsupportedParamsError: a field cannot be left out, and `drop_params` is not set.
    """
    if given.pop("prompt", None) is not None:
        # Leaving it out would answer something else.
        raise BadRequestError(
            "`prompt` is not supported: prompt templates are not kept here; send `instructions` "
            "and `input`.",
            param="prompt",
        )
    for name, is_asked in _IMPOSSIBLE.items():
        if name in given and is_asked(given.pop(name)):
            omissions.refuse(name, f"`{name}` is not supported over chat.")
    for name in _HINTS:
        if name in given and name not in allowed_params:
            del given[name]
            omissions.note(name)
