"""Prepares the items of earlier turns for being sent again to a host that speaks the Responses API.

The conversation is kept here, and hosts are asked to store nothing. So an item may not refer to
what the host would have stored, and encrypted reasoning goes only to the deployment that made it:
no other can decrypt it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

_MAKER = "puna_deployment"
_REASONING = "reasoning"
_KEEP_IDS = ("message", "function_call", "custom_tool_call", _REASONING)
"""Elsewhere a host takes the id for one of its store, and refuses what is not in it."""


def with_maker(item: Mapping[str, Any], deployment_id: str) -> dict[str, Any]:
    """An output item for the store: reasoning is marked with the deployment that made it."""
    made = {_MAKER: deployment_id} if item["type"] == _REASONING else {}
    return {**item, **made}


def items_to_resend(
    items: Iterable[Mapping[str, Any]], deployment_id: str
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Earlier items as a deployment accepts them, and the names of what was left out.

    Reasoning is left out unless it is encrypted and this deployment made it.
    """
    sent: list[dict[str, Any]] = []
    left_out: dict[str, None] = {}
    for item in items:
        kind = item["type"]
        if kind == _REASONING and (
            not item.get("encrypted_content") or item.get(_MAKER, deployment_id) != deployment_id
        ):
            left_out["input.reasoning"] = None
            continue
        removed = (_MAKER,) if kind in _KEEP_IDS else (_MAKER, "id")
        sent.append({name: value for name, value in item.items() if name not in removed})
    return sent, tuple(left_out)
