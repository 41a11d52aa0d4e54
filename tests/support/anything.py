"""Generated JSON that means nothing, under names that mean something."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st


def anything(names: Sequence[str], *, most: int) -> st.SearchStrategy[Any]:
    """Any JSON value whose objects have at most `most` of these names."""
    return st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(max_size=5),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(st.sampled_from(names), inner, max_size=most)
        ),
        max_leaves=20,
    )
