"""How much calls may use at most, before they are made."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.catalog.prices import Price
from puna.dialects.base import Target
from puna.engine.call import Call
from puna.engine.usage_bounds import UsageBound, bound_of
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.types.moderations import make_moderation_request
from puna.types.requests import make_chat_request

PRICE = Price(input_picos=10, output_picos=100, cache_write_picos=12)
ONE = Deployment(
    deployment_id="one", public_name="m", target=Target("p", "m", "http://up"), price=PRICE
)


def chat(text: Any = "hi", *others: Deployment, one: Deployment = ONE, **fields: Any) -> Call[Any]:
    request = make_chat_request("m", [{"role": "user", "content": text}], fields)
    return Call(request, Plan(group=[one], fallbacks=[others] if others else []))


def with_limits(window: int | None = None, longest: int | None = None) -> Deployment:
    target = replace(ONE.target, context_tokens=window, max_output_tokens=longest)
    return replace(ONE, target=target)


def test_a_request_that_nothing_bounds_has_no_bound() -> None:
    assert bound_of([chat()]) == UsageBound("m", None, None)


@given(text=st.text(max_size=2_000), limit=st.integers(1, 5_000), choices=st.integers(1, 5))
def test_the_bound_holds_each_byte_of_the_prompt_and_all_choices(
    text: str, limit: int, choices: int
) -> None:
    call = chat(text or "x", max_tokens=limit, n=choices)
    ask = bound_of([call])
    assert ask.most_tokens is not None
    assert ask.most_picos is not None
    prompt = ask.most_tokens - limit * choices
    assert prompt >= len(text.encode("utf-8", "replace"))  # no token is less than a byte
    assert ask.most_picos == prompt * 12 + limit * choices * 100


def test_the_model_bounds_what_the_request_does_not() -> None:
    assert bound_of([chat(one=with_limits(8_000, 500))]).most_tokens in range(510, 800)
    assert bound_of([chat("x" * 50_000, one=with_limits(8_000, 500))]).most_tokens == 8_500
    assert bound_of([chat(one=with_limits(8_000))]).most_tokens in range(8_010, 8_300)


def test_an_image_may_take_all_of_the_window() -> None:
    image = [{"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}]
    assert bound_of([chat(image, max_tokens=5)]) == UsageBound("m", None, None)
    assert bound_of([chat(image, max_tokens=5, one=with_limits(8_000))]).most_tokens == 8_005


def test_the_dearest_deployment_counts_and_every_call() -> None:
    dear = replace(ONE, deployment_id="dear", price=Price(1_000, 1_000))
    single = bound_of([chat("hi", dear, max_tokens=5)])
    assert single.most_tokens is not None
    assert single.most_picos == single.most_tokens * 1_000
    assert single.most_picos is not None
    double = bound_of([chat("hi", dear, max_tokens=5)] * 2)
    assert double == UsageBound("m", single.most_tokens * 2, single.most_picos * 2)
    unpriced = replace(dear, price=None)
    assert bound_of([chat("hi", unpriced, max_tokens=5)]) == UsageBound(
        "m", single.most_tokens, None
    )
    unbounded = replace(ONE, deployment_id="other", params={"max_tokens": 7})
    assert bound_of([chat("hi", unbounded)]) == UsageBound(
        "m", None, None
    )  # the first has no limit


def test_an_answer_that_costs_nothing_is_asked_for_nothing() -> None:
    assert bound_of([chat(one=replace(ONE, canned_answer="hello"))]) == UsageBound("m", 0, 0)


@pytest.mark.parametrize("retries", [0, 2])
def test_answers_that_fit_no_format_are_paid_too(retries: int) -> None:
    wanted = {"type": "json_object"}
    call = chat(max_tokens=10, response_format=wanted)
    once = bound_of([call])
    held = replace(
        call.request,
        emulate_response_format=True,
        format_retries=retries,
        unwanted_params=frozenset({"response_format"}),
    )
    ask = bound_of([replace(call, request=held)])
    assert once.most_tokens is not None
    assert ask.most_tokens is not None
    assert ask.most_tokens >= (retries + 1) * once.most_tokens


def test_a_guard_reads_more_than_the_text_that_it_judges() -> None:
    request = make_moderation_request("m", "hi", {})
    call: Call[Any] = Call(request, Plan(group=[with_limits(8_000, 100)]))
    assert bound_of([call]).most_tokens == 8_100
