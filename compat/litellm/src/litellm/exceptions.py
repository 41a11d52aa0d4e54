"""LiteLLM's exceptions: its names, attributes, constructor orders and message prefixes.

LiteLLM's classes derive from the `openai` package's. That package is not needed here; when it is
loaded (before or after this module), each class gets the `openai` class of the same meaning as a
second base, so that `except openai.RateLimitError` catches `litellm.RateLimitError`. This happens
when the next exception is made (`adopt_openai_bases`).

Unlike LiteLLM's, these can be pickled and copied, carry no made-up request of another vendor, and
`PermissionDeniedError` and `UnprocessableEntityError` need no `response`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from inspect import Parameter, Signature
from typing import Any, ClassVar, cast

from litellm.released import getattr_of


class ErrorResponse:
    """The reply behind an error, as far as people read it: an HTTP client's object is not kept.

    `headers` have lower-case names; `text` is the body, capped, and empty when there was no reply.
    """

    def __init__(
        self, status_code: int, headers: Mapping[str, str] | None = None, text: str = ""
    ) -> None:
        self.status_code = status_code
        self.headers = dict(headers or {})
        self.text = text

    @property
    def content(self) -> bytes:
        """The body as bytes."""
        return self.text.encode()

    def json(self) -> Any:
        """The body as JSON. Raises ValueError when it is none."""
        return json.loads(self.text)

    def __repr__(self) -> str:
        return f"<ErrorResponse [{self.status_code}]>"


class _CallFailure(Exception):  # noqa: N818 - the public names below are LiteLLM's
    """What all of LiteLLM's exceptions of a call share.

    A class says in `order` which arguments it takes; the first `needed` of them must be given. One
    that is left out, or None, is the class's attribute of that name. An argument becomes an
    attribute; without an argument `message`, `template` is filled with the others.
    """

    order: ClassVar[tuple[str, ...]] = ()
    needed: ClassVar[int] = 3
    prefix: ClassVar[str] = ""
    template: ClassVar[str] = ""
    __signature__: ClassVar[Signature] = Signature()

    message: str
    status_code: int = 500
    model: str | None = None
    llm_provider: str | None = None
    litellm_debug_info: str | None = None
    max_retries: int | None = None
    num_retries: int | None = None
    response: Any = None
    request: Any = None
    request_id: str | None = None
    body: object = None
    type: str | None = None
    code: str | None = None
    param: str | None = None
    litellm_response_headers: dict[str, str] | None = None

    def __init_subclass__(cls) -> None:
        cls.__signature__ = Signature(
            [
                Parameter(
                    name,
                    Parameter.POSITIONAL_OR_KEYWORD,
                    default=Parameter.empty if place < cls.needed else getattr(cls, name, None),
                )
                for place, name in enumerate(cls.order)
            ]
        )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        adopt_openai_bases()
        bound = self.__signature__.bind(*args, **kwargs)
        bound.apply_defaults()
        given = bound.arguments
        for name, value in given.items():
            if value is not None:
                setattr(self, _ATTRIBUTES.get(name, name), value)
        message = given.get("message", self.template.format_map(given))
        self.message = f"{self.prefix}{message}"
        self.args = (self.message,)
        if self.response is None:
            self.response = ErrorResponse(self.status_code)

    def __str__(self) -> str:
        text = self.message
        if self.num_retries:
            text += f" LiteLLM Retried: {self.num_retries} times"
            if self.max_retries:
                text += f", LiteLLM Max Retries: {self.max_retries}"
        return text

    def __repr__(self) -> str:
        return str(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (_restore, (type(self), self.args, self.__dict__))


def _restore(cls: type[_CallFailure], args: tuple[Any, ...], state: dict[str, Any]) -> _CallFailure:
    """Rebuild a pickled or copied exception without asking its constructor."""
    adopt_openai_bases()
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


_ATTRIBUTES = {"custom_llm_provider": "llm_provider", "exception_status_code": "status_code"}
"""Arguments whose attribute has another name."""

_PROVIDER_FIRST = ("message", "llm_provider", "model")
_MODEL_FIRST = ("message", "model", "llm_provider")
_RETRIES = ("litellm_debug_info", "max_retries", "num_retries")
_BY_PROVIDER: tuple[str, ...] = (*_PROVIDER_FIRST, "response", *_RETRIES, "body")
_BY_MODEL: tuple[str, ...] = (*_MODEL_FIRST, "response", *_RETRIES, "body")


class AuthenticationError(_CallFailure):
    """No key, or one that the host refused (401)."""

    order = _BY_PROVIDER
    prefix = "litellm.AuthenticationError: "
    status_code = 401


class PermissionDeniedError(_CallFailure):
    """The key may not do this (403)."""

    order = _BY_PROVIDER
    prefix = "litellm.PermissionDeniedError: "
    status_code = 403


class NotFoundError(_CallFailure):
    """No such model or path (404)."""

    order = _BY_MODEL
    prefix = "litellm.NotFoundError: "
    status_code = 404


class UnprocessableEntityError(_CallFailure):
    """Well-formed, and still refused (422)."""

    order = _BY_MODEL
    prefix = "litellm.UnprocessableEntityError: "
    status_code = 422


class BadRequestError(_CallFailure):
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


class RateLimitError(_CallFailure):
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


class InternalServerError(_CallFailure):
    """The host failed (500)."""

    order = _BY_PROVIDER
    prefix = "litellm.InternalServerError: "
    type = "internal_server_error"


class BadGatewayError(_CallFailure):
    """Something before the model failed (502)."""

    order = _BY_PROVIDER
    prefix = "litellm.BadGatewayError: "
    status_code = 502


class ServiceUnavailableError(_CallFailure):
    """The host is overloaded or down (503)."""

    order = _BY_PROVIDER
    prefix = "litellm.ServiceUnavailableError: "
    status_code = 503


class Timeout(_CallFailure):
    """No answer in time (408, or the status that the host gave)."""

    order = (*_MODEL_FIRST, *_RETRIES, "headers", "exception_status_code", "response")
    prefix = "litellm.Timeout: "
    status_code = 408
    headers: Mapping[str, str] | None = None


class APIError(_CallFailure):
    """The host answered with a status that has no class of its own."""

    order = ("status_code", *_PROVIDER_FIRST, "request", *_RETRIES, "body")
    needed = 4
    prefix = "litellm.APIError: "


class MockException(_CallFailure):
    """What an unknown exception in `mock_response` becomes in LiteLLM."""

    order = ("status_code", *_PROVIDER_FIRST, "request", *_RETRIES)
    needed = 4
    prefix = "litellm.MockException: "


class APIConnectionError(_CallFailure):
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


class APIResponseValidationError(_CallFailure):
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


class InvalidRequestError(_CallFailure):
    """LiteLLM's oldest name for a bad request."""

    order = _MODEL_FIRST
    status_code = 400


class OpenAIError(_CallFailure):
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

_OPENAI_NAMES: Mapping[type[_CallFailure], str] = {
    AuthenticationError: "AuthenticationError",
    PermissionDeniedError: "PermissionDeniedError",
    NotFoundError: "NotFoundError",
    UnprocessableEntityError: "UnprocessableEntityError",
    BadRequestError: "BadRequestError",
    RateLimitError: "RateLimitError",
    InternalServerError: "InternalServerError",
    BadGatewayError: "APIStatusError",
    ServiceUnavailableError: "APIStatusError",
    Timeout: "APITimeoutError",
    APIConnectionError: "APIConnectionError",
    APIResponseValidationError: "APIResponseValidationError",
    InvalidRequestError: "BadRequestError",
    OpenAIError: "OpenAIError",
    MockException: "APIError",
    APIError: "APIError",  # the last: it tells that the others are done
}


def adopt_openai_bases() -> None:
    """Give every class its `openai` base, once that package is loaded. Costs nothing before.

    Classes are changed in place, so that `litellm.RateLimitError` stays the one class that
    callers compare with and pickles name, and exceptions made earlier are caught too.
    """
    module = sys.modules.get("openai")
    if module is None or len(APIError.__bases__) > 1:
        return
    found = {cls: getattr(module, name, None) for cls, name in _OPENAI_NAMES.items()}
    if not all(isinstance(base, type) and issubclass(base, Exception) for base in found.values()):
        return  # half imported, or a stand-in of somebody's tests
    for cls, base in found.items():
        own = cls.__bases__[0]
        cls.__bases__ = (own, cast("type[Exception]", base))


adopt_openai_bases()

__getattr__ = getattr_of(__name__)
