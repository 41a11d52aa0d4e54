"""Ids of calls are those that a host accepts, no two are alike, and none changes later."""

from __future__ import annotations

import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.provider_suite import target_of
from tests.support.sent_histories import SESSION, TARGETS, TOOLS, build

from puna.bridges.histories.ids import CallIds
from puna.bridges.histories.rules import ALNUM_9, ANY_40, ANY_64, WORD_64, IdRule
from puna.dialects.base import Target
from puna.providers.table import PROVIDERS

RULES = [ANY_64, ANY_40, WORD_64, ALNUM_9]
IDS = st.text(max_size=80) | st.sampled_from(["call_1", "toolu_01", "abcDEF123", "", "call:1"])


@pytest.mark.parametrize("rule", RULES)
@given(ids=st.lists(IDS, max_size=6))
def test_every_call_has_an_id_of_its_own_that_the_host_accepts(
    rule: IdRule, ids: list[str]
) -> None:
    fitter = CallIds(rule, frozenset(ids))
    made = [fitter.fit(one) for one in ids]
    assert len(set(made)) == len(made)
    assert all(rule.accepts(one) for one in made)


@given(ids=st.lists(IDS, max_size=6), more=st.lists(st.text("xyz", max_size=5), max_size=3))
def test_an_id_stays_the_same_when_the_conversation_grows(ids: list[str], more: list[str]) -> None:
    now, later = CallIds(ALNUM_9, frozenset(ids)), CallIds(ALNUM_9, frozenset((*ids, *more)))
    assert [now.fit(one) for one in ids] == [later.fit(one) for one in (*ids, *more)][: len(ids)]


def test_an_id_that_is_accepted_stays_and_a_second_one_gets_another() -> None:
    fitter = CallIds(WORD_64, frozenset(("call_1",)))
    assert fitter.fit("call_1") == "call_1"
    assert fitter.fit("call_1").startswith("call_1_")


@pytest.mark.parametrize("name", ["anthropic", "bedrock", "mistral-like"])
def test_ids_of_another_host_are_fitted(name: str) -> None:
    """bifrost#5097, litellm#34239, hermes-agent#55092 and openclaw#102200: an id with marks, a tool
    that printed nothing, arguments as an object."""
    sent = build(TARGETS[name], SESSION, tools=TOOLS).http.body.decode()
    assert "functions.Bash:0" not in sent
    found = re.findall(r'"(?:id|tool_call_id|tool_use_id|toolUseId)":"([^"]+)"', sent)
    assert len(found) == 2
    assert len(set(found)) == 1
    assert re.fullmatch(r"[a-zA-Z0-9]{9}|[a-zA-Z0-9_-]{10,64}", found[0])
    assert "[no output]" in sent


@pytest.mark.parametrize(
    "target",
    [
        target_of(PROVIDERS["mistral"], "mistral-large-latest"),
        target_of(PROVIDERS["bedrock"], "mistral.ministral-3-14b-instruct"),
    ],
    ids=["mistral", "bedrock"],
)
def test_models_of_mistral_get_ids_of_nine_letters_and_digits(target: Target) -> None:
    """vercel/ai#11802."""
    sent = build(target, SESSION, tools=TOOLS).http.body.decode()
    found = set(re.findall(r'"(?:id|tool_call_id|toolUseId)":"([^"]+)"', sent))
    assert len(found) == 1
    assert re.fullmatch(r"[a-zA-Z0-9]{9}", found.pop())


def test_ids_that_the_host_accepts_stay_as_they_are() -> None:
    sent = json.loads(build(TARGETS["openai"], SESSION, tools=TOOLS).http.body)["messages"]
    assert sent[1]["tool_calls"][0]["id"] == sent[2]["tool_call_id"] == "functions.Bash:0"
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == '{"a":1}'


def test_a_long_id_gets_one_of_the_length_that_the_host_takes() -> None:
    """litellm#34239: an id above 64 characters."""
    text = json.dumps(SESSION).replace("functions.Bash:0", "call_" + "y" * 400)
    for name, most in (("openai", 40), ("bedrock", 64), ("hosted_vllm", 64)):
        sent = build(TARGETS[name], json.loads(text), tools=TOOLS).http.body.decode()
        (made,) = set(re.findall(r"call_y[a-zA-Z0-9_-]*", sent))
        assert len(made) == most
