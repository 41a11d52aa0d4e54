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
from typing import Any, ClassVar, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, field_validator, model_validator
from typing_extensions import override

from litellm.released import getattr_of
from puna.providers.table import PROVIDERS


def _is_none(value: Any) -> bool:
    return value is None


def make_id() -> str:
    """A new id for an answer that did not come from a host."""
    return f"chatcmpl-{uuid.uuid4()}"


def _now() -> int:
    return int(time.time())


class SafeAttributeModel(BaseModel):
    """What all response classes share."""

    model_config = ConfigDict(extra="allow", protected_namespaces=(), populate_by_name=True)

    missing_when_none: ClassVar[tuple[str, ...]] = ()
    """Fields that are no attributes at all while their value is None."""

    @override
    def model_post_init(self, context: Any, /) -> None:
        """Take away the fields that nobody gave."""
        values = self.__dict__
        for name in self.missing_when_none:
            if name in values and values[name] is None:
                del values[name]  # pyright: ignore[reportIndexIssue]  # an instance's is a dict
                self.__pydantic_fields_set__.discard(name)

    @classmethod
    def trusted(
        cls,
        values: dict[str, Any],
        extra: dict[str, Any] | None = None,
        private: dict[str, Any] | None = None,
    ) -> Self:
        """An object of values that are right already: nothing is checked, nothing filled in.

        For chunks, of which there are many: a third of the time that checking takes.
        """
        made = cls.__new__(cls)
        put = object.__setattr__
        put(made, "__dict__", values)
        put(made, "__pydantic_fields_set__", set(values))
        put(made, "__pydantic_extra__", extra if extra is not None else {})
        put(made, "__pydantic_private__", private)
        return made

    @override
    def __str__(self) -> str:
        return repr(self)  # what `print(chunk)` shows

    def __getitem__(self, key: str) -> Any:
        return getattr(self, key)

    def __setitem__(self, key: str, value: Any) -> None:
        setattr(self, key, value)

    def __contains__(self, key: object) -> bool:
        return isinstance(key, str) and hasattr(self, key)

    def get(self, key: str, default: Any = None) -> Any:
        """The field's value, or `default` for a missing attribute."""
        return getattr(self, key, default)

    @override
    def json(self, **kwargs: Any) -> dict[str, Any]:  # type: ignore[override]  # pyright: ignore[reportIncompatibleMethodOverride]
        """The fields as a dict, not as text: LiteLLM's habit."""
        return self.model_dump(**kwargs)

    @override
    def dict(self, **kwargs: Any) -> Any:
        """The fields as a dict; the same as `model_dump()`."""
        return self.model_dump(**kwargs)

    def to_dict(self, **kwargs: Any) -> Any:
        """The fields as a dict of plain values."""
        return self.model_dump(mode="json", **kwargs)

    def to_json(self, **kwargs: Any) -> str:
        """The fields as JSON text."""
        return self.model_dump_json(**kwargs)


class Function(SafeAttributeModel):
    """The function of a tool call. `arguments` is JSON text as the model wrote it."""

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

    function: Function
    id: str = Field(default_factory=lambda: str(uuid.uuid4()))
    type: str = "function"


class ChatCompletionDeltaToolCall(SafeAttributeModel):
    """A piece of a tool call; pieces with one `index` belong together."""

    id: str | None = None
    function: Function
    type: str | None = None
    index: int


class Message(SafeAttributeModel):
    """What the model said. `content` is None when it only calls tools."""

    missing_when_none = (
        "reasoning_content",
        "thinking_blocks",
        "reasoning_items",
        "annotations",
        "audio",
        "images",
    )

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

    missing_when_none = (
        "reasoning_content",
        "thinking_blocks",
        "reasoning_items",
        "annotations",
        "images",
    )

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

    missing_when_none = ("logprobs", "provider_specific_fields")

    finish_reason: str | None = "stop"
    index: int = 0
    message: Message = Field(default_factory=Message)
    logprobs: Any = None
    provider_specific_fields: dict[str, Any] | None = None


class StreamingChoices(SafeAttributeModel):
    """A choice's share of a chunk."""

    finish_reason: str | None = None
    index: int = 0
    delta: Delta = Field(default_factory=Delta)
    logprobs: Any = None


class CompletionTokensDetailsWrapper(SafeAttributeModel):
    """What completion tokens were spent on."""

    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = Field(default=None, exclude_if=_is_none)
    image_tokens: int | None = Field(default=None, exclude_if=_is_none)
    video_tokens: int | None = Field(default=None, exclude_if=_is_none)


class PromptTokensDetailsWrapper(SafeAttributeModel):
    """Where prompt tokens came from."""

    audio_tokens: int | None = None
    cached_tokens: int | None = None
    text_tokens: int | None = Field(default=None, exclude_if=_is_none)
    image_tokens: int | None = Field(default=None, exclude_if=_is_none)
    video_tokens: int | None = Field(default=None, exclude_if=_is_none)


class Usage(SafeAttributeModel):
    """Tokens of one call. A field `estimated` says that the host did not count and Puna did."""

    missing_when_none = (
        "cache_creation_input_tokens",
        "cache_read_input_tokens",
        "server_tool_use",
        "cost",
    )

    completion_tokens: int = 0
    prompt_tokens: int = 0
    total_tokens: int = 0
    completion_tokens_details: CompletionTokensDetailsWrapper | None = None
    prompt_tokens_details: PromptTokensDetailsWrapper | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    server_tool_use: Any = None
    cost: float | None = None

    @model_validator(mode="before")
    @classmethod
    def _read_reasoning_tokens(cls, data: Any) -> Any:
        """LiteLLM's shortcut `reasoning_tokens=` belongs to the details."""
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, Any]", data)
        if "reasoning_tokens" in given:
            given = dict(given)
            tokens = given.pop("reasoning_tokens")
            if tokens is not None and given.get("completion_tokens_details") is None:
                given["completion_tokens_details"] = {"reasoning_tokens": tokens}
        for name in ("prompt_tokens", "completion_tokens", "total_tokens"):
            if name in given and given[name] is None:
                given = {key: value for key, value in given.items() if key != name}
        return given


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

    missing_when_none = ("usage",)

    object: str = "chat.completion.chunk"
    choices: list[StreamingChoices] = Field(default_factory=lambda: [StreamingChoices()])
    provider_specific_fields: dict[str, Any] | None = None
    usage: Usage | None = None


class TextChoices(SafeAttributeModel):
    """One continuation, or a piece of one in a stream."""

    finish_reason: str | None = None
    index: int = 0
    text: str | None = None
    logprobs: Any = None


class TextCompletionResponse(SafeAttributeModel):
    """A whole text completion, or one chunk of a streamed one: they have the same shape."""

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


OpenAIObject = SafeAttributeModel
"""LiteLLM's name for the base of its response classes."""

__getattr__ = getattr_of(__name__)
