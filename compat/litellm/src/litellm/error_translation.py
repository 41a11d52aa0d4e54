"""Puna's errors as LiteLLM's: the one border where they change their names."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

from litellm import exceptions
from litellm.call_failures import ErrorResponse
from puna import errors


def litellm_exception_of(
    error: Exception, *, model: str = "", provider: str = "", text_before: str = ""
) -> Exception:
    """The exception that LiteLLM's callers catch; one that is not Puna's comes back as it is.

    `model` and `provider` are used where the error does not know them. `model` in the result has
    no provider prefix, as in LiteLLM. `text_before` is what a broken stream had delivered.
    """
    if not isinstance(error, errors.PunaError):
        return error
    if not isinstance(error, errors.APIError):  # a wrong price or setting that the caller gave
        return exceptions.BadRequestError(error.message, model, provider)
    named = error.provider or provider
    facts: dict[str, Any] = {
        "message": error.message,
        "model": (error.model or model).removeprefix(f"{named}/"),
        "llm_provider": named,
    }
    made: Exception = _make(error, facts, text_before)
    _fill(made, error)
    return made


def _make(error: errors.APIError, facts: Mapping[str, Any], text_before: str) -> Any:
    made: Any
    if isinstance(error, errors.BudgetExceededError):
        made = exceptions.BudgetExceededError(
            0.0, 0.0, message=error.message, llm_provider=facts["llm_provider"]
        )
    elif isinstance(error, errors.StreamInterruptedError):
        made = exceptions.MidStreamFallbackError(
            **facts, original_exception=error, generated_content=text_before
        )
    elif isinstance(error, errors.APITimeoutError):
        # A status of its own only when a host sent one; without a reply it is LiteLLM's 408.
        status = error.status_code if error.headers or error.body else None
        made = exceptions.Timeout(**facts, headers=error.headers, exception_status_code=status)
    elif isinstance(error, errors.RateLimitError):
        made = exceptions.RateLimitError(**facts, headers=error.headers)
    else:
        made = _class_of(error)(**facts)
        if not isinstance(made, exceptions.APIConnectionError):
            made.status_code = error.status_code
    return made


_CLASSES: tuple[tuple[type[errors.APIError], Callable[..., Any]], ...] = (
    (errors.ContextWindowExceededError, exceptions.ContextWindowExceededError),
    (errors.ContentPolicyViolationError, exceptions.ContentPolicyViolationError),
    (errors.UnsupportedParamsError, exceptions.UnsupportedParamsError),
    (errors.BadRequestError, exceptions.BadRequestError),
    (errors.AuthenticationError, exceptions.AuthenticationError),
    (errors.PermissionDeniedError, exceptions.PermissionDeniedError),
    (errors.NotFoundError, exceptions.NotFoundError),
    (errors.UnprocessableEntityError, exceptions.UnprocessableEntityError),
    (errors.ServiceUnavailableError, exceptions.ServiceUnavailableError),
    # What is no completion is the host's failure, and so it is in LiteLLM (observed, 1.106.2).
    (errors.MalformedReplyError, exceptions.InternalServerError),
    (errors.BadGatewayError, exceptions.BadGatewayError),
    (errors.InternalServerError, exceptions.InternalServerError),
    (errors.APIConnectionError, exceptions.APIConnectionError),
)


def _class_of(error: errors.APIError) -> Callable[..., Any]:
    """The class of the first, most special, match."""
    for puna_class, litellm_class in _CLASSES:
        if isinstance(error, puna_class):
            return litellm_class
    return lambda **facts: exceptions.APIError(status_code=error.status_code, **facts)


def _fill(made: Any, error: errors.APIError) -> None:
    """What the host said, on any of the classes."""
    made.response = ErrorResponse(made.status_code, error.headers, error.body or "")
    made.litellm_response_headers = error.headers
    made.request_id = error.headers.get("x-request-id")
    made.body = _decoded(error.body)
    made.param = error.param
    made.code = getattr(made, "code", None) or error.code
    if error.attempts > 1:
        made.num_retries = error.attempts - 1


def _decoded(body: str | None) -> object:
    """An error body as JSON where it is JSON, else as text."""
    if body is None:
        return None
    try:
        decoded: object = json.loads(body)
    except ValueError:
        return body
    return decoded
