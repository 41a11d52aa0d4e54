"""Tokens of answers whose host reports no usage: estimated, and marked as such."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any, cast

from puna.catalog.estimates import estimate_tokens
from puna.types.chat import ChatCompletion, ChatCompletionChunk, Delta, Message
from puna.types.common import Usage
from puna.types.counts import MOST_TOKENS
from puna.types.response_request import ResponsesRequest
from puna.types.responses import Response

_AT_ONCE = 16_384
_WRITTEN = frozenset(("text", "refusal", "arguments", "input"))


def estimate_answer(completion: ChatCompletion) -> int:
    """Estimate the tokens of all choices of a whole answer."""
    return sum(estimate_tokens("".join(_texts(choice.message))) for choice in completion.choices)


def checked_usage(usage: Usage | None) -> Usage | None:
    """The usage that a host reports; None where a count is below 0, or above `MOST_TOKENS`."""
    if usage is None:
        return None
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    counts = (
        usage.prompt_tokens,
        usage.completion_tokens,
        usage.total_tokens,
        (given.cached_tokens if given else 0) or 0,
        (made.reasoning_tokens if made else 0) or 0,
    )
    return usage if all(0 <= count <= MOST_TOKENS for count in counts) else None


def estimate_response(response: Response) -> int:
    """Estimate the tokens of a whole response: texts, thoughts, and arguments of calls."""
    items = [item.to_dict() for item in response.output]
    return estimate_tokens("".join(_all_texts(items)))


def estimate_request(request: ResponsesRequest, completion_tokens: int) -> Usage:
    """The usage of a response whose host reports none: the input is estimated as JSON."""
    parts = [*request.earlier, *request.items, request.params.get("instructions") or ""]
    tools = request.params.get("tools")
    prompt_tokens = estimate_tokens(json.dumps([*parts, *(tools or ())], default=str))
    return Usage.estimated(prompt_tokens, completion_tokens)


class RunningEstimate:
    """Estimates the tokens of a streamed answer, several chunks at a time.

    Each estimate has a fixed cost.
    """

    def __init__(self) -> None:
        self._tokens = 0
        self._pending: list[str] = []
        self._length = 0

    def add(self, chunks: Sequence[ChatCompletionChunk]) -> None:
        """Add the texts of these chunks."""
        for chunk in chunks:
            for choice in chunk.choices:
                delta = choice.delta
                text = delta.content
                # Nearly always there is content alone, and to ask for the rest takes longer.
                if (
                    not text
                    or delta.__pydantic_extra__
                    or delta.tool_calls
                    or delta.function_call
                    or delta.refusal
                ):
                    text = "".join(_texts(delta))
                self.add_text(text)

    def add_text(self, text: str) -> None:
        """Add a text that the model wrote."""
        self._pending.append(text)
        self._length += len(text)
        if self._length > _AT_ONCE:
            self.total()

    def total(self) -> int:
        """The estimate for everything added so far."""
        self._tokens += estimate_tokens("".join(self._pending))
        self._pending = []
        self._length = 0
        return self._tokens


def _texts(message: Message | Delta) -> Iterator[str]:
    """Every text that the model wrote: content, refusal, reasoning, and its tool calls."""
    for text in (message.content, message.refusal, getattr(message, "reasoning_content", None)):
        if isinstance(text, str):
            yield text
    functions = [call.function for call in message.tool_calls or () if call.function is not None]
    if message.function_call is not None:
        functions.append(message.function_call)
    for function in functions:
        yield function.name or ""
        yield function.arguments or ""


def _all_texts(value: Any) -> Iterator[str]:
    """Every text below the fields that hold what a model wrote."""
    if isinstance(value, list):
        for one in cast("list[Any]", value):
            yield from _all_texts(one)
    elif isinstance(value, dict):
        for name, one in cast("dict[str, Any]", value).items():
            if isinstance(one, str) and name in _WRITTEN:
                yield one
            elif isinstance(one, list | dict):
                yield from _all_texts(one)
