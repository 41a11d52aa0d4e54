"""What of a history reaches the host of a row."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from tests.support.contexts import request_for, target_for
from tests.support.provider_suite import target_of

from puna.bridges.histories.rules import ALNUM_9, CHAT
from puna.dialects.base import BuiltRequest, Target
from puna.dialects.quirks import Quirks
from puna.dialects.table import DIALECTS
from puna.providers.table import PROVIDERS
from puna.wire.http import Timeouts

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
MISTRAL_LIKE = replace(CHAT, call_ids=ALNUM_9, refuses_blanks=True)

TARGETS = {
    **{name: target_of(row) for name, row in PROVIDERS.items() if name != "embedded"},
    "embedded": target_for(dialect="embedded_chat", input_modalities=frozenset(("text", "image"))),
    "mistral-like": target_for(quirks=Quirks(messages=MISTRAL_LIKE)),
    "deepseek": target_of(PROVIDERS["hosted_vllm"], "deepseek-v4"),
}


def build(target: Target, messages: list[dict[str, Any]], **fields: Any) -> BuiltRequest:
    asked = request_for(messages=messages, **fields)
    return DIALECTS[target.dialect].build_request(asked, target, Timeouts())


SESSION: list[dict[str, Any]] = [
    {"role": "user", "content": "List."},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "functions.Bash:0",
                "type": "function",
                "function": {"name": "f", "arguments": {"a": 1}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "functions.Bash:0", "content": ""},
]
