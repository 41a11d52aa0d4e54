"""JSON is asked for in words, and found in whatever a model wraps it in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from puna.bridges.structured import (
    find_json,
    instruction_of,
    read_json,
    with_correction,
    with_instruction,
)
from puna.errors import BadRequestError

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=12)
    | st.sampled_from(['"', "\\", "{", "]", "```", "```json\n", '{"a": 1}', "</think>"])
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner),
    max_leaves=10,
)
containers = st.lists(values, max_size=4) | st.dictionaries(st.text(max_size=6), values)
prose = st.text(max_size=60).filter(lambda text: not set(text) & set("[]{}"))
indents = st.sampled_from([None, 0, 2, "\t"])


def is_json(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True


@given(values, indents, st.booleans(), st.sampled_from(["", " ", "\n\n", "\r\n\t"]))
def test_json_alone_is_found_as_it_stands(
    value: Any, indent: int | str | None, is_ascii: Any, space: str
) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=is_ascii)
    assert find_json(f"{space}{text}{space}") == text


@given(values, indents, st.sampled_from(["", "json", "JSON"]), st.sampled_from(["", "Here:\n"]))
def test_json_in_a_fence_is_found(
    value: Any, indent: int | str | None, word: str, before: str
) -> None:
    text = json.dumps(value, indent=indent)
    assert find_json(f"{before}```{word}\n{text}\n```\n") == text
    assert find_json(f"{before}```{word}\n{text}```") == text


@given(containers, indents, prose, prose)
def test_an_object_or_a_list_within_prose_is_found(
    value: Any, indent: int | str | None, before: str, after: str
) -> None:
    text = json.dumps(value, indent=indent)
    whole = f"{before}{text}{after}"
    assume(not is_json(whole.strip()))  # quotes around it make it a text
    assert find_json(whole) == text


@given(prose)
def test_prose_holds_no_json(text: str) -> None:
    if not is_json(text.strip()):
        assert find_json(text) is None


@given(containers, prose, st.data())
def test_a_value_that_was_cut_is_not_found_nor_a_part_of_it(
    value: Any, before: str, data: st.DataObject
) -> None:
    text = json.dumps(value)
    end = data.draw(st.integers(1, len(text) - 1))
    assert find_json(f"{before}: {text[:end]}") is None


@given(st.text(alphabet='[]{}",:\\1a `\n', max_size=80))
def test_what_is_found_is_json_and_stands_in_the_text(text: str) -> None:
    found = find_json(text)
    assert found is None or (is_json(found) and found in text)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("The answer is 42.", None),
        ('He said "yes".', None),
        ("true story", None),
        ("", None),
        ("NaN", None),
        ('{"a": NaN}', None),
        ("{'a': {\"b\": 1}}", None),
        ('{"a": {"b": 1},}', None),
        ('Use {braces} or \\frac{a}{b}: {"a": 1}.', '{"a": 1}'),
        ('{"a": 1} and {"b": 2}', '{"a": 1}'),
        ('```json\n{"a": 1}\n```\nor\n```json\n{"b": 2}\n```', '{"a": 1}'),
        ('```\nno json\n```\n{"a": "]}"}', '{"a": "]}"}'),
        ('```json\n{"a": 1}', '{"a": 1}'),
        ("[" * 100_000, None),
        ("[" * 100_000 + "]" * 100_000, None),
        ("1" * 5_000, None),
    ],
)
def test_the_reader_by_example(text: str, found: str | None) -> None:
    assert find_json(text) == found


def test_a_schema_goes_into_the_instruction_with_what_it_is_for() -> None:
    schema = {"type": "object", "properties": {"größe": {"type": "number"}}}
    body = {"name": "n", "schema": schema, "description": "A size."}
    said = instruction_of({"type": "json_schema", "json_schema": body})
    assert json.dumps(schema, ensure_ascii=False) in said
    assert "A size." in said
    assert "one JSON object" in instruction_of({"type": "json_object"})


def test_a_schema_that_is_no_json_is_refused() -> None:
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"a": object()}}}
    with pytest.raises(BadRequestError) as caught:
        instruction_of(wanted)
    assert caught.value.param == "response_format"


def test_the_instruction_joins_the_first_system_message() -> None:
    user = {"role": "user", "content": "hi"}
    parts = [{"type": "text", "text": "Be kind."}]
    assert with_instruction([user], "X") == ({"role": "system", "content": "X"}, user)
    for role in ("system", "developer"):
        joined = with_instruction([{"role": role, "content": "Be kind."}, user], "X")
        assert joined == ({"role": role, "content": "Be kind.\n\nX"}, user)
    (first, _) = with_instruction([{"role": "system", "content": parts}, user], "X")
    assert first["content"] == [*parts, {"type": "text", "text": "X"}]
    assert parts == [{"type": "text", "text": "Be kind."}]
    (empty, _) = with_instruction([{"role": "system", "content": ""}, user], "X")
    assert empty["content"] == "X"


def test_a_correction_follows_the_answer_and_names_the_fault() -> None:
    user = {"role": "user", "content": "hi"}
    _, answer, again = with_correction([user], "Hm.", "it holds no complete JSON")
    assert answer == {"role": "assistant", "content": "Hm."}
    assert "it holds no complete JSON" in again["content"]
    assert [m["role"] for m in with_correction([user], "", "it is empty")] == ["user", "user"]
