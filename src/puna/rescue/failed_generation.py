"""Groq answers 400 `tool_use_failed` where it could not read the model's call; the text is in it.

Source: Groq documentation, "Error codes"; samples in `tests/fixtures/rescue`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.rescue.stream import Rescued, whole
from puna.rescue.tools import KnownTools

_CODE = "tool_use_failed"
_FUNCTION_END = "</function>"


def read_failed_generation(body: Any, tools: KnownTools) -> Rescued | None:
    """The calls in a decoded error body; None where it holds none."""
    error = cast("Mapping[str, Any]", body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping) or error.get("code") != _CODE:
        return None
    text = error.get("failed_generation")
    if not isinstance(text, str):
        return None
    rescued = whole(text, tools)
    if not rescued.calls and text.rstrip().endswith(_FUNCTION_END):
        # Some of its errors have lost the beginning: `f{…}</function>`.
        rescued = whole(f"<function={text.lstrip()}", tools)
    return rescued if rescued.calls else None
