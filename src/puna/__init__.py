"""Puna: one thin layer between an application and every place that serves Llama.

    from puna import completion

    answer = completion("embedded/smollm2-135m", [{"role": "user", "content": "Hello"}])
    print(answer.choices[0].message.content)

All names but the errors are loaded on first use, so that `import puna` costs next to nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from puna.errors import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AuthenticationError,
    BadGatewayError,
    BadRequestError,
    BudgetExceededError,
    ConfigError,
    ContentPolicyViolationError,
    ContextWindowExceededError,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    PunaError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    UnprocessableEntityError,
    UnsupportedParamsError,
)
from puna.version import __version__

if TYPE_CHECKING:
    from puna.api.calls import (
        acompletion,
        aembedding,
        amoderation,
        aresponses,
        atext_completion,
        completion,
        embedding,
        moderation,
        responses,
        text_completion,
    )
    from puna.api.models import (
        completion_cost,
        get_llm_provider,
        get_model_info,
        get_supported_openai_params,
        supports_function_calling,
        supports_response_schema,
        supports_vision,
        token_counter,
        validate_environment,
    )
    from puna.client import AsyncClient, Client, ClientSettings
    from puna.engine.streams import AsyncStream, Stream
    from puna.transports.faults import Faults
    from puna.types.chat import ChatCompletion, ChatCompletionChunk
    from puna.types.completions import TextCompletion
    from puna.types.embeddings import EmbeddingResponse
    from puna.types.moderations import ModerationResponse
    from puna.types.responses import Response, ResponseEvent
    from puna.wire.fold import fold

_HOMES = (
    "puna.wire.fold",
    "puna.types.chat",
    "puna.types.completions",
    "puna.types.embeddings",
    "puna.types.moderations",
    "puna.types.responses",
    "puna.engine.streams",
    "puna.transports.faults",
    "puna.client",
    "puna.api.calls",
    "puna.api.models",
)
"""Where the names that cost something to load live; each may import those before it."""

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIStatusError",
    "APITimeoutError",
    "AsyncClient",
    "AsyncStream",
    "AuthenticationError",
    "BadGatewayError",
    "BadRequestError",
    "BudgetExceededError",
    "ChatCompletion",
    "ChatCompletionChunk",
    "Client",
    "ClientSettings",
    "ConfigError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "EmbeddingResponse",
    "Faults",
    "InternalServerError",
    "MalformedReplyError",
    "ModerationResponse",
    "NotFoundError",
    "PermissionDeniedError",
    "PunaError",
    "RateLimitError",
    "Response",
    "ResponseEvent",
    "ServiceUnavailableError",
    "Stream",
    "StreamInterruptedError",
    "TextCompletion",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "__version__",
    "acompletion",
    "aembedding",
    "amoderation",
    "aresponses",
    "atext_completion",
    "completion",
    "completion_cost",
    "embedding",
    "fold",
    "get_llm_provider",
    "get_model_info",
    "get_supported_openai_params",
    "moderation",
    "responses",
    "supports_function_calling",
    "supports_response_schema",
    "supports_vision",
    "text_completion",
    "token_counter",
    "validate_environment",
]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'puna' has no attribute {name!r}")
    from importlib import import_module

    value = next(vars(home)[name] for home in map(import_module, _HOMES) if name in vars(home))
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
