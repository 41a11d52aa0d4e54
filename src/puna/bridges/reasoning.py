"""Reads the reasoning that a host sent beside a message or a delta."""

from __future__ import annotations

from typing import Any, cast

from puna.types.common import WireModel
from puna.types.messages import THINKING_BLOCKS


def reasoning_of(said: WireModel) -> str:
    """The reasoning text of a message or delta; hosts use one of two field names."""
    extra = said.model_extra or {}
    texts = (extra.get("reasoning_content"), extra.get("reasoning"))
    return next((text for text in texts if isinstance(text, str) and text), "")


def thinking_blocks_of(said: WireModel) -> list[dict[str, Any]]:
    """The opaque thinking blocks, which must be sent back to their host unchanged."""
    given = (said.model_extra or {}).get(THINKING_BLOCKS)
    blocks = cast("list[Any]", given) if isinstance(given, list) else []
    return [block for block in blocks if isinstance(block, dict)]
