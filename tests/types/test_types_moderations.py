"""Moderation requests: what is judged by itself, and what is no input."""

from __future__ import annotations

from typing import Any

import pytest

from puna.errors import BadRequestError
from puna.types.moderations import make_moderation_request

PARTS = [{"type": "text", "text": "hi"}, {"type": "image_url", "image_url": {"url": "u"}}]


@pytest.mark.parametrize(
    ("given", "inputs"), [("a", ("a",)), (["a", "b"], ("a", "b")), (PARTS, (PARTS,))]
)
def test_texts_are_judged_each_and_parts_together(given: Any, inputs: tuple[Any, ...]) -> None:
    assert make_moderation_request("m", given, {}).inputs == inputs


@pytest.mark.parametrize("given", [None, "", [], {}, 5, ("a",)])
def test_what_is_no_input_is_refused(given: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        make_moderation_request("m", given, {})
    assert caught.value.param == "input"


def test_a_stream_is_refused_and_unknown_fields_go_on() -> None:
    with pytest.raises(BadRequestError) as caught:
        make_moderation_request("m", "a", {"stream": True})
    assert caught.value.param == "stream"
    asked = make_moderation_request("m", "a", {"threshold": 0.5, "stream": False})
    assert asked.extra["threshold"] == 0.5
    assert asked.params == {}
