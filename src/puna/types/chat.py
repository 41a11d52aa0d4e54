"""Chat completions as the OpenAI API shapes them.

Source: OpenAI API reference, "Create chat completion" and "The chat completion chunk object".
Upstreams deviate; `puna.dialects` mends what they send before it gets here.
"""

from __future__ import annotations

from typing import Any

from puna.types.common import Answer, Usage, WireModel


class Function(WireModel):
    """The function of a call. `arguments` is JSON text as the model wrote it, maybe broken."""

    name: str | None = None
    arguments: str = ""


class ToolCall(WireModel):
    """One call that the model asks for."""

    id: str | None = None
    type: str = "function"
    function: Function


class Message(WireModel):
    """What the model said. `content` is None when it only calls tools."""

    role: str = "assistant"
    content: str | None = None
    refusal: str | None = None
    annotations: list[Any] | None = None
    tool_calls: list[ToolCall] | None = None
    function_call: Function | None = None


class Choice(WireModel):
    """One of the `n` answers."""

    index: int = 0
    message: Message
    finish_reason: str | None = None
    logprobs: Any = None


class ChatCompletion(Answer):
    """A whole answer."""

    id: str
    object: str = "chat.completion"
    created: int
    model: str
    choices: list[Choice]
    usage: Usage | None = None
    system_fingerprint: str | None = None


class DeltaFunction(WireModel):
    """A piece of a function: the name comes once, `arguments` in fragments to be joined."""

    name: str | None = None
    arguments: str | None = None


class DeltaToolCall(WireModel):
    """A piece of a tool call; pieces with one `index` belong together."""

    index: int
    id: str | None = None
    type: str | None = None
    function: DeltaFunction | None = None


class Delta(WireModel):
    """What a chunk adds to its choice's message."""

    role: str | None = None
    content: str | None = None
    refusal: str | None = None
    tool_calls: list[DeltaToolCall] | None = None
    function_call: DeltaFunction | None = None


class ChunkChoice(WireModel):
    """A choice's share of a chunk."""

    index: int = 0
    delta: Delta
    finish_reason: str | None = None
    logprobs: Any = None


class ChatCompletionChunk(WireModel):
    """One piece of a streamed answer. Only the usage chunk has no choices."""

    id: str
    object: str = "chat.completion.chunk"
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: Usage | None = None
    system_fingerprint: str | None = None
