"""LiteLLM's classes for the tokens of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from pydantic import PrivateAttr, model_validator
from typing_extensions import override

from litellm.types.response_base import SafeAttributeModel


class CompletionTokensDetailsWrapper(SafeAttributeModel):
    """What completion tokens were spent on."""

    accepted_prediction_tokens: int | None = None
    audio_tokens: int | None = None
    reasoning_tokens: int | None = None
    rejected_prediction_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None


class PromptTokensDetailsWrapper(SafeAttributeModel):
    """Where prompt tokens came from. `cache_write_tokens` is also `cache_creation_tokens`."""

    missing_when_none = ("cache_write_tokens", "cache_creation_tokens")

    cache_write_tokens: int | None = None
    cache_creation_tokens: int | None = None
    audio_tokens: int | None = None
    cached_tokens: int | None = None
    text_tokens: int | None = None
    image_tokens: int | None = None
    video_tokens: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _share_cache_writes(cls, data: Any) -> Any:
        """The two names for tokens written to a cache have one value."""
        if not isinstance(data, dict):
            return data
        given = cast("dict[str, Any]", data)
        written = given.get("cache_creation_tokens")
        written = given.get("cache_write_tokens") if written is None else written
        if written is None:
            return given
        return {**given, "cache_creation_tokens": written, "cache_write_tokens": written}


class Usage(SafeAttributeModel):
    """Tokens of one call. A field `estimated` says that the host did not count and Puna did."""

    positions = (
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "reasoning_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
        "server_tool_use",
        "cost",
    )

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

    _cache_read_input_tokens: int = PrivateAttr(default=0)
    _cache_creation_input_tokens: int = PrivateAttr(default=0)

    @model_validator(mode="before")
    @classmethod
    def _read_shortcuts(cls, data: Any) -> Any:
        """LiteLLM's shortcuts `reasoning_tokens=` and `cache_…=` also belong to the details."""
        if not isinstance(data, dict):
            return data
        counts = ("prompt_tokens", "completion_tokens", "total_tokens")
        given = {
            name: value
            for name, value in cast("dict[str, Any]", data).items()
            if value is not None or name not in counts
        }
        thought = given.pop("reasoning_tokens", None)
        if thought is not None and given.get("completion_tokens_details") is None:
            said = max(given.get("completion_tokens", 0) - thought, 0)
            given["completion_tokens_details"] = {"reasoning_tokens": thought, "text_tokens": said}
        read = given.get("cache_read_input_tokens")
        read = given.get("prompt_cache_hit_tokens") if read is None else read
        written = given.get("cache_creation_input_tokens")
        if read is not None or written is not None:
            given["prompt_tokens_details"] = _with_cache(
                given.get("prompt_tokens_details"), read, written
            )
        return given

    @override
    def model_post_init(self, context: Any, /) -> None:
        super().model_post_init(context)
        extra = self.model_extra or {}
        read = self.get("cache_read_input_tokens")
        read = extra.get("prompt_cache_hit_tokens") if read is None else read
        self._cache_read_input_tokens = read or 0
        self._cache_creation_input_tokens = self.get("cache_creation_input_tokens") or 0


def _with_cache(details: Any, read: Any, written: Any) -> dict[str, Any]:
    """The details of prompt tokens, with those read from a cache and written to it."""
    known: Mapping[str, Any] = (
        details if isinstance(details, Mapping) else details.model_dump() if details else {}
    )
    counts = {
        "cached_tokens": read,
        "cache_creation_tokens": written,
        "cache_write_tokens": written,
    }
    return {**known, **{name: count for name, count in counts.items() if count is not None}}
