"""Chat completions in OpenAI's shape.

Source: OpenAI API reference, "Create chat completion" and "The chat completion chunk object". Hosts
deviate; `puna.dialects` corrects what they send before it is parsed into these types.
"""

from __future__ import annotations

from typing import Any

from puna.types.common import Answer, Usage, WireModel


class Function(WireModel):
    """The function of a call. `arguments` is JSON text as the model wrote it, perhaps invalid."""

    name: str | None = None
    arguments: str = ""


class ToolCall(WireModel):
    """A tool call of the model."""

    id: str | None = None
    type: str = "function"
    function: Function


class Message(WireModel):
    """The message of the model. `content` is None when it only calls tools."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None


class Choice(WireModel):
    """One of the `n` choices of an answer."""

    index: int = 0
    message: Message
    finish_reason: str | None = None
    logprobs: Any = None


class ChatCompletion(Answer):
    """A whole chat answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
    system_fingerprint: str | None = None


class DeltaFunction(WireModel):
    """A piece of a function call: the name once, `arguments` in fragments to be joined."""

    name: str | None = None
    arguments: str | None = None


class DeltaToolCall(WireModel):
    """A piece of a tool call; pieces with the same `index` belong together."""

    index: int
    id: str | None = None
    type: str | None = None
    function: DeltaFunction | None = None


class Delta(WireModel):
    """What a chunk adds to the message of its choice."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    function_call: DeltaFunction | None = None


class ChunkChoice(WireModel):
    """One choice's part of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None
    logprobs: Any = None


class ChatCompletionChunk(WireModel):
    """One chunk of a streamed answer. Only the usage chunk has no choices."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
