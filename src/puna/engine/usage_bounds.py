"""Computes how many tokens and how much money calls may use at most, before they are made.

An admission reserves as much for a visit: see `gateway/visit.py`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

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


class UsageBound(NamedTuple):
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


class PlannedUsage(Protocol):
    """What a request is going to use of one model."""

    @property
    def model(self) -> str:
        """The public name of the model."""
        ...

    def bound(self, answer_tokens: int | None = None) -> UsageBound:
        """The most that it may use; with `answer_tokens` an estimate, as in `bound_of`."""
        ...


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """The planned calls of one model. There is at least one."""

    model: str
    calls: Sequence[Call[Any]]

    def bound(self, answer_tokens: int | None = None) -> UsageBound:
        """The most that the calls may use together."""
        return bound_of(self.calls, answer_tokens)


def group_by_model(calls: Iterable[Call[Any]]) -> Sequence[PlannedGroup]:
    """The calls in groups, one for each model that they ask for."""
    of_models: dict[str, list[Call[Any]]] = {}
    for call in calls:
        of_models.setdefault(call.request.model, []).append(call)
    return [PlannedGroup(model, its_calls) for model, its_calls in of_models.items()]


class _CallBound(NamedTuple):
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
    model = calls[0].request.model
    return combine_bounds(model, (_bound_call(call, answer_tokens) for call in calls))


def combine_bounds(model: str, bounds: Iterable[UsageBound]) -> UsageBound:
    """The bound of all of these together, which is None where one is."""
    tokens: int | None = 0
    picos: int | None = 0
    for one in bounds:
        tokens = None if tokens is None or one.most_tokens is None else tokens + one.most_tokens
        picos = None if picos is None or one.most_picos is None else picos + one.most_picos
    return UsageBound(model, tokens, None if tokens is None else picos)


def bound_of_sizes(
    model: str,
    prompt_bytes: int,
    limits: Mapping[str, Any],
    deployments: Iterable[tuple[Deployment, Price | None]],
    answer_tokens: int | None = None,
) -> UsageBound:
    """The bound of one chat call without images, whose request is not decoded.

    Args:
        model: the public name.
        prompt_bytes: the length of the request's body.
        limits: the parameters of the request that limit its answer, such as `max_tokens` and `n`.
        deployments: who may answer, with the price of each.
        answer_tokens: makes it an estimate, as in `bound_of`.
    """
    tokens = picos = 0
    is_priced = True
    for one, price in deployments:
        window, params = one.target.context_tokens, limits
        prompt = prompt_bytes + 2 * _PER_TEXT
        if one.params:
            params = {**_defaults_beside(limits, one.params), **limits}
            prompt += len(json.dumps(dict(one.params), default=str))
        if window is not None and window < prompt:
            prompt = window
        answer = _most_answer_tokens(params, one, answer_tokens)
        if answer is None:
            return UsageBound(model, None, None)
        tokens = max(tokens, prompt + answer)
        if price is None:
            is_priced = False
        else:
            picos = max(picos, _most_cost(price, prompt, answer))
    return UsageBound(model, tokens, picos if is_priced else None)


def _defaults_beside(limits: Mapping[str, Any], params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The default parameters that count beside a request's own: of a limit, the caller's wins."""
    if any(name in limits for name in _LIMITS):
        return {name: value for name, value in params.items() if name not in _LIMITS}
    return params


def _dearest(model: str, bounds: Sequence[_CallBound | None]) -> UsageBound:
    """The bound of a call that one of several deployments answers."""
    known = [one for one in bounds if one is not None]
    if not known or len(known) < len(bounds):
        return UsageBound(model, None, None)
    costs = [one.picos for one in known if one.picos is not None]
    is_priced = len(costs) == len(known)
    return UsageBound(model, max(one.tokens for one in known), max(costs) if is_priced else None)


def _price_bound(prompt: int, answer: int, price: Price | None) -> _CallBound:
    return _CallBound(prompt + answer, None if price is None else _most_cost(price, prompt, answer))


def _bound_call(call: Call[Any], answer_tokens: int | None) -> UsageBound:
    """The bound of a call, whichever of its deployments answers.

    Most deployments get the same request, whose texts are then measured once.
    """
    is_estimate = answer_tokens is not None
    measured: tuple[ModelRequest, int | None] | None = None
    bounds: list[_CallBound | None] = []
    for one in call.plan.deployments:
        if call.canned is not None or one.canned_answer is not None:
            bounds.append(_CallBound(0, 0))
            continue
        request: ModelRequest = for_deployment(call, one)
        if measured is None or measured[0] is not request:
            measured = request, _prompt_size(request, is_estimate=is_estimate)
        bounds.append(_bound_request(request, one, measured[1], answer_tokens))
    return _dearest(call.request.model, bounds)


def _bound_request(
    request: ModelRequest, deployment: Deployment, size: int | None, answer_tokens: int | None
) -> _CallBound | None:
    """The bound where this deployment answers; `size` is the prompt's, None where not bounded.

    None where nothing bounds it.
    """
    window = deployment.target.context_tokens
    prompt = min((one for one in (size, window) if one is not None), default=None)
    is_embedding = isinstance(request, EmbeddingRequest)
    answer = 0 if is_embedding else _most_answer_tokens(request.params, deployment, answer_tokens)
    if prompt is None or answer is None:
        return None
    if isinstance(request, ChatRequest):
        held = held_format(request, deployment.target)
        if held is not None:  # each further try shows the model its answers so far
            tries = held.retries + 1
            prompt, answer = tries * (2 * prompt + tries * answer), tries * answer
    return _price_bound(prompt, answer, price_of(deployment))


def _prompt_size(request: ModelRequest, *, is_estimate: bool) -> int | None:
    """The most tokens of the prompt by the bytes of its JSON; None where they do not bound it."""
    extra = 0
    if isinstance(request, ModerationRequest):
        if not is_estimate:
            return None  # a guard's own instructions are part of its prompt
        extra = _OF_GUARDS
    texts = [value for name in _TEXTS if (value := getattr(request, name, None)) is not None]
    written = json.dumps([texts, dict(request.params)], ensure_ascii=False, default=str)
    if any(word in written for word in _IMAGES):
        if not is_estimate:
            return None
        extra += _PER_IMAGE * sum(written.count(word) for word in _IMAGES)
        written = _DATA.sub("", written)
    return len(written.encode("utf-8", "replace")) + _PER_TEXT * (1 + len(texts)) + extra


def _most_answer_tokens(
    params: Mapping[str, Any], deployment: Deployment, estimated: int | None
) -> int | None:
    """The most tokens of all choices of the answer, by the request's limit or the model's."""
    given = [value for name in _LIMITS if isinstance(value := params.get(name), int)]
    if given:
        limit = min(given)
    else:
        target = deployment.target
        known = [
            one for one in (target.max_output_tokens, target.context_tokens) if one is not None
        ]
        if estimated is not None:
            known.append(estimated)
        if not known:
            return None
        limit = min(known)
    choices = [value for name in _COUNTS if isinstance(value := params.get(name), int)]
    return limit * max((1, *choices))


def _most_cost(price: Price, prompt: int, answer: int) -> int:
    """The most that so many tokens cost: the prompt counts at its dearest class of price."""
    classes = (
        price.input_picos,
        price.cached_input_picos or 0,
        price.cache_write_picos or 0,
        price.cache_write_1h_picos or 0,
    )
    return prompt * max(classes) + answer * price.output_picos
