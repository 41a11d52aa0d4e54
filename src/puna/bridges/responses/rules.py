"""The fields that chat has no place for: refused, or left out and told."""

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

_REFUSED: Mapping[str, str] = {
    "background": "nothing runs in the background here; leave it out and stream the answer",
    "conversation": "none are kept here; use `previous_response_id`, or send the items",
    "prompt": "prompt templates are not kept here; send `instructions` and `input`",
}
"""Asking for these changes what a request is: leaving them out would answer something else."""

_CHAT_ONLY = {
    "max_completion_tokens": "max_output_tokens",
    "max_tokens": "max_output_tokens",
    "messages": "input",
    "response_format": "text.format",
}


def refuse_what_is_not_here(given: dict[str, Any]) -> None:
    """Take out what asks for nothing.

    Raises:
        BadRequestError: a field asks for what nobody here keeps or runs, or is one of chat's.
    """
    for name, fix in _REFUSED.items():
        if given.pop(name, False) is not False:
            raise BadRequestError(f"`{name}` cannot be done: {fix}.", param=name)
    for name, instead in _CHAT_ONLY.items():
        if name in given:
            raise BadRequestError(
                f"`{name}` is a field of chat completions; give `{instead}`.", param=name
            )
    if given.pop("n", 1) != 1:
        raise BadRequestError("`n` must be 1: a response is one answer.", param="n")


def leave_out_what_chat_lacks(given: dict[str, Any], omissions: Omissions) -> None:
    """Take out what chat cannot do, and hints that nobody takes.

    Raises:
        UnsupportedParamsError: one that cannot be left out, without `drop_params`.
    """
    for name, is_asked in _IMPOSSIBLE.items():
        if name in given and is_asked(given.pop(name)):
            omissions.refuse(name, f"`{name}` cannot be done over chat.")
    allowed = given.get("allowed_openai_params")
    for name in _HINTS:
        is_allowed = isinstance(allowed, list | tuple) and name in allowed
        if name in given and not is_allowed:
            del given[name]
            omissions.note(name)
