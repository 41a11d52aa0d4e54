"""Errors of the embedded model's server."""

from __future__ import annotations

from typing import Any

import pytest

from puna.embedded.server_errors import read_server_error, without_paths
from puna.errors import (
    APIError,
    BadRequestError,
    ContextWindowExceededError,
    InternalServerError,
    ServiceUnavailableError,
)

# ---- errors of the server


@pytest.mark.case(147)
def test_a_full_context_is_told_with_both_numbers() -> None:
    body = {
        "error": {
            "code": 400,
            "type": "exceed_context_size_error",
            "message": "request (3031 tokens) exceeds …",
            "n_prompt_tokens": 3031,
            "n_ctx": 2048,
        }
    }
    error = read_server_error(400, body)
    assert isinstance(error, ContextWindowExceededError)
    assert error.code == "context_length_exceeded"
    assert "`3031`" in str(error)
    assert "`2048`" in str(error)


@pytest.mark.parametrize(
    ("status", "body", "cls", "words"),
    [
        (400, {"error": {"message": "JSON schema error at #"}}, BadRequestError, "cannot follow"),
        (500, {"error": {"message": "empty grammar stack"}}, BadRequestError, "cannot follow"),
        (400, {"error": {"message": "Field 'n'"}}, BadRequestError, "answered 400: Field 'n'"),
        (401, {"error": {"message": "Invalid"}}, ServiceUnavailableError, "refused our key"),
        (503, {"error": {"message": "Loading model"}}, ServiceUnavailableError, "Loading"),
        (500, "plain words", InternalServerError, "answered 500: plain words"),
        (501, None, InternalServerError, "status 501"),
        (504, [], InternalServerError, "status 504"),
    ],
)
def test_other_errors_go_by_their_status(
    status: int, body: Any, cls: type[APIError], words: str
) -> None:
    error = read_server_error(status, body)
    assert isinstance(error, cls)
    assert words in str(error)


def test_file_paths_are_left_out_and_pointers_kept() -> None:
    said = without_paths("failed to load /home/me/my-models/x.gguf at #/properties/a")
    assert "/home" not in said
    assert "gguf" not in said
    assert "#/properties/a" in said
    assert without_paths("http://127.0.0.1/v1/chat and 1/2") == "http://127.0.0.1/v1/chat and 1/2"
