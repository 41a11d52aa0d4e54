"""Finds calls in an error reply: some hosts reject an answer whose calls they could not parse.

Samples in `tests/fixtures/rescue`; which hosts do so, and in which field, is in their rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from puna.rescue.stream import Rescued, find_calls
from puna.rescue.tools import KnownTools

_FUNCTION_END = "</function>"


@dataclass(frozen=True, slots=True)
class FailedGeneration:
    """How a host's error looks in which it returns an answer that it could not parse.

    Its status, its `error.code`, and the field of `error` with the text.
    """

    status: int
    code: str
    field: str


def read_failed_generation(body: Any, rule: FailedGeneration, tools: KnownTools) -> Rescued | None:
    """Find the calls in a decoded error body that matches the host's `rule`; None without any."""
    error = cast("Mapping[str, Any]", body).get("error") if isinstance(body, Mapping) else None
    if not isinstance(error, Mapping) or error.get("code") != rule.code:
        return None
    text = error.get(rule.field)
    if not isinstance(text, str):
        return None
    rescued = find_calls(text, tools)
    if not rescued.calls and text.rstrip().endswith(_FUNCTION_END):
        # Some of these errors have lost the beginning: `f{…}</function>`.
        rescued = find_calls(f"<function={text.lstrip()}", tools)
    return rescued if rescued.calls else None
