"""Streams of text completions: their cuts change nothing, and odd values make no reader raise."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import NOW, target_for
from tests.support.native_texts import frames, piece

from puna.dialects.base import ReadContext
from puna.dialects.openai_completions import OpenAICompletions
from puna.errors import APIError
from puna.types.completion_request import make_completion_request
from puna.types.completions import TextCompletion

DIALECT = OpenAICompletions()


def read(pieces: list[bytes]) -> tuple[list[TextCompletion], APIError | None]:
    request = make_completion_request("base", "Hi", {})
    context = ReadContext(target_for(), "base", "cmpl-made", NOW, request)
    reader = DIALECT.stream_reader(context)
    chunks = [chunk for one in pieces for chunk in reader.feed(one)]
    return chunks + reader.close(), reader.error


@given(st.lists(st.integers(0, 900), max_size=6), st.booleans())
def test_a_stream_cut_anywhere_gives_the_same_chunks(cuts: list[int], ends: bool) -> None:  # noqa: FBT001 - drawn
    data = frames(
        piece("Hé"), piece("llo", index=1), piece("", "stop"), piece("", "stop", index=1),
        end="data: [DONE]\n\n" if ends else "",
    )  # fmt: skip
    at = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    chunks, error = read([data[a:b] for a, b in pairwise(at)])
    assert (chunks, error) == (read([data])[0], None)
    assert "".join(one.choices[0].text for one in chunks) == "Héllo"


VALUES: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers(-3, 3) | st.text(max_size=3) | st.just([]) | st.just({})
)


@given(st.sampled_from(("id", "created", "model", "usage", "object", "system_fingerprint")), VALUES)
def test_whatever_stands_beside_the_text_it_is_read(name: str, value: Any) -> None:
    chunks, error = read([frames({**piece("Hi", "stop"), name: value})])
    assert error is None
    assert [one.choices[0].text for one in chunks] == ["Hi"]
