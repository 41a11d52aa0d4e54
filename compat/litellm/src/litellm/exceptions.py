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
from typing import Any, cast


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
    """What all of LiteLLM's exceptions of a call share."""

    prefix = ""
    status_code: int = 500
    type: str | None = None
    code: str | None = None

    def _fill(  # noqa: PLR0913 - an exception's facts, all but one by keyword
        self,
        message: str,
        *,
        model: str | None,
        llm_provider: str | None,
        status_code: int | None = None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        body: object = None,
        request: Any = None,
    ) -> None:
        adopt_openai_bases()
        if status_code is not None:
            self.status_code = status_code
        self.message = f"{self.prefix}{message}"
        self.args = (self.message,)
        self.model = model
        self.llm_provider = llm_provider
        self.litellm_debug_info = litellm_debug_info
        self.max_retries = max_retries
        self.num_retries = num_retries
        self.response = response if response is not None else ErrorResponse(self.status_code)
        self.request = request
        self.request_id: str | None = None
        self.body = body
        self.code = type(self).code
        self.type = type(self).type
        self.param: str | None = None
        self.litellm_response_headers: dict[str, str] | None = None

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


class _ProviderFirst(_CallFailure):
    """Constructor order `message, llm_provider, model`."""

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        llm_provider: str | None,
        model: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        body: object = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            response=response,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
            body=body,
        )


class _ModelFirst(_CallFailure):
    """Constructor order `message, model, llm_provider`."""

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        body: object = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            response=response,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
            body=body,
        )


class AuthenticationError(_ProviderFirst):
    """No key, or one that the host refused (401)."""

    prefix = "litellm.AuthenticationError: "
    status_code = 401


class PermissionDeniedError(_ProviderFirst):
    """The key may not do this (403)."""

    prefix = "litellm.PermissionDeniedError: "
    status_code = 403


class NotFoundError(_ModelFirst):
    """No such model or path (404)."""

    prefix = "litellm.NotFoundError: "
    status_code = 404


class UnprocessableEntityError(_ModelFirst):
    """Well-formed, and still refused (422)."""

    prefix = "litellm.UnprocessableEntityError: "
    status_code = 422


class BadRequestError(_ModelFirst):
    """The request is wrong (400)."""

    prefix = "litellm.BadRequestError: "
    status_code = 400


class ImageFetchError(BadRequestError):
    """An image's address could not be read."""

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        model: str | None = None,
        llm_provider: str | None = None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        body: object = None,
    ) -> None:
        super().__init__(
            message,
            model,
            llm_provider,
            response,
            litellm_debug_info,
            max_retries,
            num_retries,
            body,
        )


class LiteLLMUnknownProvider(BadRequestError):  # noqa: N818 - LiteLLM's name
    """The provider has no way to serve this kind of call."""

    def __init__(self, model: str, custom_llm_provider: str | None = None) -> None:
        super().__init__(
            f"The provider `{custom_llm_provider}` of `{model}` does not serve this kind of call.",
            model,
            custom_llm_provider,
        )


class UnsupportedParamsError(BadRequestError):
    """A parameter that this model or host cannot honour."""

    prefix = "litellm.UnsupportedParamsError: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        llm_provider: str | None = None,
        model: str | None = None,
        status_code: int = 400,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            status_code=status_code,
            response=response,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )


class ContextWindowExceededError(BadRequestError):
    """The prompt does not fit the model's context."""

    prefix = "litellm.ContextWindowExceededError: litellm.BadRequestError: "

    def __init__(
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
    ) -> None:
        super().__init__(message, model, llm_provider, response, litellm_debug_info)


class ContentPolicyViolationError(BadRequestError):
    """The host refused the content."""

    prefix = "litellm.BadRequestError: litellm.ContentPolicyViolationError: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        provider_specific_fields: dict[str, Any] | None = None,
        body: object = None,
    ) -> None:
        super().__init__(message, model, llm_provider, response, litellm_debug_info, body=body)
        self.provider_specific_fields = provider_specific_fields


class PaymentRequiredError(BadRequestError):
    """The account has no credit (402)."""

    prefix = "litellm.PaymentRequiredError: "
    status_code = 402

    def __init__(
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
    ) -> None:
        super().__init__(message, model, llm_provider, response, litellm_debug_info)


class RejectedRequestError(BadRequestError):
    """A rule of the caller's own refused the request."""

    prefix = "litellm.BadRequestError: litellm.RejectedRequestError: "

    def __init__(
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        request_data: dict[str, Any],
        litellm_debug_info: str | None = None,
    ) -> None:
        super().__init__(message, model, llm_provider, None, litellm_debug_info)
        self.request_data = request_data


class VectorStoreSearchError(BadRequestError):
    """A search in a vector store failed. Here for its name: nothing raises it."""

    def __init__(
        self, failures: Any, model: str | None = None, llm_provider: str | None = None
    ) -> None:
        super().__init__("A search in a vector store failed.", model, llm_provider)
        self.failures = failures


class RateLimitError(_ProviderFirst):
    """Too many requests or tokens (429)."""

    prefix = "litellm.RateLimitError: "
    status_code = 429
    type = "throttling_error"
    code = "429"

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        llm_provider: str | None,
        model: str | None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        category: str = "vendor_rate_limit",
        rate_limit_type: str | None = None,
        headers: Mapping[str, str] | None = None,
        detail: Any = None,
        body: object = None,
    ) -> None:
        super().__init__(
            message,
            llm_provider,
            model,
            response,
            litellm_debug_info,
            max_retries,
            num_retries,
            body,
        )
        self.category = category
        self.rate_limit_type = rate_limit_type
        self.headers = dict(headers) if headers is not None else None
        self.detail = detail if detail is not None else self.message


class InternalServerError(_ProviderFirst):
    """The host failed (500)."""

    prefix = "litellm.InternalServerError: "
    status_code = 500
    type = "internal_server_error"


class BadGatewayError(_ProviderFirst):
    """Something before the model failed (502)."""

    prefix = "litellm.BadGatewayError: "
    status_code = 502


class ServiceUnavailableError(_ProviderFirst):
    """The host is overloaded or down (503)."""

    prefix = "litellm.ServiceUnavailableError: "
    status_code = 503


class Timeout(_CallFailure):
    """No answer in time (408, or the status that the host gave)."""

    prefix = "litellm.Timeout: "
    status_code = 408

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        headers: Mapping[str, str] | None = None,
        exception_status_code: int | None = None,
        response: Any = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            status_code=exception_status_code,
            response=response,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )
        self.headers = dict(headers) if headers is not None else None


class APIError(_CallFailure):
    """The host answered with a status that has no class of its own."""

    prefix = "litellm.APIError: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        status_code: int,
        message: str,
        llm_provider: str | None,
        model: str | None,
        request: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        body: object = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            status_code=status_code,
            request=request,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
            body=body,
        )


class MockException(_CallFailure):
    """What an unknown exception in `mock_response` becomes in LiteLLM."""

    prefix = "litellm.MockException: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        status_code: int,
        message: str,
        llm_provider: str | None,
        model: str | None,
        request: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            status_code=status_code,
            request=request,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )


class APIConnectionError(_CallFailure):
    """The host could not be reached, or the connection broke."""

    prefix = "litellm.APIConnectionError: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        llm_provider: str | None,
        model: str | None,
        request: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            request=request,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )


class MidStreamFallbackError(ServiceUnavailableError, APIConnectionError):
    """A stream broke after it began; `generated_content` is the text that came before.

    In LiteLLM it is a `ServiceUnavailableError`; here it is also what it means, an
    `APIConnectionError`.
    """

    prefix = "litellm.MidStreamFallbackError: "

    def __init__(  # noqa: PLR0913, PLR0917 - LiteLLM's signature
        self,
        message: str,
        model: str | None,
        llm_provider: str | None,
        original_exception: BaseException | None = None,
        response: Any = None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
        generated_content: str = "",
        *,
        is_pre_first_chunk: bool = False,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            response=response,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )
        self.original_exception = original_exception
        self.generated_content = generated_content
        self.is_pre_first_chunk = is_pre_first_chunk


class APIResponseValidationError(_CallFailure):
    """The host's answer does not hold what it should."""

    def __init__(
        self,
        message: str,
        llm_provider: str | None,
        model: str | None,
        litellm_debug_info: str | None = None,
        max_retries: int | None = None,
        num_retries: int | None = None,
    ) -> None:
        self._fill(
            message,
            model=model,
            llm_provider=llm_provider,
            litellm_debug_info=litellm_debug_info,
            max_retries=max_retries,
            num_retries=num_retries,
        )


class JSONSchemaValidationError(APIResponseValidationError):
    """The answer does not keep to the JSON schema that was asked for."""

    prefix = "litellm.JSONSchemaValidationError: "

    def __init__(self, model: str, llm_provider: str, raw_response: str, schema: str) -> None:
        super().__init__(
            f"`{model}` answered with `{raw_response}`, which does not keep to the schema "
            f"`{schema}`; `raw_response` holds the answer.",
            llm_provider,
            model,
        )
        self.raw_response = raw_response
        self.schema = schema


class InvalidRequestError(_CallFailure):
    """LiteLLM's oldest name for a bad request."""

    status_code = 400

    def __init__(self, message: str, model: str | None, llm_provider: str | None) -> None:
        self._fill(message, model=model, llm_provider=llm_provider)


class OpenAIError(_CallFailure):
    """The base of the `openai` package's errors, under LiteLLM's name."""

    def __init__(self, original_exception: BaseException | None = None) -> None:
        self._fill(
            str(original_exception) if original_exception is not None else "",
            model=None,
            llm_provider="openai",
        )


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
