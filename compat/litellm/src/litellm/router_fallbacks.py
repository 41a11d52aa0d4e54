"""What a `Router`'s lists of fallbacks say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.errors import BadRequestError


def fallback_names(listed: Any, field: str) -> list[str]:
    """The names in one list of fallbacks: texts, or objects with nothing but a `model`.

    Raises:
        BadRequestError: `field` is given otherwise.
    """
    if isinstance(listed, str) or not isinstance(listed, Sequence):
        raise BadRequestError(
            f"`{field}` must name its fallbacks in a list such as ['other'], not `{listed!r:.80}`.",
            param=field,
        )
    return [_name_of(one, field) for one in cast("Sequence[Any]", listed)]


def _name_of(one: Any, field: str) -> str:
    if isinstance(one, Mapping) and set(cast("Mapping[str, Any]", one)) == {"model"}:
        one = cast("Mapping[str, Any]", one)["model"]
    if not isinstance(one, str):
        raise BadRequestError(
            f"A fallback in `{field}` is one of the router's names; requests with fields of their "
            f"own are not built: `{one!r:.80}`.",
            param=field,
        )
    return one


def listed_fallbacks(fallbacks: Any, name: str, field: str) -> list[str] | None:
    """The fallbacks that are listed for a name, or for `*`; None where there are none.

    Raises:
        BadRequestError: `fallbacks` is not a list of objects such as `{'name': ['other']}`.
    """
    for item in fallbacks:
        if not isinstance(item, Mapping):
            raise BadRequestError(
                f"`{field}` must be a list of objects such as {{'name': ['other']}}.", param=field
            )
    for key in (name, "*"):
        for item in fallbacks:
            if key in item:
                names = fallback_names(item[key], field)
                return names if key == name else [other for other in names if other != name]
    return None


def call_fallbacks(fallbacks: Any, name: str) -> Any:
    """`fallbacks` of one call: names, or as in the router's own argument."""
    items: Any = fallbacks if isinstance(fallbacks, Sequence) else ()
    is_by_name = not isinstance(items, str) and any(
        isinstance(item, Mapping) and "model" not in item for item in items
    )
    return listed_fallbacks(items, name, "fallbacks") or [] if is_by_name else fallbacks
