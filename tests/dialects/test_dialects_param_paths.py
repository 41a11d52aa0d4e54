"""Fields inside parameters that a caller wants left out."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.param_paths import without_paths

TOOL = {"type": "function", "function": {"name": "f", "strict": True, "parameters": {}}}
PARAMS: dict[str, Any] = {"tools": [TOOL, {"type": "function"}], "a": {"b": {"c": 1, "d": 2}}}


@pytest.mark.parametrize(
    ("path", "read", "left"),
    [
        ("tools[*].function.strict", lambda p: p["tools"][0]["function"], {"name", "parameters"}),
        ("tools[0].function.strict", lambda p: p["tools"][0]["function"], {"name", "parameters"}),
        ("tools[0].function", lambda p: p["tools"][0], {"type"}),
        ("a.b.c", lambda p: p["a"]["b"], {"d"}),
        ("a.b", lambda p: p["a"], set[str]()),
    ],
)
def test_a_field_at_a_path_is_left_out(path: str, read: Any, left: set[str]) -> None:
    before = copy.deepcopy(PARAMS)

    changed, found = without_paths(PARAMS, [path])

    assert found == (path,)
    assert set(read(changed)) == left
    assert before == PARAMS


@pytest.mark.parametrize(
    "path",
    [
        "tools[1].function.strict",
        "tools[9].type",
        "tools.type",
        "tools.².type",
        pytest.param(f"tools[{'9' * 5_000}].type", id="an index of 5,000 digits"),
        "a[0]",
        "a.x.c",
        "x.y",
        "a",
    ],
)
def test_what_is_not_there_changes_nothing(path: str) -> None:
    changed, found = without_paths(PARAMS, [path])

    assert changed is PARAMS
    assert found == ()


VALUES = st.recursive(
    st.integers(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from("abc"), inner),
    max_leaves=20,
)


STEPS = st.sampled_from(["a", "b", "c", "[*]", "[0]", "[1]"])
PATHS = st.lists(STEPS, min_size=2, max_size=4).map(
    lambda steps: ".".join(steps).replace(".[", "[")
) | st.text("abc.[*]0²")


@given(params=st.dictionaries(st.sampled_from("abc"), VALUES), path=PATHS)
def test_any_path_leaves_the_given_parameters_alone(params: dict[str, Any], path: str) -> None:
    before = copy.deepcopy(params)

    changed, found = without_paths(params, [path])

    assert params == before
    assert found == ((path,) if changed != params else ())
    assert without_paths(changed, [path]) == (changed, ())
