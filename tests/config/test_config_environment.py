"""References to variables: replaced at any depth, reported when unset, never guessed."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.config.environment import PREFIX, Unset, resolve, variable_name

SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
TREES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4)
    ),
    max_leaves=20,
)


@pytest.mark.case(160)
def test_references_are_replaced_at_any_depth_and_in_lists() -> None:
    value = {"a": "os.environ/X", "b": [{"c": ["os.environ/X", 1]}, "os.environ/Y"]}
    found = resolve(value, {"X": "one", "Y": "two"}, ("root",))
    assert found.value == {"a": "one", "b": [{"c": ["one", 1]}, "two"]}
    assert found.unset == ()
    assert found.origins == {
        ("root", "a"): "X",
        ("root", "b", 0, "c", 0): "X",
        ("root", "b", 1): "Y",
    }
    assert value["a"] == "os.environ/X"


@pytest.mark.case(160)
def test_a_text_that_only_contains_the_prefix_is_left_alone() -> None:
    value = ["see os.environ/X", "https://os.environ/X", "OS.ENVIRON/X"]
    assert resolve(value, {"X": "no"}).value == value


@pytest.mark.case(160)
def test_spaces_are_trimmed_around_the_reference_and_the_value() -> None:
    assert variable_name(" os.environ/ X ") == "X"
    assert resolve(" os.environ/ X ", {"X": "  v \n"}).value == "v"


@pytest.mark.case(160)
@pytest.mark.parametrize("environ", [{}, {"X": ""}, {"X": "   "}])
def test_an_unset_or_blank_variable_is_reported_and_not_replaced(environ: dict[str, str]) -> None:
    found = resolve({"a": ["os.environ/X"]}, {**environ, "LLAMA_API_KEY": "other"})
    assert found.value == {"a": [None]}
    assert found.unset == (Unset("X", ("a", 0)),)
    assert found.origins == {}


def test_a_prefix_without_a_name_is_unset() -> None:
    assert resolve("os.environ/", {}).unset == (Unset("", ()),)


def is_reference_free(tree: Any) -> bool:
    if isinstance(tree, dict):
        return all(is_reference_free(child) for child in tree.values())
    if isinstance(tree, list):
        return all(is_reference_free(child) for child in tree)
    return variable_name(tree) is None


@given(TREES)
def test_a_tree_without_references_comes_out_as_it_went_in(tree: Any) -> None:
    found = resolve(tree, {})
    if is_reference_free(tree):
        assert found.value == tree
        assert found.unset == ()
    assert is_reference_free(found.value)


@given(
    st.dictionaries(
        st.text(st.characters(categories=["Lu"]), min_size=1, max_size=4), st.text(max_size=6)
    ),
    st.lists(st.text(st.characters(categories=["Lu"]), min_size=1, max_size=4), max_size=6),
)
def test_each_reference_is_either_resolved_or_reported(
    environ: dict[str, str], names: list[str]
) -> None:
    found = resolve([PREFIX + name for name in names], environ)
    assert len(found.origins) + len(found.unset) == len(names)
    for index, name in enumerate(names):
        value = environ.get(name, "").strip()
        assert found.value[index] == (value or None)
