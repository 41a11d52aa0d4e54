"""What calls cost: cache prices, discounts, margins, and prices that nobody knows."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.drop_in import HI, KEY, MODEL
from tests.support.upstream import Reply, Upstream, completion_body

import litellm

PRICES = {
    "litellm_provider": "groq",
    "mode": "chat",
    "input_cost_per_token": 0.000010,
    "output_cost_per_token": 0.000020,
    "cache_read_input_token_cost": 0.000001,
    "cache_creation_input_token_cost": 0.0000125,
    "cache_creation_input_token_cost_above_1hr": 0.00002,
}
PRICED = "groq/priced"


@pytest.fixture(autouse=True)
def _a_model_with_prices() -> None:
    litellm.register_model({PRICED: PRICES})


@pytest.mark.parametrize(
    ("usage", "dollars"),
    [
        ({"prompt_tokens": 100, "completion_tokens": 10}, 0.0012),
        ({"prompt_tokens": 100, "prompt_tokens_details": {"cached_tokens": 80}}, 0.00028),
        ({"prompt_tokens": 100, "cache_read_input_tokens": 80}, 0.00028),
        ({"prompt_tokens": 100, "cache_creation_input_tokens": 80}, 0.0012),
        (
            {
                "prompt_tokens": 100,
                "cache_read_input_tokens": 40,
                "cache_creation_input_tokens": 40,
            },
            0.00074,
        ),
        ({"prompt_tokens": 10, "cache_read_input_tokens": 80}, 0.00001),
    ],
)
def test_tokens_of_the_cache_have_their_own_price(usage: dict[str, Any], dollars: float) -> None:
    answer = {"model": PRICED, "usage": usage}

    assert litellm.completion_cost(answer) == pytest.approx(dollars)
    made = litellm.ModelResponse(model=PRICED, usage=litellm.Usage(**usage))
    assert litellm.completion_cost(made) == pytest.approx(dollars)
    costs: Any = litellm.cost_per_token(PRICED, usage_object=usage)
    assert sum(costs) == pytest.approx(dollars)


def test_tokens_written_for_an_hour_have_theirs() -> None:
    details = {
        "cache_creation_tokens": 80,
        "cache_creation_token_details": {"ephemeral_1h_input_tokens": 30},
    }
    usage = {"prompt_tokens": 100, "prompt_tokens_details": details}

    wanted = 20 * 0.00001 + 50 * 0.0000125 + 30 * 0.00002
    assert litellm.completion_cost({"model": PRICED, "usage": usage}) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("discounts", "margins", "factor", "more"),
    [
        ({"groq": 0.05}, {}, 0.95, 0.0),
        ({"openai": 0.05}, {}, 1.0, 0.0),
        ({}, {"groq": 0.1}, 1.1, 0.0),
        ({}, {"global": 0.1}, 1.1, 0.0),
        ({}, {"global": 0.1, "groq": {"percentage": 0.2, "fixed_amount": 0.5}}, 1.2, 0.5),
        ({"groq": 0.5}, {"groq": {"fixed_amount": 0.5}}, 0.5, 0.5),
    ],
)
def test_discounts_and_margins_of_a_host_reach_every_cost(
    discounts: dict[str, float],
    margins: dict[str, Any],
    factor: float,
    more: float,
    upstream: Upstream,
) -> None:
    litellm.cost_discount_config = discounts
    litellm.cost_margin_config = margins
    told: list[float] = []
    litellm.success_callback = [lambda kwargs, *_: told.append(kwargs["response_cost"])]
    upstream.plays(
        Reply.json(completion_body(usage={"prompt_tokens": 100, "completion_tokens": 10}))
    )

    answer = litellm.completion(
        PRICED,
        HI,
        api_base=upstream.url,
        api_key=KEY,
        input_cost_per_token=0.00001,
        output_cost_per_token=0.00002,
    )

    wanted = 0.0012 * factor + more
    assert litellm.completion_cost(answer, model=PRICED) == pytest.approx(wanted)
    assert answer._hidden_params["response_cost"] == pytest.approx(wanted)
    assert told == [pytest.approx(wanted)]


def test_a_price_that_nobody_published_is_none_everywhere() -> None:
    info = litellm.get_model_info(MODEL)
    answer = litellm.completion(MODEL, HI, mock_response="hey")

    assert (info["input_cost_per_token"], info["output_cost_per_token"]) == (None, None)
    assert answer._hidden_params["response_cost"] is None
    assert litellm.completion_cost(answer) is None
    assert litellm.cost_per_token(MODEL, 1, 2) == (None, None)
    litellm.cost_margin_config = {"global": {"fixed_amount": 1.0}}
    assert litellm.completion_cost(answer) is None


def test_a_model_that_is_free_costs_nothing() -> None:
    litellm.register_model(
        {"groq/free": {**PRICES, "input_cost_per_token": 0, "output_cost_per_token": 0.0}}
    )

    assert litellm.completion_cost(model="groq/free", prompt="a", completion="b") == 0.0


def test_the_llama_chat_models_of_all_hosts_are_known() -> None:
    """LiteLLM 1.106.2 lists 333 of them."""
    listed = [
        name
        for name, entry in litellm.model_cost.items()
        if "llama" in name.lower() and entry["mode"] == "chat"
    ]

    assert len(listed) >= 333
    assert all(litellm.get_model_info(name)["key"] == name for name in listed)
    info = litellm.get_model_info("replicate/meta/llama-3-70b-instruct")
    assert (info["input_cost_per_token"], info["output_cost_per_token"]) == (6.5e-07, 2.75e-06)


def test_models_of_hosts_without_a_row_are_not_called_usable() -> None:
    assert not [name for name in litellm.get_valid_models() if name.startswith("replicate/")]
