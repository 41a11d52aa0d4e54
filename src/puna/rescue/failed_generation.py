"""The model's text in an error: some hosts refuse to answer where they could not read its calls.

Samples in `tests/fixtures/rescue`; which hosts do so, and where the text is, is in their rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from puna.rescue.stream import Rescued, whole
from puna.rescue.tools import KnownTools

_FUNCTION_END = "</function>"


@dataclass(frozen=True, slots=True)
class FailedGeneration:
    """How such an error looks: its status, its `error.code`, the field of `error` with the text."""

    status: int
    code: str
    field: str


def read_failed_generation(body: Any, told: FailedGeneration, tools: KnownTools) -> Rescued | None:
    """The calls in a decoded error body; None where it holds none."""
    error = cast("Mapping[str, Any]", body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping) or error.get("code") != told.code:
        return None
    text = error.get(told.field)
    if not isinstance(text, str):
        return None
    rescued = whole(text, tools)
    if not rescued.calls and text.rstrip().endswith(_FUNCTION_END):
        # Some of these errors have lost the beginning: `f{…}</function>`.
        rescued = whole(f"<function={text.lstrip()}", tools)
    return rescued if rescued.calls else None
