"""Names of LiteLLM's that the drop-in has no code for: importable, and clear when they are used."""

from __future__ import annotations

import enum
import importlib
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import litellm
from litellm import released


def _all_names() -> list[tuple[str, str, str]]:
    rows: list[tuple[str, str, str]] = []
    for module in released._lines():
        for kind, names in released.names_of(module).items():
            known = [n for many in names.values() for n in many] if kind == "from" else list(names)
            rows += [(module, kind, name.partition("=")[0]) for name in known]
    return rows


ALL = _all_names()


def test_the_table_holds_the_whole_release() -> None:
    assert len(ALL) > 10_000
    assert {module for module, _, _ in ALL} > {
        "litellm",
        "litellm.utils",
        "litellm.types.llms.openai",
        "litellm.integrations.opik.opik",
        "litellm.proxy._types",
        "litellm.llms.anthropic.chat.transformation",
    }


@given(st.sampled_from(ALL))
def test_every_name_of_the_release_can_be_imported(row: tuple[str, str, str]) -> None:
    module, _, name = row

    getattr(importlib.import_module(module), name)


@given(st.sampled_from([row for row in ALL if row[1] == "functions"]))
def test_a_function_without_code_is_refused_by_its_name_when_it_is_called(
    row: tuple[str, str, str],
) -> None:
    module, _, name = row
    function = released.find_name(module, name)

    with pytest.raises(NotImplementedError, match=f"`{module}.{name}` is in LiteLLM 1.106.2"):
        function("anything", at="all")


def test_a_class_without_code_can_be_named_and_subclassed_and_is_refused_when_it_is_made() -> None:
    home = importlib.import_module("litellm.llms.anthropic.chat.transformation")
    AnthropicConfig = home.AnthropicConfig  # noqa: N806 - it is a class

    assert not isinstance(object(), AnthropicConfig)
    assert litellm.AnthropicConfig is AnthropicConfig

    class Mine(AnthropicConfig):  # type: ignore[misc, valid-type]  # made when it is asked for
        pass

    for made in (AnthropicConfig, Mine):
        with pytest.raises(NotImplementedError, match=r"AnthropicConfig.*litellm\.completion"):
            made()
    with pytest.raises(AttributeError, match=r"get_config. is not built"):
        AnthropicConfig.get_config()


def test_a_logging_integration_is_a_custom_logger_that_says_what_to_do_instead() -> None:
    OpikLogger = importlib.import_module(  # noqa: N806 - it is a class
        "litellm.integrations.opik.opik"
    ).OpikLogger

    assert issubclass(OpikLogger, litellm.CustomLogger)
    with pytest.raises(NotImplementedError, match=r"litellm\.callbacks"):
        OpikLogger()


def test_models_dicts_and_enums_work() -> None:
    from litellm.types.llms.openai import ChatCompletionToolParam, HttpxBinaryResponseContent
    from litellm.types.router import RetryPolicy

    CallTypes: Any = litellm.CallTypes  # noqa: N806 - it is a class
    policy = RetryPolicy(TimeoutErrorRetries=3, anything="else")
    assert policy.TimeoutErrorRetries == 3
    assert policy.RateLimitErrorRetries is None
    assert policy.anything == "else"
    assert ChatCompletionToolParam(type="function") == {"type": "function"}
    assert issubclass(CallTypes, enum.Enum)
    member = "acompletion"  # type checkers know no members of an enum made at run time
    assert getattr(CallTypes, member) == member
    assert CallTypes(member) is getattr(CallTypes, member)
    assert pickle.loads(pickle.dumps(policy)) == policy  # noqa: S301 - our own bytes
    assert isinstance(HttpxBinaryResponseContent, type)


def test_settings_have_the_values_of_the_release_and_lists_are_the_callers_own() -> None:
    assert litellm.REPEATED_STREAMING_CHUNK_LIMIT == 100
    assert litellm.max_budget == 0.0
    litellm.pre_call_rules.append(print)
    assert litellm.pre_call_rules == [print]
    assert released.find_name("litellm", "pre_call_rules") == []


def test_tables_of_models_are_those_of_the_catalogue() -> None:
    assert "groq/openai/gpt-oss-120b" in litellm.groq_models
    assert litellm.deepgram_models == set()
    assert set(litellm.model_list) == litellm.model_list_set
    assert litellm.RateLimitError in litellm.LITELLM_EXCEPTION_TYPES
    assert "messages" not in litellm.all_litellm_params


def test_a_name_that_the_release_lacks_is_no_name_here_either() -> None:
    from litellm.types import utils

    for module in (litellm, utils, importlib.import_module("litellm.llms.openai.openai")):
        with pytest.raises(AttributeError, match="no_such_name"):
            module.no_such_name  # noqa: B018 - the access is the test
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("litellm.no_such_module")


def test_an_unbuilt_object_says_what_it_is() -> None:
    from litellm import base_llm_http_handler

    with pytest.raises(NotImplementedError, match="base_llm_http_handler"):
        base_llm_http_handler()
    with pytest.raises(AttributeError, match=r"base_llm_http_handler\.completion. is not built"):
        base_llm_http_handler.completion()


def test_names_are_found_without_the_release_when_only_submodules_are_imported() -> None:
    script = """
import sys
import litellm.llms.custom_httpx.http_handler as http
from litellm.integrations.custom_guardrail import CustomGuardrail
from litellm.types.utils import CostPerToken
assert "pydantic" in sys.modules
assert sum(type(each).__name__ == "type" and each.__name__ == "ReleasedModules"
           for each in sys.meta_path) == 1
assert CostPerToken(input_cost_per_token=1) == {"input_cost_per_token": 1}
print(http.HTTPHandler.__module__)
"""
    run = subprocess.run(
        [sys.executable, "-W", "error", "-c", script], check=False, capture_output=True, text=True
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout.strip() == "litellm.llms.custom_httpx.http_handler"


def test_the_table_is_read_only_when_a_name_is_missing() -> None:
    script = "import litellm; litellm.released._lines.cache_info().misses and exit(1)"

    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
    assert Path(released.__file__).with_name("released_names.txt").exists()
