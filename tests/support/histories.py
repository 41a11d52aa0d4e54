"""Generated histories in any order: odd ids, blank texts, empty contents, arguments of any kind."""

from __future__ import annotations

import itertools
from typing import Any

from hypothesis import strategies as st
from tests.support.chats import PNG_URL

IDS = st.sampled_from(
    ["call_1", "call_1", "functions.Bash:0", "", "x" * 200, "a b", "é", "abcDEF123", "0", "t-1_2"]
)
BLANKS = st.sampled_from(["", " ", "\n\t "])
ARGUMENTS = st.sampled_from(
    ["", "{}", '{"a": 1}', "{broken", "[1]", "null", None, {"a": {"b": "é"}}, {}, " "]
)
_THOUGHTS: list[dict[str, Any]] = [
    {},
    {"reasoning_content": "canary-rc"},
    {"reasoning": "canary-r"},
    {"reasoning_details": [{"type": "reasoning.text", "text": "canary-rd"}]},
    {"thinking_blocks": [{"type": "thinking", "thinking": "canary-tb", "signature": ""}]},
]
THOUGHTS = st.sampled_from(_THOUGHTS)


@st.composite
def histories(draw: st.DrawFn, *, most: int = 8) -> list[dict[str, Any]]:
    """Messages in chat's shape, in any order; whatever says something says `canary-<number>`."""
    numbers = itertools.count()

    def text() -> str:
        return draw(BLANKS) if draw(st.integers(0, 3)) == 0 else f"canary-{next(numbers)}."

    def content() -> Any:
        kind = draw(st.integers(0, 3))
        if kind < 2:
            return text()
        parts = [{"type": "text", "text": text()} for _ in range(draw(st.integers(0, 2)))]
        if kind == 3:
            parts.append({"type": "image_url", "image_url": {"url": PNG_URL}})  # type: ignore[dict-item]  # a part
        return parts

    def texts() -> Any:
        said = content()
        return [p for p in said if p["type"] == "text"] if isinstance(said, list) else said

    def message() -> dict[str, Any]:
        role = draw(st.sampled_from(["system", "developer", "user", "assistant", "call", "tool"]))
        if role == "tool":
            return {"role": "tool", "tool_call_id": draw(IDS), "content": content()}
        if role == "call":
            calls = [
                {
                    **({"id": draw(IDS)} if draw(st.integers(0, 5)) else {}),
                    "type": "function",
                    "function": {"name": "f", "arguments": draw(ARGUMENTS)},
                }
                for _ in range(draw(st.integers(1, 3)))
            ]
            said = {} if draw(st.booleans()) else {"content": texts()}
            return {"role": "assistant", **said, "tool_calls": calls, **draw(THOUGHTS)}
        if role == "assistant":
            return {"role": "assistant", "content": texts(), **draw(THOUGHTS)}
        return {"role": role, "content": content() if role == "user" else texts()}

    messages = [message() for _ in range(draw(st.integers(1, most)))]
    first = {"role": "user", "content": "canary-first."}
    messages.insert(draw(st.integers(0, len(messages))), first)
    return messages
