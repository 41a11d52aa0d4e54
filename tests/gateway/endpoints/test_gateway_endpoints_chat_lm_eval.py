"""What lm-eval's `local-completions` asks of text completions, and reads in the answers.

Source: lm-evaluation-harness, `lm_eval/models/openai_completions.py`: `_create_payload`,
`parse_logprobs`, `parse_generations`.
"""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.asgi import House
from tests.support.native_texts import (
    CONFIG,
    choice,
    sent,
    whole,
)

from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.wire.http import HTTPRequest

WORDS = {1: "The", 2: " sky", 3: " is", 4: " blue", 5: " red"}
KNOWN = {4: -0.25, 5: -2.5}
"""The log probabilities of the last words; each other word has -1.0."""


def base_model(request: HTTPRequest) -> Recorded:
    """A host of token ids and texts that echoes them, adds a word, and answers out of order."""
    asked = json.loads(request.body)
    prompts: Any = asked["prompt"]
    if isinstance(prompts, str) or isinstance(prompts[0], int):
        prompts = [prompts]
    choices: list[dict[str, Any]] = []
    for index, prompt in enumerate(prompts):
        ids: list[int] = prompt
        if isinstance(prompt, str):
            ids = [number for number, word in WORDS.items() if word in prompt]
        said = [*ids, 1] if asked.get("echo") else [1]
        probabilities = [None, *(KNOWN.get(one, -1.0) for one in said[1:])]
        logprobs = {
            "tokens": [WORDS[one] for one in said],
            "token_logprobs": probabilities,
            "top_logprobs": [one and {"best": max(one, -1.0)} for one in probabilities],
            "text_offset": [0] * len(said),
        }
        text = "".join(WORDS[one] for one in said)
        told = logprobs if "logprobs" in asked else None
        choices.append(choice(text, index, logprobs=told, finish_reason="length"))
    return whole(*reversed(choices))


def likelihoods(answer: Any, context_lengths: list[int]) -> list[tuple[float, bool]]:
    """What lm-eval reads: the sum over the continuation, and whether it is the likeliest one."""
    read: list[tuple[float, bool]] = []
    choices = sorted(answer["choices"], key=lambda one: one["index"])
    for one, length in zip(choices, context_lengths, strict=True):
        told = one["logprobs"]
        tokens, best = (told[n][length:-1] for n in ("token_logprobs", "top_logprobs"))
        greedy = all(a == max(b.values()) for a, b in zip(tokens, best, strict=True))
        read.append((sum(tokens), greedy))
    return read


LIKELIHOOD = {"temperature": 0, "max_tokens": 1, "logprobs": 1, "seed": 1234, "echo": True}
GENERATION = {"temperature": 0, "max_tokens": 256, "stop": ["\n\n", "Q:"], "seed": 1234}


@pytest.mark.parametrize(
    ("prompt", "lengths", "expected"),
    [
        ([[1, 2, 3, 4]], [3], [(-0.25, True)]),
        ([[1, 2, 3, 4], [1, 2, 3, 5]], [3, 3], [(-0.25, True), (-2.5, False)]),
        ([[1, 2, 3, 5], [1, 4]], [2, 1], [(-3.5, False), (-0.25, True)]),
        (["The sky is blue", "The sky is red"], [3, 3], [(-0.25, True), (-2.5, False)]),
        ("The sky is red", [1], [(-4.5, False)]),
    ],
)
def test_lm_eval_reads_the_likelihoods_that_the_host_told(
    prompt: Any, lengths: list[int], expected: list[tuple[float, bool]]
) -> None:
    """The request of its `local-completions`, tokenized or not, alone and in batches."""
    transport = AsyncReplayTransport(base_model)
    made = House(transport=transport, config=CONFIG)
    answer = made.ask("/v1/completions", {"model": "base", "prompt": prompt, **LIKELIHOOD})
    assert answer.status == 200, answer.text
    assert sent(transport) == {"model": "m", "prompt": prompt, **LIKELIHOOD}
    assert likelihoods(answer.json, lengths) == expected


@pytest.mark.parametrize("prompt", ["The sky", [[1, 2]], [[1, 2], [3]], ["The", "The sky"]])
def test_lm_eval_reads_the_texts_that_it_had_generated(prompt: Any) -> None:
    transport = AsyncReplayTransport(base_model)
    made = House(transport=transport, config=CONFIG)
    answer = made.ask("/v1/completions", {"model": "base", "prompt": prompt, **GENERATION})
    assert sent(transport) == {"model": "m", "prompt": prompt, **GENERATION}
    texts = {one["index"]: one["text"] for one in answer.json["choices"]}
    assert texts == dict.fromkeys(range(len(texts)), "The")
    assert len(texts) == (1 if isinstance(prompt, str) else len(prompt))
