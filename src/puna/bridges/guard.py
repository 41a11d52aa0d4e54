"""Moderations over chat with a Llama Guard model: it judges a user message and answers in text.

The model answers `safe`, or `unsafe` and on the next line the hazards, such as `S1,S9`. The host's
chat template lists the hazards in the prompt. Source: Meta's model cards of Llama Guard 3 and 4
(github.com/meta-llama/PurpleLlama), read 2026-11-26. The names: docs/guides/moderations.md.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, cast

from puna.errors import BadRequestError

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "S1": ("violence", "illicit/violent"),
    "S2": ("illicit",),
    "S3": ("sexual",),
    "S4": ("sexual/minors",),
    "S9": ("illicit/violent",),
    "S10": ("hate",),
    "S11": ("self-harm",),
    "S12": ("sexual",),
}
"""OpenAI's categories that a hazard falls into; the others have no like there."""

_SEPARATORS = re.compile(r"[\s,]+")
_TEXT, _IMAGE = "text", "image_url"


def guarded_message(given: Any, *, reads_images: bool) -> dict[str, Any]:
    """Convert one moderation input, a text or parts, to the user message that the guard judges.

    Raises:
        BadRequestError: it is neither, or it holds an image and the model reads none.
    """
    if isinstance(given, str):
        return {"role": "user", "content": given}
    for position, part in enumerate(given):
        path = f"input[{position}]"
        fields = cast("Mapping[str, Any]", part) if isinstance(part, Mapping) else {}
        kind = fields.get("type")
        if kind == _IMAGE and not reads_images:
            raise BadRequestError(
                f"`{path}` is an image, and this model judges texts only: leave it out, or use "
                "Llama Guard 4.",
                param=path,
            )
        expected = {_TEXT: str, _IMAGE: Mapping}.get(kind if isinstance(kind, str) else "")
        if expected is None or not isinstance(fields.get(str(kind)), expected):
            raise BadRequestError(
                f"`{path}` must be a part with a `text` or an `image_url`.", param=path
            )
    return {"role": "user", "content": list(given)}


def parse_verdict(text: str | None, codes: tuple[str, ...]) -> dict[str, Any] | None:
    """Parse a guard's answer into a moderation result; None where it holds no verdict.

    The categories are the model's hazard codes and OpenAI's names for them. Scores are 1.0 or 0.0,
    because the model says only yes or no.
    """
    word, *told = [part for part in _SEPARATORS.split(text or "") if part] or [""]
    is_flagged = word.lower() == "unsafe"
    found = {code.upper() for code in told}
    if word.lower() not in ("safe", "unsafe") or is_flagged != bool(found) or found - {*codes}:
        return None
    categories = dict.fromkeys(codes, False)
    for code in codes:
        is_found = code in found
        categories[code] = is_found
        for name in NAMES.get(code, ()):
            categories[name] = categories.get(name, False) or is_found
    return {
        "flagged": is_flagged,
        "categories": categories,
        "category_scores": {name: float(is_found) for name, is_found in categories.items()},
    }
