"""What an error keeps of a frame that is no part of a stream."""

from __future__ import annotations

from tests.support.contexts import KEY, context_for

from puna.dialects.stream_faults import malformed_frame


def test_the_beginning_of_a_frame_is_shown_and_some_more_is_kept() -> None:
    error = malformed_frame("a frame that is not JSON", context_for(), b"x" * 600)
    assert f"`{'x' * 120}`" in str(error)
    assert error.body == "x" * 500


def test_a_key_in_a_frame_is_neither_shown_nor_kept() -> None:
    error = malformed_frame("a frame that is not JSON", context_for(), KEY.encode())
    assert KEY not in f"{error} {error.body}"


def test_an_error_without_a_frame_ends_with_what_was_sent() -> None:
    error = malformed_frame("nothing", context_for())
    assert str(error).startswith("meta_llama sent nothing in its stream.")
