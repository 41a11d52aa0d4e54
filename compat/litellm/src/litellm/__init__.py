"""The `litellm` module, thin over Puna.

Names are loaded on first use, so that `import litellm` costs next to nothing. The plain attributes
below are LiteLLM's settings: set them, and the next call reads them. No `.env` file is read, no
price list is fetched, nothing is sent home.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from litellm._logging import (
    _disable_debugging as _disable_debugging,
)
from litellm._logging import (
    _turn_on_debug as _turn_on_debug,
)
from litellm._logging import (
    verbose_logger as verbose_logger,
)
from litellm.released import find_name, install

if TYPE_CHECKING:
    from litellm.cost_calculator import completion_cost, cost_per_token
    from litellm.exceptions import (
        APIConnectionError,
        APIError,
        APIResponseValidationError,
        AuthenticationError,
        AzureOpenAIError,
        BadGatewayError,
        BadRequestError,
        BudgetExceededError,
        ContentPolicyViolationError,
        ContextWindowExceededError,
        ImageFetchError,
        InternalServerError,
        InvalidRequestError,
        JSONSchemaValidationError,
        LiteLLMUnknownProvider,
        MidStreamFallbackError,
        MockException,
        ModelNotMappedError,
        NotFoundError,
        OpenAIError,
        PaymentRequiredError,
        PermissionDeniedError,
        RateLimitError,
        RejectedRequestError,
        ServiceUnavailableError,
        Timeout,
        UnprocessableEntityError,
        UnsupportedParamsError,
        VectorStoreSearchError,
    )
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.litellm_core_utils.streaming_handler import CustomStreamWrapper
    from litellm.llms.custom_llm import CustomLLM, CustomLLMError
    from litellm.main import (
        acompletion,
        aembedding,
        amoderation,
        aresponses,
        atext_completion,
        completion,
        embedding,
        moderation,
        responses,
        stream_chunk_builder,
        text_completion,
    )
    from litellm.router import Router
    from litellm.types.router import RouterRateLimitError
    from litellm.types.usage import Usage
    from litellm.types.utils import (
        ChatCompletionDeltaToolCall,
        ChatCompletionMessageToolCall,
        Choices,
        Delta,
        Embedding,
        EmbeddingResponse,
        Function,
        LlmProviders,
        Message,
        ModelResponse,
        ModelResponseStream,
        StreamingChoices,
        TextChoices,
        TextCompletionResponse,
    )
    from litellm.utils import (
        TextCompletionStreamWrapper,
        decode,
        encode,
        get_llm_provider,
        get_max_tokens,
        get_model_info,
        get_supported_openai_params,
        get_valid_models,
        register_model,
        supports_audio_input,
        supports_audio_output,
        supports_function_calling,
        supports_parallel_function_calling,
        supports_pdf_input,
        supports_prompt_caching,
        supports_reasoning,
        supports_response_schema,
        supports_system_messages,
        supports_tool_choice,
        supports_vision,
        supports_web_search,
        token_counter,
        validate_environment,
    )

    model_cost: dict[str, dict[str, Any]]
    model_list: list[str]
    provider_list: list[LlmProviders]
    models_by_provider: dict[str, set[str]]

# --- settings that the next call reads

drop_params: bool = False
num_retries: int | None = None
request_timeout: Any = 6000.0
api_base: str | None = None
api_key: str | None = None
headers: Mapping[str, str] | None = None
ssl_verify: bool | str = True
model_alias_map: dict[str, str] = {}
model_fallbacks: list[Any] | None = None
turn_off_message_logging: bool = False
custom_provider_map: list[Any] = []
enable_json_schema_validation: bool = False
organization: str | None = None
project: str | None = None
openai_key: str | None = None
set_verbose: bool = False
use_litellm_proxy: bool = False
client_session: Any = None
aclient_session: Any = None
pre_call_rules: list[Any] = []
post_call_rules: list[Any] = []
max_budget: float = 0.0
_current_cost: float = 0.0
block_requests_for_models_without_pricing: bool = False
cost_discount_config: dict[str, float] = {}
cost_margin_config: dict[str, Any] = {}

callbacks: list[Any] = []
input_callback: list[Any] = []
success_callback: list[Any] = []
failure_callback: list[Any] = []
_async_input_callback: list[Any] = []
_async_success_callback: list[Any] = []
_async_failure_callback: list[Any] = []

# --- settings that ask for what is always so: `litellm.settings` tells of all others

disable_hf_tokenizer_download: bool = False  # tokens are always counted offline
modify_params: bool = False  # a history is always fitted to its host
suppress_debug_info: bool = False  # none is printed
telemetry: bool = False  # there is none

_UNLISTED = (
    "AzureOpenAIError",
    "CustomLLMError",
    "MidStreamFallbackError",
    "ModelNotMappedError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RejectedRequestError",
    "VectorStoreSearchError",
)
"""Exceptions that can be asked for but are not in `dir()`: aider 0.86 refuses to start when `dir()`
shows an `…Error` that its table does not hold."""

_HOMES = (
    "litellm.exceptions",
    "litellm.types.router",
    "litellm.types.utils",
    "litellm.integrations.custom_logger",
    "litellm.llms.custom_llm",
    "litellm.litellm_core_utils.streaming_handler",
    "litellm.main",
    "litellm.utils",
    "litellm.cost_calculator",
    "litellm.router",
)
"""Where the public names live; each may import those before it."""

_TABLES = ("model_cost", "model_list", "models_by_provider", "provider_list")

install()


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name in _TABLES:
        value = import_module("litellm.model_table").make_table(name)
    elif name in __all__:
        homes = (vars(import_module(home)) for home in _HOMES)
        value = next(home[name] for home in homes if name in home)
    else:
        value = find_name("litellm", name)
    # Kept, unless somebody has set it meanwhile: what a caller sets counts.
    return globals().setdefault(name, value)


def __dir__() -> list[str]:
    hidden = ("TYPE_CHECKING", "Any", "Mapping", "annotations", "find_name", "install")
    return sorted({*globals(), *__all__}.difference(_UNLISTED, hidden))


__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "AuthenticationError",
    "AzureOpenAIError",
    "BadGatewayError",
    "BadRequestError",
    "BudgetExceededError",
    "ChatCompletionDeltaToolCall",
    "ChatCompletionMessageToolCall",
    "Choices",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "CustomLLM",
    "CustomLLMError",
    "CustomLogger",
    "CustomStreamWrapper",
    "Delta",
    "Embedding",
    "EmbeddingResponse",
    "Function",
    "ImageFetchError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONSchemaValidationError",
    "LiteLLMUnknownProvider",
    "LlmProviders",
    "Message",
    "MidStreamFallbackError",
    "MockException",
    "ModelNotMappedError",
    "ModelResponse",
    "ModelResponseStream",
    "NotFoundError",
    "OpenAIError",
    "PaymentRequiredError",
    "PermissionDeniedError",
    "RateLimitError",
    "RejectedRequestError",
    "Router",
    "RouterRateLimitError",
    "ServiceUnavailableError",
    "StreamingChoices",
    "TextChoices",
    "TextCompletionResponse",
    "TextCompletionStreamWrapper",
    "Timeout",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "Usage",
    "VectorStoreSearchError",
    "acompletion",
    "aembedding",
    "amoderation",
    "aresponses",
    "atext_completion",
    "completion",
    "completion_cost",
    "cost_per_token",
    "decode",
    "embedding",
    "encode",
    "get_llm_provider",
    "get_max_tokens",
    "get_model_info",
    "get_supported_openai_params",
    "get_valid_models",
    "model_cost",
    "model_list",
    "models_by_provider",
    "moderation",
    "provider_list",
    "register_model",
    "responses",
    "stream_chunk_builder",
    "supports_audio_input",
    "supports_audio_output",
    "supports_function_calling",
    "supports_parallel_function_calling",
    "supports_pdf_input",
    "supports_prompt_caching",
    "supports_reasoning",
    "supports_response_schema",
    "supports_system_messages",
    "supports_tool_choice",
    "supports_vision",
    "supports_web_search",
    "text_completion",
    "token_counter",
    "validate_environment",
]
