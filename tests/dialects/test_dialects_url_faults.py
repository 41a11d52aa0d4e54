"""Addresses that can only miss are told with the fix; usual ones are not."""

from __future__ import annotations

import pytest

from puna.dialects.url_faults import find_url_fault


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("http://h/v1/chat/completions", "`/chat/completions`"),
        ("http://h/v1/completions/", "`/completions`"),
        ("http://h/v1/embeddings?x=1", "`/embeddings`"),
        ("http://h/v1/messages", "`/messages`"),
        ("http://h/api/chat", "`/api/chat`"),
        ("http://h/v1/v1", "write `/v1` once"),
        ("http://h/V1/v1/", "once"),
        ("http://h/v1beta2/v1beta2/openai", "write `/v1beta2` once"),
    ],
)
def test_a_fault_is_told_with_what_to_write(url: str, words: str) -> None:
    assert words in (find_url_fault(url) or "")


@pytest.mark.parametrize(
    "url",
    [
        *("http://h", "http://h/v1", "http://h/v1/", "https://h/v1beta/openai"),
        *("http://h/v1/v2", "http://h/v10/v1", "http://messages/v1", "http://h/models/v1"),
    ],
)
def test_a_usual_address_has_none(url: str) -> None:
    assert find_url_fault(url) is None
