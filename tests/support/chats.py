"""Generated conversations in chat's shape."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

PNG_URL = "data:image/png;base64,iVBORw0KGgo="

TEXTS = st.text(min_size=1, max_size=12)
NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
VALUES = st.none() | st.booleans() | st.integers(-9, 9) | TEXTS
INPUTS = st.dictionaries(TEXTS, VALUES | st.lists(VALUES, max_size=2), max_size=3)
URLS = st.sampled_from(["https://x.example/a.png", PNG_URL])
IMAGES = URLS.map(lambda url: {"type": "image_url", "image_url": {"url": url}})
TEXT_PARTS = TEXTS.map(lambda text: {"type": "text", "text": text})


@st.composite
def contents(draw: st.DrawFn) -> Any:
    """What a user says: a text, or parts with an image among them."""
    if draw(st.booleans()):
        return draw(TEXTS)
    parts = draw(st.lists(TEXT_PARTS | IMAGES, max_size=3))
    parts.insert(draw(st.integers(0, len(parts))), draw(IMAGES))
    return parts


@st.composite
def exchanges(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A user's turn and the assistant's, with the results of its calls."""
    said = draw(st.none() | TEXTS)
    calls = [
        {
            "id": f"call_{draw(NAMES)}",
            "type": "function",
            "function": {
                "name": draw(NAMES),
                "arguments": json.dumps(draw(INPUTS), ensure_ascii=False, separators=(",", ":")),
            },
        }
        for _ in range(draw(st.integers(0 if said else 1, 3)))
    ]
    answer = {"role": "assistant", "content": said, **({"tool_calls": calls} if calls else {})}
    results = [
        {"role": "tool", "tool_call_id": call["id"], "content": draw(st.text(max_size=9))}
        for call in calls
    ]
    return [{"role": "user", "content": draw(contents())}, answer, *results]


@st.composite
def conversations(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Exchanges, perhaps after a system message."""
    system = draw(st.none() | TEXTS)
    head = [{"role": "system", "content": system}] if system else []
    return [*head, *(one for turn in draw(st.lists(exchanges(), min_size=1)) for one in turn)]
