"""The module itself: light, lazy, patchable, and with the names that other programs look for."""

from __future__ import annotations

import importlib.metadata
import logging
import subprocess
import sys

import pytest

import litellm

AIDER = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "AuthenticationError",
    "AzureOpenAIError",
    "BadGatewayError",
    "BadRequestError",
    "BudgetExceededError",
    "ContentPolicyViolationError",
    "ContextWindowExceededError",
    "ImageFetchError",
    "InternalServerError",
    "InvalidRequestError",
    "JSONSchemaValidationError",
    "NotFoundError",
    "OpenAIError",
    "RateLimitError",
    "RouterRateLimitError",
    "ServiceUnavailableError",
    "UnprocessableEntityError",
    "UnsupportedParamsError",
    "Timeout",
]


def _run(script: str) -> str:
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


@pytest.mark.case(36)
def test_importing_loads_no_client_no_types_and_no_server() -> None:
    loaded = _run("import sys, litellm; print(*sys.modules)").split()

    for name in ("pydantic", "httpx2", "openai", "uvicorn", "click", "tiktoken", "asyncio", "ssl"):
        assert name not in loaded
    assert not [name for name in loaded if name.startswith("puna.")]


@pytest.mark.case(36)
def test_importing_and_calling_leaves_the_process_as_it_was() -> None:
    _run(
        """
import asyncio, logging, os, warnings
before = (list(warnings.filters), list(logging.root.handlers), logging.root.level,
          asyncio.get_event_loop_policy(), dict(os.environ))
import litellm
litellm.completion("meta_llama/x", [{"role": "user", "content": "hi"}], mock_response="x")
after = (list(warnings.filters), list(logging.root.handlers), logging.root.level,
         asyncio.get_event_loop_policy(), dict(os.environ))
assert before == after
assert not any(logging.getLogger(n).handlers for n in ("LiteLLM", "LiteLLM Proxy"))
"""
    )


def test_aider_finds_its_exceptions_and_no_others() -> None:
    _run(
        f"""
import litellm
TABLE = {AIDER!r}
for _ in range(2):
    shown = [name for name in dir(litellm) if name.endswith("Error")]
    assert set(shown) <= set(TABLE), set(shown) - set(TABLE)
    for name in TABLE:
        assert issubclass(getattr(litellm, name), BaseException)
    for name in ("PermissionDeniedError", "ModelNotMappedError", "PaymentRequiredError",
                 "VectorStoreSearchError", "MidStreamFallbackError"):
        assert issubclass(getattr(litellm, name), Exception)
"""
    )


def test_every_public_name_can_be_had() -> None:
    for name in litellm.__all__:
        assert getattr(litellm, name) is not None
        home = getattr(getattr(litellm, name), "__module__", "litellm")
        assert home.startswith("litellm"), f"{name} is from {home}"
    assert set(dir(litellm)) > {"completion", "drop_params", "model_cost", "ModelResponse"}
    assert "annotations" not in dir(litellm)
    with pytest.raises(AttributeError, match="nothing_of_this_name"):
        litellm.nothing_of_this_name  # noqa: B018 - the access is the test


def test_modules_are_reached_through_attributes() -> None:
    _run(
        """
import litellm
litellm.types.utils.ModelResponse
litellm.types.router.RouterRateLimitError
litellm.utils.token_counter
litellm.main.completion
litellm.exceptions.RateLimitError
litellm.integrations.custom_logger.CustomLogger
litellm.litellm_core_utils.streaming_handler.CustomStreamWrapper
litellm.litellm_core_utils.get_llm_provider_logic.get_llm_provider
litellm.cost_calculator.completion_cost
litellm._logging.verbose_logger
for module in (litellm.types, litellm.integrations, litellm.litellm_core_utils):
    try:
        module.nothing
    except AttributeError as error:
        assert "nothing" in str(error)
    else:
        raise SystemExit("nothing was found")
"""
    )


def test_a_lazy_loader_keeps_what_was_set_before_first_use() -> None:
    out = _run(
        """
import importlib.util, sys
spec = importlib.util.find_spec("litellm")
spec.loader = importlib.util.LazyLoader(spec.loader)
litellm = importlib.util.module_from_spec(spec)
sys.modules["litellm"] = litellm
spec.loader.exec_module(litellm)
litellm.drop_params = True
litellm.suppress_debug_info = True
answer = litellm.completion("meta_llama/x", [{"role": "user", "content": "hi"}],
                            mock_response="lazy", reasoning_effort="low")
print(answer.choices[0].message.content, litellm.drop_params)
"""
    )
    assert out.split() == ["lazy", "True"]


def test_the_functions_can_be_replaced_and_put_back_as_other_programs_tests_do() -> None:
    out = _run(
        """
import litellm
real = litellm.completion
litellm.completion = lambda *args, **kwargs: "replaced"
print(litellm.completion("m", []))
del litellm.completion
assert litellm.completion is real
"""
    )
    assert out.strip() == "replaced"


def test_what_is_set_before_first_use_counts() -> None:
    out = _run(
        """
import litellm
litellm.completion = lambda *args, **kwargs: "mine"
litellm.model_cost = {"mine/x": {"max_tokens": 5, "litellm_provider": "mine"}}
from litellm.main import completion
print(litellm.completion("x"), litellm.get_max_tokens("mine/x"), litellm.model_list)
"""
    )
    assert out.strip() == "mine 5 ['mine/x']"


def test_settings_of_litellm_can_be_read_and_set() -> None:
    for name in (
        "modify_params",
        "set_verbose",
        "suppress_debug_info",
        "telemetry",
        "disable_hf_tokenizer_download",
        "cache",
        "add_function_to_prompt",
    ):
        assert not getattr(litellm, name)
        setattr(litellm, name, True)
    assert litellm.request_timeout == 6000.0


def test_the_loggers_have_litellms_names() -> None:
    from litellm import _logging

    names = {logger.name for logger in _logging.ALL_LOGGERS}
    assert names == {"LiteLLM", "LiteLLM Proxy", "LiteLLM Router"}
    before = [(logger, logger.level, logger.disabled) for logger in _logging.ALL_LOGGERS]
    litellm._turn_on_debug()
    assert litellm.verbose_logger.isEnabledFor(logging.DEBUG)
    litellm._disable_debugging()
    assert not litellm.verbose_logger.isEnabledFor(logging.CRITICAL)
    _logging._enable_debugging()
    assert litellm.verbose_logger.isEnabledFor(logging.DEBUG)
    for logger, level, disabled in before:
        logger.setLevel(level)
        logger.disabled = disabled


def test_the_distribution_reports_litellms_version() -> None:
    from litellm._version import version

    assert version == importlib.metadata.version("litellm")
    assert version.startswith("1.106.2+puna.")
