"""LiteLLM's response classes: pydantic models that can also be read like dicts.

As in LiteLLM, some fields that nobody gave are not None but *missing attributes*: ask with
`getattr(message, "reasoning_content", None)` or `message.get("reasoning_content")`. Every class
takes and keeps fields that it does not know, also when they are set later.
"""

from __future__ import annotations

import json
import time
import uuid
from enum import StrEnum
from typing import Any, Literal, cast

from pydantic import Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from litellm.released import getattr_of
from litellm.types.response_base import *  # noqa: F403 - the same  # pyright: ignore[reportWildcardImportFromLibrary]
from litellm.types.response_base import SafeAttributeModel
from litellm.types.usage import *  # noqa: F403 - LiteLLM has them here  # pyright: ignore[reportWildcardImportFromLibrary]
from litellm.types.usage import CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage
from puna.providers.table import PROVIDERS


def _is_none(value: Any) -> bool:
    return value is None


def make_id() -> str:
    """A new id for an answer that did not come from a host."""
    return f"chatcmpl-{uuid.uuid4()}"


def _now() -> int:
    return int(time.time())


class Function(SafeAttributeModel):
    """The function of a tool call. `arguments` is JSON text as the model wrote it."""

    positions = ("arguments", "name")

    arguments: str = ""
    name: str | None = None

    @field_validator("arguments", mode="before")
    @classmethod
    def _as_text(cls, value: Any) -> Any:
        if value is None:
            return ""
        return json.dumps(value) if isinstance(value, dict) else value


class FunctionCall(Function):
    """The old form of a tool call."""


class ChatCompletionMessageToolCall(SafeAttributeModel):
    """One call that the model asks for."""

    positions = ("function", "id", "type")

    function: Function
    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    type: str = "function"


class ChatCompletionDeltaToolCall(SafeAttributeModel):
    """A piece of a tool call; pieces with one `index` belong together."""

    id: str | None = None
    function: Function
    type: str | None = None
    index: int


_SAID = ("content", "role", "function_call", "tool_calls", "audio", "images")
_BESIDE_TEXT = ("reasoning_content", "thinking_blocks", "reasoning_items", "annotations")


class Message(SafeAttributeModel):
    """What the model said. `content` is None when it only calls tools."""

    positions = (*_SAID, "provider_specific_fields", *_BESIDE_TEXT)

    missing_when_none = (*_BESIDE_TEXT, "audio", "images")

    content: str | None = None
    role: str = "assistant"
    tool_calls: list[ChatCompletionMessageToolCall] | None = None
    function_call: FunctionCall | None = None
    reasoning_content: str | None = None
    thinking_blocks: list[Any] | None = None
    reasoning_items: list[Any] | None = None
    annotations: list[Any] | None = None
    audio: Any = None
    images: list[Any] | None = None
    provider_specific_fields: dict[str, Any] | None = Field(default=None, exclude_if=_is_none)


class Delta(SafeAttributeModel):
    """What a chunk adds to its choice's message."""

    positions = (*_SAID, *_BESIDE_TEXT)

    missing_when_none = (*_BESIDE_TEXT, "images")

    provider_specific_fields: dict[str, Any] | None = None
    content: str | None = None
    role: str | None = None
    function_call: FunctionCall | None = None
    tool_calls: list[ChatCompletionDeltaToolCall] | None = None
    audio: Any = None
    reasoning_content: str | None = None
    thinking_blocks: list[Any] | None = None
    reasoning_items: list[Any] | None = None
    annotations: list[Any] | None = None
    images: list[Any] | None = None


class Choices(SafeAttributeModel):
    """One of the `n` answers."""

    positions = (
        "finish_reason",
        "index",
        "message",
        "logprobs",
        "enhancements",
        "provider_specific_fields",
    )

    missing_when_none = ("logprobs", "provider_specific_fields")

    finish_reason: str | None = "stop"
    index: int = 0
    message: Message = Field(default_factory=Message)
    logprobs: Any = None
    provider_specific_fields: dict[str, Any] | None = None


class StreamingChoices(SafeAttributeModel):
    """A choice's share of a chunk."""

    positions = ("finish_reason", "index", "delta", "logprobs", "enhancements")

    finish_reason: str | None = None
    index: int = 0
    delta: Delta = Field(default_factory=Delta)
    logprobs: Any = None


class ModelResponseBase(SafeAttributeModel):
    """What whole answers and chunks share. `_hidden_params` tells how the call went."""

    id: str = Field(default_factory=make_id)
    created: int = Field(default_factory=_now)
    model: str | None = None
    object: str = "chat.completion"
    system_fingerprint: str | None = None

    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _response_headers: dict[str, str] | None = PrivateAttr(default=None)

    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        """Attach how the call went."""
        self._hidden_params = hidden_params
        self._response_headers = headers


class ModelResponse(ModelResponseBase):
    """A whole answer. `ModelResponse()` has one empty choice and no `usage` attribute."""

    positions = (
        "id",
        "choices",
        "created",
        "model",
        "object",
        "system_fingerprint",
        "usage",
        "stream",
        "stream_options",
        "response_ms",
        "hidden_params",
        "_response_headers",
    )

    missing_when_none = ("usage",)

    choices: list[Choices] = Field(default_factory=lambda: [Choices()])
    usage: Usage | None = None

    _response_ms: float | None = PrivateAttr(default=None)

    @model_validator(mode="before")
    @classmethod
    def _leave_out_switches(cls, data: Any) -> Any:
        """`stream` and `response_ms` are switches of LiteLLM's constructor, not fields."""
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, Any]", data)
        switches = ("stream", "response_ms", "hidden_params", "_response_headers")
        return {name: value for name, value in given.items() if name not in switches}

    @override
    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        super().note_call(hidden_params, headers)
        self._response_ms = hidden_params.get("_response_ms")


class ModelResponseStream(ModelResponseBase):
    """One piece of a streamed answer."""

    positions = ("choices", "id", "created", "provider_specific_fields")

    missing_when_none = ("usage",)

    object: str = "chat.completion.chunk"
    choices: list[StreamingChoices] = Field(default_factory=lambda: [StreamingChoices()])
    provider_specific_fields: dict[str, Any] | None = None
    usage: Usage | None = None


class TextChoices(SafeAttributeModel):
    """One continuation, or a piece of one in a stream."""

    positions = ("finish_reason", "index", "text", "logprobs")

    finish_reason: str | None = None
    index: int = 0
    text: str | None = None
    logprobs: Any = None


class TextCompletionResponse(SafeAttributeModel):
    """A whole text completion, or one chunk of a streamed one: they have the same shape."""

    positions = ("id", "choices", "created", "model", "usage", "stream", "response_ms", "object")

    id: str = Field(default_factory=make_id)
    object: Literal["text_completion"] = "text_completion"
    created: int = Field(default_factory=_now)
    model: str | None = None
    choices: list[TextChoices] = Field(default_factory=lambda: [TextChoices()])
    usage: Usage = Field(default_factory=Usage)

    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _response_headers: dict[str, str] | None = PrivateAttr(default=None)
    _response_ms: float | None = PrivateAttr(default=None)

    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        """Attach how the call went."""
        self._hidden_params = hidden_params
        self._response_headers = headers
        self._response_ms = hidden_params.get("_response_ms")


class Embedding(SafeAttributeModel):
    """The vector of one input: numbers, or base64 text."""

    embedding: list[float] | str = Field(default_factory=list[float])
    index: int = 0
    object: Literal["embedding"] = "embedding"


class EmbeddingResponse(SafeAttributeModel):
    """The vectors. `data` holds plain dicts, as LiteLLM's does for OpenAI's protocol."""

    positions = ("model", "usage", "response_ms", "data", "hidden_params", "_response_headers")

    model: str | None = None
    data: list[Any] = Field(default_factory=list[Any])
    object: Literal["list"] = "list"
    usage: Usage = Field(default_factory=Usage)

    _hidden_params: dict[str, Any] = PrivateAttr(default_factory=dict[str, Any])
    _response_headers: dict[str, str] | None = PrivateAttr(default=None)
    _response_ms: float | None = PrivateAttr(default=None)

    def note_call(self, hidden_params: dict[str, Any], headers: dict[str, str] | None) -> None:
        """Attach how the call went."""
        self._hidden_params = hidden_params
        self._response_headers = headers
        self._response_ms = hidden_params.get("_response_ms")


class LlmProviders(StrEnum):
    """The providers, equal to their names as strings: `LlmProviders.META_LLAMA`."""

    _ignore_ = "_name"
    for _name in PROVIDERS:
        vars()[_name.upper()] = _name


for _class in (CompletionTokensDetailsWrapper, PromptTokensDetailsWrapper, Usage):
    _class.__module__ = __name__  # dspy's cache trusts pickles by the module of their class

OpenAIObject = SafeAttributeModel
"""LiteLLM's name for the base of its response classes."""

__getattr__ = getattr_of(__name__)
