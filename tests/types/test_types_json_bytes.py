"""An answer's bytes are its text's."""

from __future__ import annotations

from tests.support.upstream import completion_body

from puna.types.chat import ChatCompletion


def test_the_bytes_are_the_text_in_utf_8() -> None:
    answer = ChatCompletion.model_validate(completion_body({"content": "süß \U0001f600"}))
    assert answer.to_json_bytes() == answer.to_json().encode()
    assert b"s\xc3\xbc\xc3\x9f" in answer.to_json_bytes()
