from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.contexts import request_for, target_for

from puna.dialects.base import Target
from puna.dialects.quirks import Quirks
from puna.dialects.request_rules import accepts_request
from puna.routing.attempts import Plan
from puna.routing.deployment import Deployment
from puna.routing.suitable import Accepts, suitable

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
PICTURE = [
    {
        "role": "user",
        "content": [{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}],
    }
]

ABLE = target_for()
UNABLE = target_for(
    quirks=Quirks(
        unsupported_params=frozenset(("tools",)),
        ignored_params=frozenset(("user",)),
        response_formats=frozenset(("text",)),
        max_choices=1,
    ),
    input_modalities=frozenset(("text",)),
)


def named(name: str, target: Target) -> Deployment:
    return Deployment(deployment_id=name, public_name="llama", target=target)


BOTH = (named("able", ABLE), named("unable", UNABLE))


def takes(**fields: Any) -> Accepts:
    request = request_for(**fields)
    return lambda deployment: accepts_request(request, deployment.target)


def asked(plan: Plan, **fields: Any) -> list[str]:
    return [one.deployment_id for one in suitable(plan, takes(**fields)).group]


@pytest.mark.parametrize(
    "fields",
    [
        {"tools": TOOLS},
        {"n": 2},
        {"user": "somebody"},
        {"messages": PICTURE},
        {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "x", "schema": {"type": "object"}},
            }
        },
    ],
    ids=lambda fields: next(iter(fields)),
)
def test_who_would_refuse_or_lose_a_part_is_not_asked(fields: dict[str, Any]) -> None:
    assert asked(Plan(BOTH), **fields) == ["able"]


@pytest.mark.parametrize(
    "fields", [{}, {"n": 1}, {"temperature": 0}, {"response_format": {"type": "text"}}]
)
def test_what_all_take_may_go_to_all(fields: dict[str, Any]) -> None:
    assert asked(Plan(BOTH), **fields) == ["able", "unable"]


def test_where_nobody_takes_it_whole_nobody_is_left_out() -> None:
    plan = Plan((named("a", UNABLE), named("b", UNABLE)))
    assert suitable(plan, takes(tools=TOOLS)) is plan


def test_fallbacks_are_looked_at_in_the_same_way() -> None:
    plan = suitable(Plan((BOTH[1],), fallbacks=(BOTH,)), takes(tools=TOOLS))
    assert [[one.deployment_id for one in group] for group in plan.fallbacks] == [["able"]]
    assert plan.group == (BOTH[1],)


def test_a_plan_that_needs_no_change_stays_the_same_object() -> None:
    plan = Plan((named("a", ABLE), named("b", ABLE)))
    assert suitable(plan, takes(tools=TOOLS)) is plan


@pytest.mark.parametrize("drop_params", [False, True])
def test_a_target_without_a_field_of_a_message_is_not_asked_first(*, drop_params: bool) -> None:
    nameless = target_for(quirks=Quirks(unsupported_message_fields=frozenset(("name",))))
    plan = Plan((named("nameless", nameless), named("able", ABLE)))
    asked = replace(
        request_for(messages=[{"role": "user", "name": "Ana", "content": "Hello"}]),
        drop_params=drop_params,
    )
    kept = suitable(plan, lambda one: accepts_request(asked, one.target))
    assert [one.deployment_id for one in kept.group] == ["able"]
    plain = suitable(plan, lambda one: accepts_request(request_for(), one.target))
    assert len(plain.group) == 2


def test_two_different_deployments_of_which_none_takes_it_are_both_asked() -> None:
    one = named("one", UNABLE)
    two = named("two", replace(UNABLE, input_modalities=frozenset(("text", "audio"))))
    plan = Plan([one, two])
    assert suitable(plan, lambda _: False) is plan
    assert suitable(plan, lambda _: True) is plan
    assert suitable(plan, lambda each: each is two).group == [two]
