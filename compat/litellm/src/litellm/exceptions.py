"""LiteLLM's exceptions: its names, attributes, constructor orders and message prefixes.

How they are made, and how they become the `openai` package's too: `litellm.call_failures`.

Unlike LiteLLM's, these can be pickled and copied, carry no made-up request of another vendor, and
`PermissionDeniedError` and `UnprocessableEntityError` need no `response`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from litellm.call_failures import CallFailure, adopt_openai_bases
from litellm.released import getattr_of

_PROVIDER_FIRST = ("message", "llm_provider", "model")
_MODEL_FIRST = ("message", "model", "llm_provider")
_RETRIES = ("litellm_debug_info", "max_retries", "num_retries")
_BY_PROVIDER: tuple[str, ...] = (*_PROVIDER_FIRST, "response", *_RETRIES, "body")
_BY_MODEL: tuple[str, ...] = (*_MODEL_FIRST, "response", *_RETRIES, "body")


class AuthenticationError(CallFailure, openai_name="AuthenticationError"):
    """No key, or one that the host refused (401)."""

    order = _BY_PROVIDER
    prefix = "litellm.AuthenticationError: "
    status_code = 401


class PermissionDeniedError(CallFailure, openai_name="PermissionDeniedError"):
    """The key may not do this (403)."""

    order = _BY_PROVIDER
    prefix = "litellm.PermissionDeniedError: "
    status_code = 403


class NotFoundError(CallFailure, openai_name="NotFoundError"):
    """No such model or path (404)."""

    order = _BY_MODEL
    prefix = "litellm.NotFoundError: "
    status_code = 404


class UnprocessableEntityError(CallFailure, openai_name="UnprocessableEntityError"):
    """Well-formed, and still refused (422)."""

    order = _BY_MODEL
    prefix = "litellm.UnprocessableEntityError: "
    status_code = 422


class BadRequestError(CallFailure, openai_name="BadRequestError"):
    """The request is wrong (400)."""

    order = _BY_MODEL
    prefix = "litellm.BadRequestError: "
    status_code = 400


class ImageFetchError(BadRequestError):
    """An image's address could not be read."""

    needed = 1


class LiteLLMUnknownProvider(BadRequestError):  # noqa: N818 - LiteLLM's name
    """The provider has no way to serve this kind of call."""

    order = ("model", "custom_llm_provider")
    needed = 1
    template = "The provider `{custom_llm_provider}` of `{model}` does not serve this kind of call."


class UnsupportedParamsError(BadRequestError):
    """A parameter that this model or host cannot honour."""

    order = (*_PROVIDER_FIRST, "status_code", "response", *_RETRIES)
    needed = 1
    prefix = "litellm.UnsupportedParamsError: "


class ContextWindowExceededError(BadRequestError):
    """The prompt does not fit the model's context."""

    prefix = "litellm.ContextWindowExceededError: litellm.BadRequestError: "


class ContentPolicyViolationError(BadRequestError):
    """The host refused the content."""

    order = (*_MODEL_FIRST, "response", "litellm_debug_info", "provider_specific_fields", "body")
    prefix = "litellm.BadRequestError: litellm.ContentPolicyViolationError: "
    provider_specific_fields: dict[str, Any] | None = None


class PaymentRequiredError(BadRequestError):
    """The account has no credit (402)."""

    prefix = "litellm.PaymentRequiredError: "
    status_code = 402


class RejectedRequestError(BadRequestError):
    """A rule of the caller's own refused the request."""

    order = (*_MODEL_FIRST, "request_data", "litellm_debug_info")
    needed = 4
    prefix = "litellm.BadRequestError: litellm.RejectedRequestError: "
    request_data: dict[str, Any] | None = None


class VectorStoreSearchError(BadRequestError):
    """A search in a vector store failed. Here for its name: nothing raises it."""

    order = ("failures", "model", "llm_provider")
    needed = 1
    template = "A search in a vector store failed."
    failures: Any = None


class RateLimitError(CallFailure, openai_name="RateLimitError"):
    """Too many requests or tokens (429)."""

    order = (
        *_PROVIDER_FIRST,
        "response",
        *_RETRIES,
        "category",
        "rate_limit_type",
        "headers",
        "detail",
        "body",
    )
    prefix = "litellm.RateLimitError: "
    status_code = 429
    type = "throttling_error"
    code = "429"
    category: str = "vendor_rate_limit"
    rate_limit_type: str | None = None
    headers: Mapping[str, str] | None = None
    detail: Any = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.detail is None:
            self.detail = self.message


class InternalServerError(CallFailure, openai_name="InternalServerError"):
    """The host failed (500)."""

    order = _BY_PROVIDER
    prefix = "litellm.InternalServerError: "
    type = "internal_server_error"


class BadGatewayError(CallFailure, openai_name="APIStatusError"):
    """Something before the model failed (502)."""

    order = _BY_PROVIDER
    prefix = "litellm.BadGatewayError: "
    status_code = 502


class ServiceUnavailableError(CallFailure, openai_name="APIStatusError"):
    """The host is overloaded or down (503)."""

    order = _BY_PROVIDER
    prefix = "litellm.ServiceUnavailableError: "
    status_code = 503


class Timeout(CallFailure, openai_name="APITimeoutError"):
    """No answer in time (408, or the status that the host gave)."""

    order = (*_MODEL_FIRST, *_RETRIES, "headers", "exception_status_code", "response")
    prefix = "litellm.Timeout: "
    status_code = 408
    headers: Mapping[str, str] | None = None


class APIError(CallFailure, openai_name="APIError"):
    """The host answered with a status that has no class of its own."""

    order = ("status_code", *_PROVIDER_FIRST, "request", *_RETRIES, "body")
    needed = 4
    prefix = "litellm.APIError: "


class MockException(CallFailure, openai_name="APIError"):
    """What an unknown exception in `mock_response` becomes in LiteLLM."""

    order = ("status_code", *_PROVIDER_FIRST, "request", *_RETRIES)
    needed = 4
    prefix = "litellm.MockException: "


class APIConnectionError(CallFailure, openai_name="APIConnectionError"):
    """The host could not be reached, or the connection broke."""

    order: ClassVar[tuple[str, ...]] = (*_PROVIDER_FIRST, "request", *_RETRIES)
    prefix = "litellm.APIConnectionError: "


class MidStreamFallbackError(ServiceUnavailableError, APIConnectionError):
    """A stream broke after it began; `generated_content` is the text that came before.

    In LiteLLM it is a `ServiceUnavailableError`; here it is also what it means, an
    `APIConnectionError`.
    """

    order = (
        *_MODEL_FIRST,
        "original_exception",
        "response",
        *_RETRIES,
        "generated_content",
        "is_pre_first_chunk",
    )
    prefix = "litellm.MidStreamFallbackError: "
    original_exception: BaseException | None = None
    generated_content: str = ""
    is_pre_first_chunk: bool = False


class APIResponseValidationError(CallFailure, openai_name="APIResponseValidationError"):
    """The host's answer does not hold what it should."""

    order: ClassVar[tuple[str, ...]] = (*_PROVIDER_FIRST, *_RETRIES)


class JSONSchemaValidationError(APIResponseValidationError):
    """The answer does not keep to the JSON schema that was asked for."""

    order = ("model", "llm_provider", "raw_response", "schema")
    needed = 4
    prefix = "litellm.JSONSchemaValidationError: "
    template = (
        "`{model}` answered with `{raw_response}`, which does not keep to the schema "
        "`{schema}`; `raw_response` holds the answer."
    )
    raw_response: str = ""
    schema: str = ""


class InvalidRequestError(CallFailure, openai_name="BadRequestError"):
    """LiteLLM's oldest name for a bad request."""

    order = _MODEL_FIRST
    status_code = 400


class OpenAIError(CallFailure, openai_name="OpenAIError"):
    """The base of the `openai` package's errors, under LiteLLM's name."""

    order = ("original_exception",)
    needed = 0
    llm_provider = "openai"
    original_exception: BaseException | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.original_exception is not None:
            self.message = str(self.original_exception)
            self.args = (self.message,)


class BudgetExceededError(Exception):
    """A budget is spent."""

    def __init__(
        self,
        current_cost: float,
        max_budget: float,
        message: str | None = None,
        llm_provider: str | None = None,
        entity_type: str | None = None,
        entity_id: str | None = None,
    ) -> None:
        self.message = message or (
            f"Budget has been exceeded! Current cost: {current_cost}, Max budget: {max_budget}"
        )
        super().__init__(self.message)
        self.current_cost = current_cost
        self.max_budget = max_budget
        self.llm_provider = llm_provider or ""
        self.entity_type = entity_type
        self.entity_id = entity_id
        self.status_code = 422

    def __reduce__(self) -> tuple[Any, ...]:
        facts = (self.current_cost, self.max_budget, self.message, self.llm_provider)
        return (type(self), (*facts, self.entity_type, self.entity_id), self.__dict__)


class ModelNotMappedError(Exception):
    """The model table does not know this model."""


class AzureOpenAIError(Exception):
    """Here for its name: nothing raises it."""


LITELLM_EXCEPTION_TYPES: list[type[Exception]] = [
    AuthenticationError,
    NotFoundError,
    BadRequestError,
    UnprocessableEntityError,
    UnsupportedParamsError,
    Timeout,
    PermissionDeniedError,
    RateLimitError,
    ContextWindowExceededError,
    PaymentRequiredError,
    RejectedRequestError,
    ContentPolicyViolationError,
    InternalServerError,
    ServiceUnavailableError,
    BadGatewayError,
    APIError,
    APIConnectionError,
    APIResponseValidationError,
    OpenAIError,
    InvalidRequestError,
    JSONSchemaValidationError,
    MidStreamFallbackError,
    BudgetExceededError,
]

adopt_openai_bases()

__getattr__ = getattr_of(__name__)
