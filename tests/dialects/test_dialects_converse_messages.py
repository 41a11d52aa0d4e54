"""Messages for Bedrock's Converse API: what it has no place for is refused by its path."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.converse import build

from puna.errors import BadRequestError

# Requests


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}],
                }
            ],
            "messages[0].content[0].image_url.url",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}
                    ],
                }
            ],
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "messages[0].content[0]",
        ),
        ([{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
    ],
)
def test_what_converse_has_no_place_for_is_refused_by_its_path(messages: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        build(messages=messages)
    assert raised.value.param == param
    assert param.rpartition(".")[2] in str(raised.value)
    assert (raised.value.provider, raised.value.model) == ("meta_llama", "meta_llama/m")
