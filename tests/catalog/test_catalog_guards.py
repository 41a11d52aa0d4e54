"""Which models are a Llama Guard, by the names that hosts give them."""

from __future__ import annotations

import pytest

from puna.bridges.guard import NAMES
from puna.catalog.guards import find_guard


@pytest.mark.parametrize(
    ("name", "hazards", "reads_images"),
    [
        ("meta-llama/llama-guard-4-12b", 14, True),
        ("meta-llama/Llama-Guard-4-12B", 14, True),
        ("accounts/fireworks/models/llama-guard-3-8b", 14, False),
        ("meta-llama/Llama-Guard-3-11B-Vision-Turbo", 13, True),
        ("llama-guard3:1b", 13, False),
        ("llama-guard3:8b", 14, False),
        ("Meta-Llama-Guard-3-8B", 14, False),
        ("meta-llama/Llama-Guard-3-1B-INT4", 13, False),
    ],
)
def test_hosts_names_of_a_llama_guard_are_known(
    name: str, hazards: int, *, reads_images: bool
) -> None:
    guard = find_guard(name)
    assert guard is not None
    assert (len(guard.codes), guard.reads_images) == (hazards, reads_images)
    assert set(NAMES) <= set(guard.codes)


@pytest.mark.parametrize(
    "name",
    ["meta-llama/LlamaGuard-7b", "Llama-Guard-2-8b", "llama-prompt-guard-2-86m", "llama-4-scout"],
)
def test_other_models_are_no_guard(name: str) -> None:
    assert find_guard(name) is None
