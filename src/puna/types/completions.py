"""Text completions in OpenAI's shape (the legacy `/completions` endpoint)."""

from __future__ import annotations

from typing import Any

from puna.types.common import Answer, Usage, WireModel


class TextChoice(WireModel):
    """One text of a completion, or a piece of it in a stream."""

    text: str = ""
    index: int = 0
    logprobs: Any = None
    finish_reason: str | None = None


class TextCompletion(Answer):
    """A whole text completion, or one chunk of a streamed one: they have the same shape."""

    id: str
    object: str = "text_completion"
    created: int
    model: str
    choices: list[TextChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
