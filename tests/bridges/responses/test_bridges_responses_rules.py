"""Fields that chat has not: refused, left out and told, or kept by the caller's wish."""

from __future__ import annotations

from typing import Any

import pytest

from puna.bridges.omissions import Omissions
from puna.bridges.responses.rules import drop_unsupported_fields
from puna.errors import BadRequestError, UnsupportedParamsError


def left(
    given: dict[str, Any], *allowed: str, may_drop: bool = False
) -> tuple[dict[str, Any], tuple[str, ...]]:
    omissions = Omissions(may_drop=may_drop)
    drop_unsupported_fields(given, frozenset(allowed), omissions)
    return given, omissions.names


def test_hints_go_unless_they_are_allowed() -> None:
    given = {"service_tier": "flex", "prompt_cache_key": "k", "temperature": 1}
    rest, told = left(dict(given), "prompt_cache_key")
    assert rest == {"prompt_cache_key": "k", "temperature": 1}
    assert told == ("service_tier",)


@pytest.mark.parametrize("name", ["access_programs", "context_management", "moderation", "image"])
def test_what_would_change_the_answer_is_refused_or_dropped(name: str) -> None:
    with pytest.raises(UnsupportedParamsError) as caught:
        left({name: {"a": 1}})
    assert caught.value.param == name
    assert left({name: {"a": 1}}, may_drop=True) == ({}, (name,))


def test_an_empty_context_management_asks_for_nothing() -> None:
    assert left({"context_management": []}) == ({}, ())


def test_a_prompt_template_is_refused_whatever_the_caller_drops() -> None:
    with pytest.raises(BadRequestError) as caught:
        left({"prompt": {"id": "p"}}, may_drop=True)
    assert caught.value.param == "prompt"
    assert left({"prompt": None}) == ({}, ())
