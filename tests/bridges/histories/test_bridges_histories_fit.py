"""A history of any kind is sent as the next host takes it, and nothing of it is lost in silence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from tests.support.chat_grammar import check_chat, check_turns_of_converse, check_turns_of_messages
from tests.support.contexts import HELLO
from tests.support.histories import histories
from tests.support.sent_histories import TARGETS, TOOLS, build

from puna.bridges.histories.rules import CHAT, CONVERSE, MESSAGES, OLLAMA, OPENAI, MessageRules
from puna.dialects.base import BuiltRequest, Target
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS

PROTOCOLS = {"anthropic_messages": MESSAGES, "bedrock_converse": CONVERSE, "ollama_native": OLLAMA}


def rules_of(target: Target) -> MessageRules:
    return target.quirks.messages or PROTOCOLS.get(target.dialect, CHAT)


def bodies(target: Target, messages: list[dict[str, Any]]) -> Iterator[BuiltRequest]:
    # A model that reads images, so that none is refused.
    target = replace(target, input_modalities=None, quirks=replace(target.quirks, max_images=None))
    if target.dialect == "embedded_chat":
        messages = [m for m in messages if "image_url" not in json.dumps(m)]
        messages = messages or HELLO
    yield build(target, messages, tools=TOOLS)
    yield build(target, messages)


@given(name=st.sampled_from(sorted(TARGETS)), messages=histories())
def test_any_history_keeps_the_grammar_of_the_host(
    name: str, messages: list[dict[str, Any]]
) -> None:
    target = TARGETS[name]
    for built in bodies(target, messages):
        sent = json.loads(built.http.body)
        if target.dialect == "anthropic_messages":
            check_turns_of_messages(sent["messages"])
        elif target.dialect == "bedrock_converse":
            check_turns_of_converse(sent["messages"])
        elif target.dialect != "embedded_chat":  # which makes plain texts of calls and results
            check_chat(sent["messages"], rules_of(target))


@given(name=st.sampled_from(sorted(TARGETS)), messages=histories())
def test_nothing_of_a_history_is_lost_in_silence(name: str, messages: list[dict[str, Any]]) -> None:
    for built in bodies(TARGETS[name], messages):
        kept = messages
        if TARGETS[name].dialect == "embedded_chat":
            kept = [m for m in messages if "image_url" not in json.dumps(m)]
        told = set(re.findall(r"canary-[a-z0-9]+", json.dumps(kept)))
        sent = set(re.findall(r"canary-[a-z0-9]+", built.http.body.decode()))
        if not told <= sent:
            assert built.dropped_params, told - sent


@given(name=st.sampled_from(sorted(TARGETS)), messages=histories(most=6))
def test_what_was_sent_before_stays_as_it_was(name: str, messages: list[dict[str, Any]]) -> None:
    """Caches keep prefixes: the next turn must not change how the earlier ones are written."""
    target = TARGETS[name]
    done = [*messages, {"role": "assistant", "content": "canary-done."}]
    more = [*done, *HELLO]
    for before, after in zip(bodies(target, done), bodies(target, more), strict=True):
        first, second = (
            [json.dumps(m) for m in json.loads(one.http.body)["messages"]]
            for one in (before, after)
        )
        assert second[: len(first)] == first


def test_hints_of_openai_go_only_to_hosts_that_know_them() -> None:
    hints = {"store": False, "prompt_cache_key": "k", "safety_identifier": "s"}
    built = build(TARGETS["hosted_vllm"], HELLO, **hints)
    assert set(json.loads(built.http.body)) == {"model", "messages"}
    assert built.dropped_params == tuple(sorted(hints))
    own = build(TARGETS["openai"], HELLO, **hints)
    assert json.loads(own.http.body).items() >= hints.items()


def test_openai_itself_takes_what_other_hosts_do_not() -> None:
    assert TARGETS["openai"].quirks.messages == OPENAI
    elsewhere = resolve_target(PROVIDERS["openai"], "m", {}, api_base="http://h.test/v1")
    assert elsewhere.quirks.messages is None
