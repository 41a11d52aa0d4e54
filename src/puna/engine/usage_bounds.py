"""Computes how many tokens and how much money calls may use at most, before they are made.

An admission reserves as much for a visit: see `gateway/visit.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from puna.catalog.prices import Price
from puna.engine.call import Call, for_deployment, price_of
from puna.engine.formats import held_format
from puna.routing.deployment import Deployment
from puna.types.embeddings import EmbeddingRequest
from puna.types.model_request import ModelRequest
from puna.types.moderations import ModerationRequest
from puna.types.requests import ChatRequest

_TEXTS = ("messages", "items", "earlier", "prompt", "input")
"""The fields in which the kinds of requests have their texts."""
# Parameters: the most tokens of one choice, and how many choices.
_LIMITS = ("max_completion_tokens", "max_output_tokens", "max_tokens")
_COUNTS = ("n", "best_of")
# JSON with one of these holds a part whose tokens do not depend on its bytes.
_IMAGES = ('"image_url"', '"input_image"', '"type": "image"', '"input_audio"', '"input_file"')
_DATA = re.compile(r'data:[^"]*+')
_PER_IMAGE = 1_600
"""Tokens of an image or a file, where they can only be estimated."""
_OF_GUARDS = 1_024
"""Tokens of a guard's own instructions, where they can only be estimated."""
_PER_TEXT = 64
"""Tokens that a host may put around each text, above what the bytes of JSON around it allow for."""


@dataclass(frozen=True, slots=True)
class UsageBound:
    """The upper bound of what some calls may use.

    Attributes:
        model: the public name of the model.
        most_tokens: the most tokens of all prompts and answers together; None where neither the
            request nor the catalog bounds them.
        most_picos: the most that all calls cost, in 1e-12 US dollars; None where not known.
    """

    model: str
    most_tokens: int | None
    most_picos: int | None


@dataclass(frozen=True, slots=True)
class _CallBound:
    """The most tokens of one call, and the most that they cost in 1e-12 US dollars."""

    tokens: int
    picos: int | None


def bound_of(calls: Sequence[Call[Any]], answer_tokens: int | None = None) -> UsageBound:
    """Compute the upper bound of these calls together. There must be at least one.

    With `answer_tokens` it is an estimate, for reservations that may turn out too small: an answer
    without a limit in the request counts as so many tokens, or the model's most if that is less,
    and a prompt that nothing bounds is estimated. So `most_tokens` is never None.

    Each call counts as if its dearest deployment answered, fallbacks included. A failed attempt
    costs nothing, so retries are not counted. Further attempts at an answer that does not fit the
    `response_format` do cost, and are counted.
    """
    tokens, picos, is_priced = 0, 0, True
    for call in calls:
        for_each = [_bound_call(call, one, answer_tokens) for one in call.plan.deployments]
        known = [one for one in for_each if one is not None]
        if not known or len(known) < len(for_each):
            return UsageBound(calls[0].request.model, None, None)
        tokens += max(one.tokens for one in known)
        costs = [one.picos for one in known if one.picos is not None]
        is_priced = is_priced and len(costs) == len(known)
        picos += max(costs, default=0)
    return UsageBound(calls[0].request.model, tokens, picos if is_priced else None)


def _bound_call(
    call: Call[Any], deployment: Deployment, answer_tokens: int | None
) -> _CallBound | None:
    """The bound of a call where this deployment answers; None where nothing bounds it."""
    if call.canned is not None or deployment.canned_answer is not None:
        return _CallBound(0, 0)
    request: ModelRequest = for_deployment(call, deployment)
    prompt = _most_prompt_tokens(request, deployment, is_estimate=answer_tokens is not None)
    answer = _most_answer_tokens(request, deployment, answer_tokens)
    if prompt is None or answer is None:
        return None
    if isinstance(request, ChatRequest):
        held = held_format(request, deployment.target)
        if held is not None:  # each further try shows the model its answers so far
            tries = held.retries + 1
            prompt, answer = tries * (2 * prompt + tries * answer), tries * answer
    price = price_of(deployment)
    return _CallBound(prompt + answer, None if price is None else _most_cost(price, prompt, answer))


def _most_prompt_tokens(
    request: ModelRequest, deployment: Deployment, *, is_estimate: bool
) -> int | None:
    """The most tokens of the prompt: the bytes of its JSON, or the context window if less."""
    window = deployment.target.context_tokens
    extra = 0
    if isinstance(request, ModerationRequest):
        if not is_estimate:
            return window  # a guard's own instructions are part of its prompt
        extra = _OF_GUARDS
    texts = [value for name in _TEXTS if (value := getattr(request, name, None)) is not None]
    written = json.dumps([texts, dict(request.params)], ensure_ascii=False, default=str)
    if any(word in written for word in _IMAGES):
        if not is_estimate:
            return window
        extra += _PER_IMAGE * sum(written.count(word) for word in _IMAGES)
        written = _DATA.sub("", written)
    size = len(written.encode("utf-8", "replace")) + _PER_TEXT * (1 + len(texts)) + extra
    return size if window is None else min(size, window)


def _most_answer_tokens(
    request: ModelRequest, deployment: Deployment, estimated: int | None
) -> int | None:
    """The most tokens of all choices of the answer, by the request's limit or the model's."""
    if isinstance(request, EmbeddingRequest):
        return 0
    params, target = request.params, deployment.target
    given = [params[name] for name in _LIMITS if isinstance(params.get(name), int)]
    of_model = (target.max_output_tokens, target.context_tokens, estimated)
    known = [one for one in of_model if one is not None]
    limits: list[int] = given or known
    if not limits:
        return None
    choices = max(
        (params[name] for name in _COUNTS if isinstance(params.get(name), int)), default=1
    )
    return min(limits) * max(1, choices)


def _most_cost(price: Price, prompt: int, answer: int) -> int:
    """The most that so many tokens cost: the prompt counts at its dearest class of price."""
    classes = (
        price.input_picos,
        price.cached_input_picos or 0,
        price.cache_write_picos or 0,
        price.cache_write_1h_picos or 0,
    )
    return prompt * max(classes) + answer * price.output_picos
