"""`stream_chunk_builder`: the chunks of a stream as the whole answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from litellm.answers import answer_of, puna_chunk_of
from litellm.litellm_core_utils.streaming_handler import fold_text
from litellm.types.usage import Usage
from litellm.types.utils import ModelResponse, ModelResponseStream, TextCompletionResponse
from puna.api.models import token_counter as count_tokens
from puna.wire.fold import fold


def stream_chunk_builder(
    chunks: Sequence[Any],
    messages: Sequence[Mapping[str, Any]] | None = None,
    **kwargs: Any,
) -> ModelResponse | TextCompletionResponse | None:
    """The chunks of a stream as the whole answer; None for no chunks.

    `usage` is the stream's own where it came, else counted here: the prompt from `messages`. The
    other keywords of LiteLLM's function are taken and not needed.
    """
    del kwargs
    if not chunks:
        return None
    if isinstance(chunks[0], TextCompletionResponse):
        return fold_text(list(cast("Sequence[TextCompletionResponse]", chunks)))
    answer = answer_of(fold(puna_chunk_of(chunk) for chunk in chunks))
    if not hasattr(answer, "usage"):
        answer.usage = _count_usage(answer, messages)
    first = chunks[0]
    if isinstance(first, ModelResponseStream):
        answer.note_call(dict(first._hidden_params), None)  # noqa: SLF001 - LiteLLM's public name
    return answer


def _count_usage(answer: ModelResponse, messages: Sequence[Mapping[str, Any]] | None) -> Usage:
    name = answer.model or ""
    prompt = count_tokens(name, messages=messages) if messages else 0
    said: list[str] = []
    for choice in answer.choices:
        said.append(choice.message.content or "")
        said += (call.function.arguments for call in choice.message.tool_calls or ())
    completion_tokens = count_tokens(name, said)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion_tokens,
        total_tokens=prompt + completion_tokens,
    )
