from __future__ import annotations

import pytest

from puna.catalog.facts import ModelFacts
from puna.dialects.quirks import Quirks
from puna.providers.model_rules import narrow_quirks


def facts(lacks: tuple[str, ...] = (), choices: tuple[str, ...] | None = None) -> ModelFacts:
    return ModelFacts(
        provider="example",
        model="m",
        mode="chat",
        max_input_tokens=None,
        max_output_tokens=None,
        input_modalities=("text",),
        output_modalities=("text",),
        features=frozenset(),
        lacks=frozenset(lacks),
        tool_choices=frozenset(choices) if choices is not None else None,
        price=None,
        is_documented=True,
        source="this test",
        as_of="2026-11-26",
        notes="",
    )


def test_a_model_without_limits_of_its_own_has_the_very_rules_of_its_host() -> None:
    quirks = Quirks()
    assert narrow_quirks(quirks, None) is quirks
    assert narrow_quirks(quirks, facts()) is quirks


def test_a_model_without_tools_takes_no_parameter_about_them() -> None:
    rules = narrow_quirks(
        Quirks(unsupported_params=frozenset(("seed",))), facts(("function_calling",))
    )
    assert rules.unsupported_params == {
        "seed", "tools", "tool_choice", "parallel_tool_calls", "functions", "function_call",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("host", "model", "expected"),
    [
        (None, facts(choices=("auto", "function")), frozenset(("auto", "function"))),
        (None, facts(("tool_choice",)), frozenset(("auto",))),
        (frozenset(("auto", "none")), facts(choices=("auto", "function")), frozenset(("auto",))),
        (frozenset(("auto", "none")), facts(("response_schema",)), frozenset(("auto", "none"))),
    ],
)
def test_the_kinds_of_choice_are_those_that_host_and_model_share(
    host: frozenset[str] | None, model: ModelFacts, expected: frozenset[str]
) -> None:
    assert narrow_quirks(Quirks(tool_choices=host), model).tool_choices == expected


def test_a_model_without_schemas_still_has_the_other_formats_of_its_host() -> None:
    lacking = facts(("response_schema",))
    assert narrow_quirks(Quirks(), lacking).response_formats == frozenset(("text", "json_object"))
    only_schemas = Quirks(response_formats=frozenset(("text", "json_schema")))
    assert narrow_quirks(only_schemas, lacking).response_formats == frozenset(("text",))


@pytest.mark.parametrize("host", [False, True])
def test_a_model_that_streams_no_calls_is_asked_for_the_whole_answer(*, host: bool) -> None:
    quirks = Quirks(lacks_tool_streaming=host)
    assert narrow_quirks(quirks, facts(("streamed_function_calling",))).lacks_tool_streaming
    assert narrow_quirks(quirks, facts(("tool_choice",))).lacks_tool_streaming is host
