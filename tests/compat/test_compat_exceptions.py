"""Exceptions: names, attributes, constructors; and that `openai`'s names catch them."""

from __future__ import annotations

import copy
import inspect
import pickle
import subprocess
import sys
from typing import Any

import openai
import pytest
from tests.support.drop_in import BOTH, KEY, NAME, DropIn, raised_by
from tests.support.upstream import Reply, Upstream

import litellm
from litellm import exceptions
from litellm.call_failures import ErrorResponse
from litellm.error_translation import litellm_exception_of
from litellm.types.router import RouterRateLimitError
from puna import errors

FACTS = {"message": "m", "llm_provider": "p", "model": "mo"}
PREFIXES = {
    "APIConnectionError": "litellm.APIConnectionError: m",
    "APIResponseValidationError": "m",
    "AuthenticationError": "litellm.AuthenticationError: m",
    "BadGatewayError": "litellm.BadGatewayError: m",
    "BadRequestError": "litellm.BadRequestError: m",
    "ContentPolicyViolationError": "litellm.BadRequestError: "
    "litellm.ContentPolicyViolationError: m",
    "ContextWindowExceededError": "litellm.ContextWindowExceededError: litellm.BadRequestError: m",
    "ImageFetchError": "litellm.BadRequestError: m",
    "InternalServerError": "litellm.InternalServerError: m",
    "InvalidRequestError": "m",
    "MidStreamFallbackError": "litellm.MidStreamFallbackError: m",
    "NotFoundError": "litellm.NotFoundError: m",
    "PaymentRequiredError": "litellm.PaymentRequiredError: m",
    "PermissionDeniedError": "litellm.PermissionDeniedError: m",
    "RateLimitError": "litellm.RateLimitError: m",
    "ServiceUnavailableError": "litellm.ServiceUnavailableError: m",
    "Timeout": "litellm.Timeout: m",
    "UnprocessableEntityError": "litellm.UnprocessableEntityError: m",
    "UnsupportedParamsError": "litellm.UnsupportedParamsError: m",
}
ORDERS = {
    "APIConnectionError": "message llm_provider model request litellm_debug_info max_retries"
    " num_retries",
    "APIError": "status_code message llm_provider model request litellm_debug_info max_retries"
    " num_retries body",
    "AuthenticationError": "message llm_provider model response litellm_debug_info max_retries"
    " num_retries",
    "BadRequestError": "message model llm_provider response litellm_debug_info max_retries"
    " num_retries body",
    "NotFoundError": "message model llm_provider response litellm_debug_info max_retries"
    " num_retries",
    "PermissionDeniedError": "message llm_provider model response litellm_debug_info",
    "RateLimitError": "message llm_provider model response litellm_debug_info max_retries"
    " num_retries category rate_limit_type headers detail body",
    "Timeout": "message model llm_provider litellm_debug_info max_retries num_retries headers"
    " exception_status_code response",
    "UnprocessableEntityError": "message model llm_provider response litellm_debug_info",
    "UnsupportedParamsError": "message llm_provider model status_code response litellm_debug_info",
    "InternalServerError": "message llm_provider model response litellm_debug_info max_retries"
    " num_retries body",
    "ContextWindowExceededError": "message model llm_provider response litellm_debug_info",
}
OPENAI = {
    "APIConnectionError": openai.APIConnectionError,
    "APIResponseValidationError": openai.APIResponseValidationError,
    "AuthenticationError": openai.AuthenticationError,
    "BadGatewayError": openai.APIStatusError,
    "BadRequestError": openai.BadRequestError,
    "ContextWindowExceededError": openai.BadRequestError,
    "InternalServerError": openai.InternalServerError,
    "NotFoundError": openai.NotFoundError,
    "PermissionDeniedError": openai.PermissionDeniedError,
    "RateLimitError": openai.RateLimitError,
    "ServiceUnavailableError": openai.APIStatusError,
    "Timeout": openai.APITimeoutError,
    "UnprocessableEntityError": openai.UnprocessableEntityError,
    "UnsupportedParamsError": openai.BadRequestError,
    "MidStreamFallbackError": openai.APIConnectionError,
    "OpenAIError": openai.OpenAIError,
}


@pytest.mark.parametrize("name", PREFIXES)
def test_each_takes_litellms_keywords_and_has_its_attributes(name: str) -> None:
    error: Any = getattr(exceptions, name)(**FACTS)

    assert str(error) == error.message == PREFIXES[name]
    assert (error.llm_provider, error.model) == ("p", "mo")
    assert isinstance(error.status_code, int)
    assert error.response.status_code == error.status_code
    assert error.response.text == ""
    assert error.response.content == b""
    assert error.body is None
    assert error.param is None
    assert error.max_retries is None
    assert error.num_retries is None
    assert error.litellm_debug_info is None
    assert error.litellm_response_headers is None
    assert error.request is None


@pytest.mark.parametrize("name", ORDERS)
def test_each_takes_its_arguments_in_litellms_order(name: str) -> None:
    given = list(inspect.signature(getattr(exceptions, name)).parameters)

    wanted = ORDERS[name].split()
    assert given[: len(wanted)] == wanted


def test_what_is_missing_or_not_known_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="model"):
        exceptions.RateLimitError("m", "p")
    with pytest.raises(TypeError, match="colour"):
        exceptions.RateLimitError("m", "p", "mo", colour="red")
    unsure = exceptions.UnsupportedParamsError("m")
    assert (unsure.llm_provider, unsure.model, unsure.status_code) == (None, None, 400)


@pytest.mark.case(149)
@pytest.mark.parametrize("name", OPENAI)
def test_each_is_a_subclass_of_openais(name: str) -> None:
    assert issubclass(getattr(exceptions, name), OPENAI[name])


@pytest.mark.case(149)
@BOTH
def test_openais_names_catch_what_a_call_raises(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.error(429))

    with pytest.raises(openai.RateLimitError) as caught:
        face.ask(upstream, max_retries=0)

    error: Any = caught.value
    assert type(error) is litellm.RateLimitError
    assert error.status_code == error.response.status_code == 429


@pytest.mark.case(149)
def test_openai_may_be_loaded_before_after_or_never() -> None:
    script = """
import sys, litellm
def ask():
    litellm.completion("meta_llama/x", [{"role": "user", "content": "hi"}],
                       mock_response="litellm.RateLimitError")
try:
    ask()
except litellm.RateLimitError as error:
    kept = error
assert "openai" not in sys.modules
sys.modules["openai"] = type(sys)("openai")  # a stand-in without classes
try:
    ask()
except litellm.RateLimitError as error:
    assert len(litellm.APIError.__bases__) == 1
del sys.modules["openai"]
import openai
try:
    ask()
except openai.RateLimitError as error:
    assert type(error) is litellm.RateLimitError
assert isinstance(kept, openai.RateLimitError)
"""
    run = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert run.returncode == 0, run.stderr.decode()


@pytest.mark.case(149)
@pytest.mark.parametrize(
    "error",
    [
        exceptions.RateLimitError("m", "p", "mo", num_retries=2, max_retries=3),
        exceptions.UnsupportedParamsError("m", "p", "mo"),
        exceptions.MidStreamFallbackError("m", "mo", "p", generated_content="x"),
        exceptions.JSONSchemaValidationError("mo", "p", "raw", "schema"),
        exceptions.BudgetExceededError(1.0, 2.0, llm_provider="p"),
        exceptions.APIError(418, "m", "p", "mo", body={"a": 1}),
        exceptions.ModelNotMappedError("m"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_can_be_pickled_and_copied(error: Exception) -> None:
    for twin in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301 - ours
        assert type(twin) is type(error)
        assert str(twin) == str(error)
        assert repr(twin) == repr(error)
        assert twin.args == error.args
        assert {**vars(twin), "response": None} == {**vars(error), "response": None}


def test_the_rarer_ones_can_be_made() -> None:
    assert exceptions.RejectedRequestError("m", "mo", "p", {"a": 1}).request_data == {"a": 1}
    assert exceptions.MockException(500, "m", "p", "mo").status_code == 500
    assert exceptions.OpenAIError(ValueError("x")).message == "x"
    assert str(exceptions.OpenAIError()) == ""
    assert "mo" in str(exceptions.LiteLLMUnknownProvider("mo", "p"))
    assert exceptions.VectorStoreSearchError([1]).failures == [1]
    assert exceptions.BudgetExceededError(1.0, 2.0).status_code == 422
    assert exceptions.PaymentRequiredError("m", "mo", "p").status_code == 402
    assert isinstance(RouterRateLimitError("m", 1.0, False, []), ValueError)
    told = exceptions.Timeout("m", "mo", "p", headers={"a": "b"}, exception_status_code=504)
    assert (told.status_code, told.headers) == (504, {"a": "b"})
    limited = exceptions.RateLimitError("m", "p", "mo")
    assert (limited.code, limited.type, limited.category) == (
        "429",
        "throttling_error",
        "vendor_rate_limit",
    )
    assert limited.detail == limited.message
    reply = ErrorResponse(429)
    detailed = exceptions.RateLimitError("m", "p", "mo", reply, detail={"a": 1})
    assert (detailed.response, detailed.detail) == (reply, {"a": 1})
    assert all(issubclass(one, Exception) for one in exceptions.LITELLM_EXCEPTION_TYPES)
    both = exceptions.BadRequestError("m", "mo", "p", num_retries=2, max_retries=3)
    assert str(both).endswith("LiteLLM Retried: 2 times, LiteLLM Max Retries: 3")


@pytest.mark.case(135, 136, 138, 139)
@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (400, "BadRequestError"),
        (401, "AuthenticationError"),
        (403, "PermissionDeniedError"),
        (404, "NotFoundError"),
        (408, "Timeout"),
        (409, "BadRequestError"),
        (413, "BadRequestError"),
        (422, "UnprocessableEntityError"),
        (429, "RateLimitError"),
        (500, "InternalServerError"),
        (502, "BadGatewayError"),
        (503, "ServiceUnavailableError"),
        (504, "Timeout"),
    ],
)
@pytest.mark.parametrize("drop_params", [True, False])
@BOTH
def test_a_status_of_the_host_has_its_class(
    face: DropIn, upstream: Upstream, status: int, expected: str, *, drop_params: bool
) -> None:
    upstream.plays(Reply.error(status, x_request_id="r-1"))
    litellm.drop_params = drop_params

    error = raised_by(lambda: face.ask(upstream, max_retries=0))

    assert type(error) is getattr(exceptions, expected)
    assert error.status_code == status
    assert error.llm_provider == "meta_llama"
    assert error.model == NAME
    assert f"detail for {status}" in error.message
    assert "{'" not in error.message
    assert error.body == {
        "title": "Some Title",
        "detail": f"detail for {status}",
        "status": status,
    }
    assert error.response.status_code == status
    assert error.response.json() == error.body
    assert error.response.headers["x-request-id"] == "r-1"
    assert error.litellm_response_headers["x-request-id"] == "r-1"
    assert error.request_id == "r-1"
    assert isinstance(error.__cause__, errors.APIError)
    assert KEY not in repr(vars(error))


@pytest.mark.case(140, 148)
@BOTH
def test_a_success_that_is_no_completion_is_the_hosts_failure(
    face: DropIn, upstream: Upstream
) -> None:
    upstream.plays(Reply.bytes_of(b'{"choices": ['))

    error = raised_by(lambda: face.ask(upstream, max_retries=0))

    assert type(error) is litellm.InternalServerError
    assert error.type == "internal_server_error"


def test_an_error_body_that_is_no_json_is_kept_as_text(upstream: Upstream) -> None:
    upstream.plays(Reply.bytes_of(b"nope", status=400, content_type="text/plain"))

    with pytest.raises(litellm.BadRequestError) as caught:
        litellm.completion(
            "meta_llama/x", [{"role": "user", "content": "hi"}], api_base=upstream.url
        )

    assert caught.value.body == caught.value.response.text == "nope"


@pytest.mark.case(146)
@BOTH
def test_a_refused_connection_is_a_connection_error(face: DropIn) -> None:
    error = raised_by(lambda: face.ask(api_base="http://127.0.0.1:9/v1", max_retries=0))

    assert type(error) is litellm.APIConnectionError
    assert error.status_code == 500
    assert "127.0.0.1" in str(error)


def test_every_error_of_puna_has_a_class() -> None:
    def all_below(cls: type[errors.PunaError]) -> set[type[errors.PunaError]]:
        below = set(cls.__subclasses__())
        return below | {deeper for one in below for deeper in all_below(one)}

    for cls in all_below(errors.PunaError):
        if not cls.__module__.startswith("puna."):
            continue
        made = litellm_exception_of(cls("m"), model="mo", provider="p")
        assert type(made).__module__ == "litellm.exceptions", cls
        assert "m" in str(made)
    budget = litellm_exception_of(errors.BudgetExceededError("m"))
    assert isinstance(budget, litellm.BudgetExceededError)
    assert type(litellm_exception_of(errors.APIError("m"))) is litellm.APIError
    mine = KeyError("mine")
    assert litellm_exception_of(mine) is mine
