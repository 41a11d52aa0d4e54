"""Embeddings, moderations and text completions take their own parameters from what is given."""

from __future__ import annotations

from typing import Any

import pytest

from puna.types.completion_request import CompletionRequest
from puna.types.embeddings import EmbeddingRequest
from puna.types.listed_request import ListedRequest
from puna.types.moderations import ModerationRequest

DEFAULTS: dict[str, Any] = {
    "dimensions": 8,
    "temperature": 0.5,
    "tools": [],
    "user": "u",
    "top_k": 3,
}


@pytest.mark.parametrize(
    ("request_", "params", "extra"),
    [
        (
            CompletionRequest("m", "Hi", params={"seed": 1}),
            {"seed": 1, "temperature": 0.5, "user": "u"},
            {"dimensions": 8, "top_k": 3},
        ),
        (EmbeddingRequest("m", "Hi"), {"dimensions": 8, "user": "u"}, {"top_k": 3}),
        (ModerationRequest("m", "Hi"), {}, {"dimensions": 8, "top_k": 3}),
    ],
)
def test_chats_parameters_among_the_defaults_go_only_to_whom_they_mean_something(
    request_: ListedRequest, params: dict[str, Any], extra: dict[str, Any]
) -> None:
    filled = request_.with_defaults(DEFAULTS)
    assert filled.params == params
    assert filled.extra == extra


def test_moderations_know_no_parameter_and_send_what_is_given() -> None:
    filled = ModerationRequest("m", "Hi", extra={"user": "own"}).with_overrides({"user": "u"})
    assert (filled.params, filled.extra) == ({}, {"user": "u"})
