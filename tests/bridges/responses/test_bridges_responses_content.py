"""Contents of items as contents of chat messages, or an error at the path of what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.omissions import Omissions
from puna.bridges.responses.content import read_content
from puna.errors import BadRequestError

A = {"type": "input_text", "text": "a"}
B = {"type": "output_text", "text": "b", "annotations": []}
IMAGE = {"type": "input_image", "image_url": "https://a.test/b.png", "detail": "low"}


def read(content: Any, *, is_joined: bool = False) -> Any:
    return read_content(content, "input[0].content", Omissions(), is_joined=is_joined)


def test_texts_become_a_string_where_every_host_reads_one() -> None:
    assert read("a") == "a"
    assert read([A]) == "a"
    assert read([]) == ""
    assert read([A, B], is_joined=True) == "ab"
    assert read([A, B]) == [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    assert read([{"type": "refusal", "refusal": "no"}]) == "no"


def test_an_image_keeps_its_detail() -> None:
    url = {"url": "https://a.test/b.png", "detail": "low"}
    assert read([A, IMAGE])[1] == {"type": "image_url", "image_url": url}


def test_fields_that_chat_has_not_are_told() -> None:
    omissions = Omissions()
    read_content([{**A, "x": 1}, {**B, "annotations": [1]}], "input[0].content", omissions)
    assert omissions.names == ("input.input_text.x", "input.output_text.annotations")


@pytest.mark.parametrize(
    ("content", "where"),
    [
        (5, ""),
        ({"type": "input_text"}, ""),
        ([A, 5], "[1].type"),
        ([{"text": "a"}], "[0].type"),
        ([{"type": "input_text"}], "[0].text"),
        ([{"type": "input_file", "file_id": "f"}], "[0].type"),
        ([{"type": "input_video"}], "[0].type"),
        ([{"type": "input_image"}], "[0].image_url"),
        ([{"type": "input_image", "file_id": "f"}], "[0].file_id"),
        ([{**IMAGE, "detail": 5}], "[0].detail"),
    ],
)
def test_what_is_wrong_is_named_by_its_path(content: Any, where: str) -> None:
    with pytest.raises(BadRequestError) as caught:
        read(content)
    assert caught.value.param == f"input[0].content{where}"
