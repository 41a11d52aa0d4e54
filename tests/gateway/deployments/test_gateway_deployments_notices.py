"""What is said of deployments at the start."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.served_files import listed, load


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://h/v1/v1", "holds `/v1/v1`: write `/v1` once"),
        ("http://h/openai/v1/v1/", "holds `/v1/v1`"),
        ("http://h/v1/chat/completions", "ends with `/chat/completions`"),
        ("http://h/v1/completions", "ends with `/completions`"),
        ("http://h/v1/embeddings", "ends with `/embeddings`"),
        ("http://h/v1/models/", "ends with `/models`"),
        ("http://h/v1/responses", "ends with `/responses`"),
    ],
)
def test_an_address_that_can_only_miss_is_named_at_the_start(
    config_file: Path, base: str, words: str
) -> None:
    directory = load(config_file, listed(f"model: openai/x, api_base: '{base}'"))
    (told,) = (notice.message for notice in directory.notices)
    assert words in told
    assert "model `m0`" in told


@pytest.mark.parametrize("base", ["http://h/v1", "http://h", "http://h/openai/v1", "http://h/v2"])
def test_a_usual_address_is_no_notice(config_file: Path, base: str) -> None:
    assert load(config_file, listed(f"model: openai/x, api_base: '{base}'")).notices == ()
