"""How a request's body is written: as `json` would, without its memory for long lists."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.json_http import encode_body
from puna.errors import BadRequestError

ITEMS: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    # Halves of surrogate pairs are mended elsewhere.
    | st.text(st.characters(exclude_categories=["Cs"]), max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab"), inner, max_size=3),
    max_leaves=5,
)


@given(
    st.dictionaries(st.text("abc", max_size=3), ITEMS, max_size=3),
    st.lists(ITEMS, min_size=1, max_size=4),
    st.integers(254, 1_030),
    st.booleans(),
)
def test_a_body_with_a_long_list_is_written_as_json_would(
    body: dict[str, Any],
    some: list[Any],
    count: int,
    is_tuple: bool,  # noqa: FBT001 - drawn
) -> None:
    values = (some * count)[:count]
    long = {"before": 1, **body, "messages": tuple(values) if is_tuple else values, "after": "x"}
    plain = json.dumps(long, ensure_ascii=False, separators=(",", ":"))
    assert encode_body(long) == plain.encode()


def test_names_of_fields_are_written_as_json_would() -> None:
    body: Any = {"a": [0] * 300, 1: True, None: 2}
    assert json.loads(encode_body(body)) == {"a": [0] * 300, "1": True, "null": 2}
    assert encode_body({'a"\n': ["é\ud800"] * 300}).startswith('{"a\\"\\n":["é\ufffd","é'.encode())


@pytest.mark.parametrize("odd", [float("nan"), object(), b"x", {(1, 2): 3}])
@pytest.mark.parametrize("count", [1, 600])
def test_what_json_does_not_have_is_refused_wherever_it_stands(odd: Any, count: int) -> None:
    with pytest.raises(BadRequestError, match="cannot be written as JSON"):
        encode_body({"messages": [*([0] * count), odd, *([0] * count)]})


def test_a_list_within_itself_is_refused() -> None:
    around: list[Any] = [0] * 600
    around.append(around)
    with pytest.raises(BadRequestError, match="cannot be written as JSON"):
        encode_body({"messages": around})


def test_a_long_list_takes_little_more_memory_than_its_text() -> None:
    """The encoder's pieces took 10 times the size of short messages."""
    body = {"model": "m", "messages": [{"role": "user", "content": "a"}] * 5_000}
    encode_body(body)
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    size = len(encode_body(body))
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most - before < 4 * size
