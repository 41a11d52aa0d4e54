"""Files inside a request: their media type and their data."""

from __future__ import annotations

import pytest

from puna.types.data_url import read_data_url


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("data:image/png;base64,iVBO", ("image/png", "iVBO")),
        ("DATA:Image/PNG;BASE64,iVBO", ("image/png", "iVBO")),
        ("data:text/plain;charset=utf-8;base64,aGk=", ("text/plain", "aGk=")),
        ("data:;base64,aGk=", ("", "aGk=")),
        ("data:image/png;base64,iV\nBO", ("image/png", "iV\nBO")),
    ],
)
def test_a_data_url_is_read_in_every_spelling(url: str, parts: tuple[str, str]) -> None:
    assert read_data_url(url) == parts


@pytest.mark.parametrize(
    "url", ["https://a.test/b.png", "data:image/png,raw", "data:image/png;base64", "", " data:,"]
)
def test_any_other_url_is_none(url: str) -> None:
    assert read_data_url(url) is None
