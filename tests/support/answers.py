"""An answer."""

from __future__ import annotations

from typing import Any

DATA: dict[str, Any] = {
    "id": "c1",
    "created": 1,
    "model": "m",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi"}}],
    "usage": {"prompt_tokens": 1, "completion_tokens": 2, "total_tokens": 3, "estimated": True},
    "x_extra": {"k": 1},
}
