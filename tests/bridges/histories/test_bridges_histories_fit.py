"""A history of any kind is sent as the next host takes it, and nothing of it is lost in silence."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.chat_grammar import (
    check_chat,
    check_turns_of_converse,
    check_turns_of_messages,
)
from tests.support.chats import PNG_URL
from tests.support.contexts import HELLO, request_for, target_for
from tests.support.histories import histories
from tests.support.provider_suite import target_of

from puna.bridges.histories.rules import (
    ALNUM_9,
    CHAT,
    CONVERSE,
    MESSAGES,
    OLLAMA,
    OPENAI,
    MessageRules,
)
from puna.dialects.base import BuiltRequest, Target
from puna.dialects.quirks import Quirks
from puna.dialects.table import DIALECTS
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.secret import Secret
from puna.wire.http import Timeouts

TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]
PROTOCOLS = {"anthropic_messages": MESSAGES, "bedrock_converse": CONVERSE, "ollama_native": OLLAMA}
MISTRAL_LIKE = replace(CHAT, call_ids=ALNUM_9, refuses_blanks=True)

TARGETS = {
    **{name: target_of(row) for name, row in PROVIDERS.items() if name != "embedded"},
    "embedded": target_for(dialect="embedded_chat", input_modalities=frozenset(("text", "image"))),
    "mistral-like": target_for(quirks=Quirks(messages=MISTRAL_LIKE)),
    "deepseek": target_of(PROVIDERS["hosted_vllm"], "deepseek-v4"),
}


def build(target: Target, messages: list[dict[str, Any]], **fields: Any) -> BuiltRequest:
    asked = request_for(messages=messages, **fields)
    return DIALECTS[target.dialect].build_request(asked, target, Timeouts())


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


SESSION: list[dict[str, Any]] = [
    {"role": "user", "content": "List."},
    {
        "role": "assistant",
        "tool_calls": [
            {
                "id": "functions.Bash:0",
                "type": "function",
                "function": {"name": "f", "arguments": {"a": 1}},
            }
        ],
    },
    {"role": "tool", "tool_call_id": "functions.Bash:0", "content": ""},
]


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


def test_lists_of_texts_become_strings_where_no_row_says_otherwise() -> None:
    """smolagents#1518: content as a list, for a host that takes strings."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": role, "content": parts} for role in ("system", "user", "assistant")]
    elsewhere = resolve_target(PROVIDERS["openai"], "m", {}, api_base="http://h.test/v1")
    sent = json.loads(build(elsewhere, messages).http.body)["messages"]
    assert [m["content"] for m in sent] == ["a\n\nb", "a\n\nb", "ab"]
    own = json.loads(build(TARGETS["openai"], messages).http.body)["messages"]
    assert [m["content"] for m in own] == [parts, parts, parts]


def test_a_message_between_a_call_and_its_result_moves_behind_it() -> None:
    """opencodex#1292, DSCodex#9."""
    call, result = SESSION[1], {**SESSION[2], "content": "done"}
    between = {"role": "user", "content": "Hurry."}
    sent = json.loads(build(TARGETS["groq"], [*HELLO, call, between, result]).http.body)
    assert [m["role"] for m in sent["messages"]] == ["user", "assistant", "tool", "user"]
    assert sent["messages"][3] == between


def test_instructions_stand_at_the_head_where_a_template_takes_no_others() -> None:
    messages = [
        {"role": "system", "content": "A."},
        {"role": "developer", "content": "B."},
        *HELLO,
        {"role": "system", "content": "C."},
    ]
    built = build(TARGETS["hosted_vllm"], messages)
    assert json.loads(built.http.body)["messages"] == [
        {"role": "system", "content": "A.\n\nB."},
        *HELLO,
        {"role": "user", "content": "[system message]\nC."},
    ]
    assert built.dropped_params == ()
    assert json.loads(build(TARGETS["openai"], messages).http.body)["messages"] == messages


THOUGHT: dict[str, Any] = {
    "role": "assistant",
    "content": "4",
    "reasoning_content": "2 and 2",
    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}],
}
THINKING: list[dict[str, Any]] = [
    *HELLO,
    THOUGHT,
    {"role": "tool", "tool_call_id": "c1", "content": "ok"},
]


@pytest.mark.parametrize(
    ("name", "model", "field", "told"),
    [
        ("hosted_vllm", "m", "reasoning_content", ()),
        ("ollama", "m", "thinking", ()),
        ("openrouter", "m", "reasoning_content", ()),
        ("together_ai", "deepseek-v4", "reasoning_content", ()),
        ("groq", "openai/gpt-oss-120b", None, ("messages[].reasoning_content",)),
        ("cerebras", "gpt-oss-120b", None, ("messages[].reasoning_content",)),
        ("openai", "gpt-5", None, ("messages[].reasoning_content",)),
        ("anthropic", "m", None, ("messages[].reasoning_content",)),
        ("bedrock", "m", None, ("messages[].reasoning_content",)),
    ],
)
def test_thoughts_go_back_by_the_rule_of_the_row(
    name: str, model: str, field: str | None, told: tuple[str, ...]
) -> None:
    """bifrost#2093, litellm#37636, home-assistant#159812."""
    built = build(target_of(PROVIDERS[name], model), THINKING, tools=TOOLS)
    assert (b"2 and 2" in built.http.body) is (field is not None)
    if field is not None:
        assert json.loads(built.http.body)["messages"][1][field] == "2 and 2"
    assert built.dropped_params == told


def test_a_host_that_needs_thoughts_with_calls_gets_an_empty_field_at_least() -> None:
    """litellm#37636: a session that began at a host without thoughts."""
    bare = [{k: v for k, v in m.items() if k != "reasoning_content"} for m in THINKING]
    target = resolve_target(
        PROVIDERS["openai"], "deepseek-v4", {}, api_base="https://h.test", api_key=Secret("k")
    )
    sent = json.loads(build(target, bare, tools=TOOLS).http.body)["messages"]
    assert sent[1]["reasoning_content"] == ""
    assert "reasoning_content" not in sent[0]


@pytest.mark.parametrize("field", ["reasoning", "reasoning_details", "thinking", "part", "blocks"])
def test_thoughts_under_another_name_get_the_name_of_the_host(field: str) -> None:
    given: dict[str, Any] = {"role": "assistant", "content": "4"}
    match field:
        case "reasoning_details":
            given[field] = [{"type": "reasoning.text", "text": "2 and 2"}]
        case "part":
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": "2 and 2"}]}
            given["content"] = [thought, {"type": "text", "text": "4"}]
        case "blocks":
            given["thinking_blocks"] = [{"type": "thinking", "thinking": "2 and 2"}]
        case _:
            given[field] = "2 and 2"
    target = target_of(PROVIDERS["together_ai"], "kimi-k3")
    built = build(target, [*HELLO, given, *HELLO])
    sent = json.loads(built.http.body)["messages"][1]
    assert sent == {"role": "assistant", "content": "4", "reasoning_content": "2 and 2"}
    assert built.dropped_params == ()
    untold = build(TARGETS["groq"], [*HELLO, given, *HELLO])
    assert b"2 and 2" not in untold.http.body
    assert len(untold.dropped_params) == 1


VIEW: list[dict[str, Any]] = [
    *HELLO,
    {
        "role": "assistant",
        "tool_calls": [
            {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
        ],
    },
    {
        "role": "tool",
        "tool_call_id": "c1",
        "content": [
            {"type": "text", "text": "a.png"},
            {"type": "image_url", "image_url": {"url": PNG_URL}},
        ],
    },
]


def test_images_of_results_go_to_the_next_turn_of_the_user() -> None:
    sent = json.loads(build(TARGETS["hosted_vllm"], VIEW, tools=TOOLS).http.body)["messages"]
    assert sent[2]["content"] == "a.png\n\n[image: in the next message]"
    assert sent[3] == {"role": "user", "content": [VIEW[2]["content"][1]]}


def test_an_image_of_a_tool_does_not_end_the_session_of_a_model_that_reads_text() -> None:
    target = replace(TARGETS["hosted_vllm"], input_modalities=frozenset(("text",)))
    built = build(target, VIEW, tools=TOOLS)
    sent = json.loads(built.http.body)["messages"]
    assert sent[2]["content"] == "a.png\n\n[image left out: the model reads text only]"
    assert built.dropped_params == ("messages[].content[].image_url",)


def test_the_oldest_images_make_room_for_the_newest() -> None:
    target = replace(TARGETS["hosted_vllm"], quirks=Quirks(max_images=1))
    shown = {"role": "user", "content": [{"type": "image_url", "image_url": {"url": PNG_URL}}]}
    said = {"role": "assistant", "content": "Seen."}
    built = build(target, [shown, said, shown])
    sent = json.loads(built.http.body)["messages"]
    assert sent[0]["content"] == "[image left out: the model takes no more images]"
    assert sent[2] == shown
    assert built.dropped_params == ("messages[].content[].image_url",)


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
