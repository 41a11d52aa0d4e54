"""Inputs that are texts or token ids, as in embeddings and text completions.

Source: OpenAI API reference, "Create embeddings" and "Completions".
"""

from __future__ import annotations

from typing import Any, cast

from puna.errors import BadRequestError
from puna.types.display import display, kind_of

TokenIds = tuple[int, ...]
TextInput = str | tuple[str, ...] | TokenIds | tuple[TokenIds, ...]
"""A text, texts, the token ids of one text, or of several: as the caller gave it."""

KINDS = "a text, a list of texts, a list of token ids or a list of lists of token ids"
_LARGEST = 2**31


def is_count(value: Any) -> bool:
    """Whether a value is an int from 0 that hosts can read, such as a token id."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < _LARGEST


def each_text(given: TextInput) -> tuple[str | TokenIds, ...]:
    """An input as a tuple: each item is a text or the token ids of one."""
    if isinstance(given, str):
        return (given,)
    if isinstance(given[0], int):
        return (cast("TokenIds", given),)
    return cast("tuple[str | TokenIds, ...]", given)


def read_token_ids(given: Any, path: str) -> TokenIds:
    """Check the token ids of one text and freeze them.

    Raises:
        BadRequestError: `param` is the path of what is malformed, such as `input[1][3]`.
    """
    if not isinstance(given, list | tuple):
        raise BadRequestError(
            f"`{path}` must be a list of token ids like the first, not {kind_of(given)}.",
            param=path,
        )
    ids = cast("list[Any] | tuple[Any, ...]", given)
    if not ids:
        raise BadRequestError(f"`{path}` is empty; give at least one token id.", param=path)
    for i, one in enumerate(ids):
        if not is_count(one):
            raise BadRequestError(
                f"`{path}[{i}]` must be a token id, a whole number from 0, not `{display(one)}`.",
                param=f"{path}[{i}]",
            )
    return tuple(ids)
