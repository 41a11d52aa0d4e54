"""A host of the caller's own: subclass `CustomLLM`, list it in `litellm.custom_provider_map`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

from litellm.released import getattr_of


class CustomLLMError(Exception):
    """What a method of a `CustomLLM` raises; callers get LiteLLM's exception of its status."""

    def __init__(self, status_code: int, message: str) -> None:
        super().__init__(message)
        self.status_code = status_code
        self.message = message


class CustomLLM:
    """A host of the caller's own. Override what it can do; the rest is refused with status 500.

    `completion`, `acompletion`, `streaming` and `astreaming` are called by keyword with `model`
    (without its provider), `messages`, `api_base`, `api_key`, `headers`, `timeout`,
    `optional_params` (what goes to the host), `litellm_params` (`metadata` among them),
    `model_response` (an empty answer to fill), `logging_obj`, `acompletion` (whether the caller
    is `litellm.acompletion`), `client`, `custom_prompt_dict`, `encoding`, `logger_fn` and
    `print_verbose`. `embedding` and `aembedding` get `input` in place of `messages`.

    A whole answer is a `ModelResponse`. A stream yields `GenericStreamingChunk` dicts (`text`,
    `tool_use`, `is_finished`, `finish_reason`, `usage`, `index`), or `ModelResponseStream` objects.
    """

    def completion(self, *args: Any, **kwargs: Any) -> Any:
        """Answer `litellm.completion` with a `ModelResponse`."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")

    async def acompletion(self, *args: Any, **kwargs: Any) -> Any:
        """Answer `litellm.acompletion` with a `ModelResponse`."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")

    def streaming(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Answer `litellm.completion(stream=True)` with chunks."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")

    def astreaming(self, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Answer `litellm.acompletion(stream=True)` with chunks; usually an async generator."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")

    def embedding(self, *args: Any, **kwargs: Any) -> Any:
        """Answer `litellm.embedding` with an `EmbeddingResponse`."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")

    async def aembedding(self, *args: Any, **kwargs: Any) -> Any:
        """Answer `litellm.aembedding` with an `EmbeddingResponse`."""
        del args, kwargs
        raise CustomLLMError(500, "Not implemented yet!")


__getattr__ = getattr_of(__name__)
