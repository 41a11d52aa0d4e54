"""Which models are a Llama Guard, by the names that hosts give them."""

from __future__ import annotations

import pytest

from puna.catalog.guards import find_guard


@pytest.mark.parametrize(
    ("model", "hazards", "reads_images"),
    [
        ("meta-llama/Llama-Guard-4-12B", 14, True),
        ("meta-llama/llama-guard-4-12b:free", 14, True),
        ("llama-guard3:8b", 14, False),
        ("llama-guard3:1b", 13, False),
        ("meta-llama/Llama-Guard-3-11B-Vision", 13, True),
        ("llama_guard_3_8b", 14, False),
    ],
)
def test_a_guard_is_known_by_any_spelling(model: str, hazards: int, *, reads_images: bool) -> None:
    facts = find_guard(model)
    assert facts is not None
    assert (len(facts.codes), facts.reads_images) == (hazards, reads_images)
    assert facts.codes[0] == "S1"


@pytest.mark.parametrize(
    "model", ["llama-guard-2-8b", "LlamaGuard-7b", "llama-guard-30b", "llama-3.3-70b", "guard"]
)
def test_any_other_model_is_none(model: str) -> None:
    assert find_guard(model) is None
