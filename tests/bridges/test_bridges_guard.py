"""What a Llama Guard is asked and says: a moderation, or no verdict at all."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.guard import guarded_message, parse_verdict
from puna.errors import BadRequestError

CODES = tuple(f"S{number}" for number in range(1, 15))
IMAGE = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
TEXT = {"type": "text", "text": "hi"}


@pytest.mark.parametrize("text", ["safe", " safe\n", "SAFE"])
def test_safe_flags_nothing(text: str) -> None:
    verdict = parse_verdict(text, CODES)
    assert verdict is not None
    assert verdict["flagged"] is False
    assert not any(verdict["categories"].values())
    assert not any(verdict["category_scores"].values())


@pytest.mark.parametrize("text", ["unsafe\nS1,S9", "unsafe S1, S9", "Unsafe\n\ns9\ns1"])
def test_hazards_are_flagged_by_their_codes_and_by_openais_names(text: str) -> None:
    verdict = parse_verdict(text, CODES)
    assert verdict is not None
    assert verdict["flagged"] is True
    flagged = {name for name, is_found in verdict["categories"].items() if is_found}
    assert flagged == {"S1", "S9", "violence", "illicit/violent"}
    assert verdict["category_scores"]["violence"] == 1.0


@pytest.mark.parametrize(
    "text", [None, "", "unsafe", "safe S1", "unsafe S99", "I cannot judge this.", "S1"]
)
def test_anything_else_is_no_verdict(text: str | None) -> None:
    assert parse_verdict(text, CODES) is None


def test_a_text_and_parts_become_a_message_of_the_user() -> None:
    assert guarded_message("hi", reads_images=False) == {"role": "user", "content": "hi"}
    given = [TEXT, IMAGE]
    assert guarded_message(given, reads_images=True) == {"role": "user", "content": given}


@pytest.mark.parametrize("part", [IMAGE, {"type": "text"}, {"type": "audio"}, {}, None, "hi"])
def test_what_the_model_cannot_judge_is_refused_by_its_place(part: Any) -> None:
    with pytest.raises(BadRequestError) as caught:
        guarded_message([TEXT, part], reads_images=False)
    assert caught.value.param == "input[1]"
