"""How large a context Ollama is asked for, and prompts that cannot fit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.ollama import PNG, TARGET, TOOLS, body_of, said

from puna.dialects.base import Target
from puna.errors import ContextWindowExceededError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS

LONG = "word " * 20_000


def size_of(target: Target = TARGET, **fields: Any) -> int:
    size: int = body_of(target, **fields)["options"]["num_ctx"]
    return size


def test_the_context_grows_with_the_prompt_in_steps() -> None:
    assert size_of(max_tokens=100) == 4_096
    assert size_of() == 8_192  # room for an answer of unknown length
    assert size_of(messages=said("word " * 5_000), max_tokens=100) == 8_192
    assert size_of(messages=said(LONG)) == 32_768
    assert size_of(messages=said(LONG), max_tokens=20_000) == 65_536
    assert size_of(messages=said(LONG * 3)) == 98_304
    assert size_of(max_tokens=100, tools=TOOLS * 300) == 8_192


def test_the_step_is_large_enough_for_the_prompt_and_the_answer() -> None:
    for words in (10, 3_000, 3_300, 6_500, 13_000, 30_000, 80_000):
        size = size_of(messages=said("word " * words), options={"num_predict": 500})
        assert words + 500 < size <= max(4_096, 2 * (words * 5 // 4 + 600), 32_768)


def test_an_answer_without_limit_gets_the_usual_room() -> None:
    assert size_of(options={"num_predict": -1}) == size_of(options={"num_predict": -2}) == size_of()


def test_an_image_needs_room_as_well() -> None:
    image = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PNG}"}}
    assert size_of(messages=[{"role": "user", "content": [image] * 2}], max_tokens=1) == 8_192


def test_a_callers_own_context_is_sent_as_it_is() -> None:
    assert size_of(num_ctx=2_000) == 2_000
    assert size_of(options={"num_ctx": 2_000}) == 2_000
    body = body_of(num_ctx=3_000, options={"num_ctx": 2_000})
    assert body["options"]["num_ctx"] == 2_000
    assert "num_ctx" not in body


def test_a_known_window_is_never_passed() -> None:
    target = replace(TARGET, context_tokens=6_000)
    assert size_of(target) == 6_000
    assert size_of(target, max_tokens=5) == 4_096


@pytest.mark.parametrize(
    ("target", "fields", "words"),
    [
        (TARGET, {"num_ctx": 8_192}, ["the `num_ctx` of `8192`", "raise `num_ctx`"]),
        (TARGET, {"options": {"num_ctx": 8_192}}, ["the `num_ctx` of `8192`"]),
        (replace(TARGET, context_tokens=8_192), {}, ["the model's context of `8192`", "larger"]),
    ],
)
def test_a_prompt_that_cannot_fit_is_refused(
    target: Target, fields: dict[str, Any], words: list[str]
) -> None:
    with pytest.raises(ContextWindowExceededError) as raised:
        body_of(target, messages=said(LONG), **fields)
    error = raised.value
    assert (error.param, error.provider, error.model) == ("messages", "ollama", "ollama/llama3.2")
    for word in (*words, "Nothing was sent"):
        assert word in str(error)


def test_what_may_fit_is_sent_and_ollama_is_told_not_to_cut_it() -> None:
    # The estimate is 20,000 and may be too high: only the host knows.
    body = body_of(messages=said(LONG), num_ctx=16_000)
    assert (body["truncate"], body["shift"]) == (False, False)


def test_who_wants_a_prompt_cut_may_have_that() -> None:
    body = body_of(messages=said(LONG), num_ctx=2_048, truncate=True, shift=True)
    assert (body["truncate"], body["shift"], body["options"]) == (True, True, {"num_ctx": 2_048})


def test_the_window_of_a_model_comes_from_the_catalogue() -> None:
    assert resolve_target(PROVIDERS["embedded"], "smollm2-135m", {}).context_tokens == 2_048
    assert TARGET.context_tokens is None
