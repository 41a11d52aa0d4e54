from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.wire.json_size import (
    JSONLimits,
    TooManyValuesError,
    check_nested_json,
    nesting_depth,
    parse_answer,
)

ENOUGH = 10**9
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.integers() | st.text(st.sampled_from('a"\\,:[]{}\n é')),
    lambda inner: (
        st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=3), inner, max_size=4)
    ),
    max_leaves=20,
)


def parts(value: Any) -> tuple[int, int]:
    """How many objects, and how many members of these."""
    if not isinstance(value, list | Mapping):
        return 0, 0
    is_object = isinstance(value, Mapping)
    inner = list(value.values()) if isinstance(value, Mapping) else value
    counts = [parts(one) for one in inner]
    return (
        is_object + sum(one for one, _ in counts),
        is_object * len(inner) + sum(one for _, one in counts),
    )


def count(value: Any) -> tuple[int, int]:
    """How many lists and objects, and how many values, with an empty list as one more."""
    if not isinstance(value, list | Mapping):
        return 0, 0
    inner = list(value.values()) if isinstance(value, Mapping) else value
    counts = [count(one) for one in inner]
    return (
        1 + sum(one for one, _ in counts),
        max(1, len(inner)) + sum(one for _, one in counts),
    )


def strings(value: Any) -> int:
    """How many strings, without the names of members."""
    if isinstance(value, str):
        return 1
    if not isinstance(value, list | Mapping):
        return 0
    return sum(strings(one) for one in (value.values() if isinstance(value, Mapping) else value))


@given(VALUES, st.sampled_from([None, 2]), st.booleans())
def test_a_text_is_as_large_as_what_it_holds(
    value: Any,
    indent: int | None,
    is_ascii: bool,  # noqa: FBT001 - drawn
) -> None:
    # A blank before it, so that it is never so short that nobody looks.
    data = b" " * 200 + json.dumps(value, indent=indent, ensure_ascii=is_ascii).encode()
    containers, values = count(value)
    assert JSONLimits(values, containers).exceeded_by(data) is None
    if containers:
        told = f"{containers - 1:,} lists and objects"
        assert JSONLimits(ENOUGH, containers - 1).exceeded_by(data) == told
        assert JSONLimits(values - 1, containers).exceeded_by(data) == f"{values - 1:,} values"
    objects, members = parts(value)
    assert JSONLimits(values, containers, objects, members).exceeded_by(data) is None
    if objects:
        limits = JSONLimits(ENOUGH, ENOUGH, objects=objects - 1)
        assert limits.exceeded_by(data) == f"{objects - 1:,} objects"
    if members:
        limits = JSONLimits(ENOUGH, ENOUGH, members=members - 1)
        assert limits.exceeded_by(data) == f"{members - 1:,} members of objects"
    items, texts = max(0, values - 8 * containers), strings(value)
    limits = JSONLimits(values, containers, items=items, strings=texts)
    assert limits.exceeded_by(data) is None
    if items:
        limits = JSONLimits(ENOUGH, ENOUGH, items=items - 1)
        assert limits.exceeded_by(data) == f"{items - 1:,} items of long lists"
    if texts:
        limits = JSONLimits(ENOUGH, ENOUGH, strings=texts - 1)
        assert limits.exceeded_by(data) == f"{texts - 1:,} strings"


@given(VALUES, st.integers(3_900, 4_100))
def test_a_text_is_counted_alike_wherever_its_windows_are_cut(value: Any, lead: int) -> None:
    data = json.dumps(value).encode()
    longer = b'["' + b"," * lead + b'",' + data + b"]"
    containers, values = count([0, value])
    texts = 1 + strings(value)
    limits = JSONLimits(values, containers, strings=texts)
    assert limits.exceeded_by(longer) is None
    fewer = JSONLimits(ENOUGH, ENOUGH, strings=texts - 1)
    assert fewer.exceeded_by(longer) == f"{texts - 1:,} strings"
    fewer = JSONLimits(values - 1, containers)
    assert fewer.exceeded_by(longer) == f"{values - 1:,} values"
    assert nesting_depth(longer) == depth([0, value])


def depth(value: Any) -> int:
    if not isinstance(value, list | Mapping):
        return 0
    inner = value.values() if isinstance(value, Mapping) else value
    return 1 + max(map(depth, inner), default=0)


@pytest.mark.parametrize(
    ("data", "deep"),
    [
        (b"1", 0),
        (b'"[[["', 0),
        (b"[]", 1),
        (b'{"a":[{}],"]":[]}', 3),
        (b'["]","\\"[",["\\\\",[]]]', 3),
        (b"[" * 5_000 + b'"]"' + b"]" * 5_000, 5_000),
        (b",".join([b"{}"] * 9_000), 1),
    ],
)
def test_how_deeply_a_text_is_nested(data: bytes, deep: int) -> None:
    assert nesting_depth(data) == deep


@pytest.mark.parametrize("before", range(4_086, 4_098))
@pytest.mark.parametrize("slashes", range(6))
def test_an_escape_at_the_edge_of_a_window_is_not_cut(before: int, slashes: int) -> None:
    """An even number of backslashes ends the string behind them, an odd one escapes its quote."""
    data = b'["' + b"a" * before + b"\\" * slashes + b'","[[[["]'
    is_escaped = slashes % 2 == 1
    limits = JSONLimits(ENOUGH, 1, strings=2)
    if is_escaped:  # `[[[[` stands outside then
        assert limits.exceeded_by(data) == "1 lists and objects"
    else:
        assert limits.exceeded_by(data) is None
        fewer = JSONLimits(ENOUGH, ENOUGH, strings=1)
        assert fewer.exceeded_by(data) == "1 strings"


@given(st.binary(max_size=300))
def test_any_bytes_are_counted_without_a_failure(data: bytes) -> None:
    for limits in (JSONLimits(0, 0), JSONLimits(5, 5), JSONLimits(ENOUGH, ENOUGH)):
        limits.exceeded_by(data)


def test_a_string_without_an_end_is_read_once() -> None:
    data = b'["' + b'\\"' * 2_000_000
    assert JSONLimits(5, 5).exceeded_by(data + b"[" * 10) is None
    assert JSONLimits(5, 5).exceeded_by(b"[" * 10 + data) is not None


def test_a_long_text_is_counted_alike() -> None:
    data = b'{"a":[' + b",".join([b'"x,\\"{[:",1'] * 20_000) + b"]}"
    assert JSONLimits(40_001, 2, 1, 1).exceeded_by(data) is None
    assert JSONLimits(40_000, 2, 1, 1).exceeded_by(data) == "40,000 values"
    names = b'{"a":{' + b",".join(b'"%d":0' % number for number in range(20_000)) + b"}}"
    assert JSONLimits(ENOUGH, 2, 2, 20_001).exceeded_by(names) is None
    assert JSONLimits(ENOUGH, 2, 2, 20_000).exceeded_by(names) == "20,000 members of objects"


@pytest.mark.parametrize("item", [b"[]", b'{"a":0}', b"1"])
def test_an_answer_of_small_values_is_none(item: bytes) -> None:
    count_of = 4_000_000 // len(item)
    with pytest.raises(ValueError, match="holds more than"):
        parse_answer(b"[" + b",".join([item] * count_of) + b"]")


def test_an_answer_of_short_names_or_objects_is_none() -> None:
    objects = b"[" + b",".join([b'{"a":0}'] * 60_000) + b"]"
    with pytest.raises(ValueError, match=r"more than 33,000 objects"):
        parse_answer(objects)
    names = b"{" + b",".join(b'"%06d":0' % number for number in range(300_000)) + b"}"
    with pytest.raises(ValueError, match=r"more than 283,846 members of objects"):
        parse_answer(names)


def test_an_answer_of_short_strings_or_of_numbers_is_none() -> None:
    texts = b"[" + b",".join(b'"%06d"' % number for number in range(300_000)) + b"]"
    with pytest.raises(ValueError, match=r"more than 235,000 strings"):
        parse_answer(texts)
    numbers = b"[" + b",".join([b"0.1"] * 900_000) + b"]"
    with pytest.raises(ValueError, match=r"more than 450,000 items of long lists"):
        parse_answer(numbers)
    assert len(parse_answer(numbers, has_vectors=True)) == 900_000


def test_vectors_and_log_probabilities_are_an_answer() -> None:
    vectors = b"[" + b",".join([b"[" + b",".join([b"0.123"] * 3_000) + b"]"] * 500) + b"]"
    assert len(parse_answer(vectors, has_vectors=True)) == 500
    token = b'{"token":"a","logprob":-0.1,"bytes":[97],"top_logprobs":[]}'
    assert len(parse_answer(b"[" + b",".join([token] * 100_000) + b"]")) == 100_000
    bare = b'{"token":" a","logprob":-0.1}'  # as some hosts give them, for 2,000 tokens of 20
    assert len(parse_answer(b"[" + b",".join([bare] * 40_000) + b"]")) == 40_000
    count_of = 150_000
    lists = [b'" the"', b"-0.1234567", b"123456"]
    completion = b",".join(b"[" + b",".join([item] * count_of) + b"]" for item in lists)
    assert [len(one) for one in parse_answer(b"[" + completion + b"]")] == [count_of] * 3


@pytest.mark.parametrize("item", ["[]", "{}", '{"a":0}', "1", '"a"', "0.1"])
def test_a_text_within_another_holds_no_more_than_a_model_writes(item: str) -> None:
    """Arguments of calls: their values are within a string of the body, where none are counted."""
    check_nested_json('{"o":[' + ",".join([item] * 4_000) + "]}")
    with pytest.raises(TooManyValuesError, match="holds more than"):
        check_nested_json('{"o":[' + ",".join([item] * 500_000) + "]}")


def test_long_texts_of_few_values_may_be_parsed() -> None:
    check_nested_json(json.dumps({"path": "a", "content": '{"a":[1,2,3]},' * 200_000}))
    check_nested_json(
        json.dumps([{"id": n, "name": f"row {n}", "value": n / 7} for n in range(20_000)])
    )
