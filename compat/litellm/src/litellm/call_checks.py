"""What the module's settings check around a call: rules, a budget, prices, a schema.

`pre_call_rules` see the text of a prompt, `post_call_rules` that of an answer, and of a stream so
far with each chunk; a rule that returns False, or a dict whose `decision` is False, fails the call.
`max_budget` is a sum in US dollars of this process: it is compared before a call, so the call that
passes it is the last one, and calls whose price is unknown are not in it (they are warned of).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import litellm
from litellm.exceptions import (
    APIResponseValidationError,
    BudgetExceededError,
    JSONSchemaValidationError,
    ModelNotMappedError,
)
from litellm.model_table import find_entry
from litellm.settings import warn_once
from litellm.types.utils import ModelResponse
from puna.bridges.structured import schema_of

_FAILED = "LLM Response failed post-call-rule check"


def check_request(asked: Any, model: str, provider: str) -> None:
    """The budget, the price and the rules for a prompt: messages, a text, or a list of these.

    Raises:
        BudgetExceededError: `max_budget` is spent.
        ModelNotMappedError: calls without a price are blocked, and this model has none.
        APIResponseValidationError: a rule says no.
    """
    if litellm.max_budget and litellm._current_cost > litellm.max_budget:  # noqa: SLF001 - LiteLLM's name for it
        raise BudgetExceededError(litellm._current_cost, litellm.max_budget)  # noqa: SLF001 - as above
    if litellm.block_requests_for_models_without_pricing and not _has_price(model, provider):
        raise ModelNotMappedError(
            f"`{model}` has no price, and `litellm.block_requests_for_models_without_pricing` is "
            "set. Give its price with `litellm.register_model`."
        )
    if litellm.pre_call_rules:
        _obey(litellm.pre_call_rules, "".join(_texts(asked)), model)


def check_answer(
    answer: Any, model: str, provider: str, response_format: Any, *, is_validated: bool
) -> None:
    """The rules and the schema for a whole answer.

    Raises:
        APIResponseValidationError: a rule says no.
        JSONSchemaValidationError: it does not keep to the schema of `response_format`.
    """
    if not isinstance(answer, ModelResponse) or not answer.choices:
        return
    text = answer.choices[0].message.content
    check_nested_json(text, model)
    if is_validated and text is not None:
        _check_schema(text, response_format, model, provider)


def check_nested_json(text: str | None, model: str) -> None:
    """The rules for an answer's text, or for a stream's so far."""
    if litellm.post_call_rules and text is not None:
        _obey(litellm.post_call_rules, text, model)


def note_cost(hidden_params: Mapping[str, Any], model: str) -> None:
    """Add what a call cost to the sum that `max_budget` limits."""
    if not litellm.max_budget:
        return
    cost = hidden_params.get("response_cost")
    if cost is None:
        warn_once(
            f"max_budget of {model}",
            f"`litellm.max_budget` counts no call of `{model}`, "
            "whose price is unknown; give it with `litellm.register_model`.",
        )
    else:
        litellm._current_cost += cost  # noqa: SLF001 - as above


def _obey(rules: Sequence[Callable[[str], Any]], text: str, model: str) -> None:
    for rule in rules:
        decision = rule(text)
        message = _FAILED
        if isinstance(decision, Mapping):
            message = decision.get("message", _FAILED)
            decision = decision.get("decision", True)
        if decision is False:
            raise APIResponseValidationError(message=message, llm_provider="", model=model)


def _texts(asked: Any) -> list[str]:
    """All texts of a prompt, in order."""
    if isinstance(asked, str):
        return [asked]
    if isinstance(asked, Mapping):
        named = ("content", "text", "input", "prompt")
        return [text for name in named for text in _texts(asked.get(name))]
    if isinstance(asked, Sequence):
        return [text for one in asked for text in _texts(one)]
    return _texts(asked.model_dump()) if hasattr(asked, "model_dump") else []


def _has_price(model: str, provider: str) -> bool:
    found = find_entry(model, provider)
    return found is not None and found[1].get("input_cost_per_token") is not None


def _check_schema(text: str, response_format: Any, model: str, provider: str) -> None:
    from puna.embedded.checks import first_fault

    schema = _schema_of(response_format)
    if schema is None:
        return
    try:
        fits = first_fault(json.loads(text), schema, param="response_format") is None
    except ValueError:
        fits = False
    if not fits:
        raise JSONSchemaValidationError(
            model=model, llm_provider=provider, raw_response=text, schema=json.dumps(schema)
        )


def _schema_of(response_format: Any) -> Mapping[str, Any] | None:
    if isinstance(response_format, Mapping):
        return schema_of(response_format)
    make = getattr(response_format, "model_json_schema", None)
    return make() if make is not None else None


__all__ = ["check_answer", "check_nested_json", "check_request", "note_cost"]
