"""Which requests reach the hosts of a model as they came."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from puna.bridges.histories.fit import fit_history
from puna.bridges.histories.rules import CHAT, OPENAI, WORD_64
from puna.dialects.base import Target
from puna.dialects.passing import PassingRules, dropped_hints
from puna.dialects.quirks import Quirks
from puna.wire.body_changes import BodyChanges
from puna.wire.envelope import ChatEnvelope, SystemMessage, read_envelope

TARGET = Target(provider="openai", model="up/model", base_url="http://up/v1")
HI: dict[str, Any] = {"role": "user", "content": "hi"}
TOOL = {"type": "function", "function": {"name": "get", "parameters": {"type": "object"}}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get", "arguments": "{}"}}
CALLED: list[dict[str, Any]] = [
    HI,
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "5"},
]


def read(**fields: Any) -> ChatEnvelope:
    body = {"model": "m", "messages": [HI], **fields}
    envelope = read_envelope(json.dumps(body).encode())
    assert envelope is not None
    return envelope


def sent(envelope: ChatEnvelope, *targets: Target) -> dict[str, Any] | None:
    """The body that the hosts get; None for a request that does not pass."""
    fitted = PassingRules.combine(targets or (TARGET,)).fit(envelope)
    if fitted is None:
        return None
    body: dict[str, Any] = json.loads(BodyChanges("up/model").encode(fitted)[0])
    return body


def with_quirks(**facts: Any) -> Target:
    return replace(TARGET, quirks=Quirks(**facts))


_SYSTEM = '{"role":"system","content":"a"}'
_USER = '{"role":"user","content":"b"}'


@pytest.mark.parametrize(
    ("messages", "is_led"),
    [
        (f"{_SYSTEM},{_USER}", True),
        (_USER, True),
        (f"{_USER},{_SYSTEM}", False),
        (f"{_SYSTEM},{_USER},{_SYSTEM}", False),
        (f"{_SYSTEM},{_SYSTEM}", False),
        # The word as a text, and as a role whose letters are escaped.
        ('{"role":"user","content":"system"}', True),
        (f'{_SYSTEM},{{"role":"user","content":"system"}}', True),
        (f'{_USER},{{"role":"\\u0073ystem","content":"a"}}', False),
        (f'{_SYSTEM},{{"role":"s\\u0079stem","content":"a"}}', False),
        ('{"role":"user","content":"\\u0041"},{"role":"user","content":"b"}', True),
    ],
)
def test_instructions_behind_the_first_message_are_moved(messages: str, *, is_led: bool) -> None:
    body = f'{{"model":"m","messages":[{messages}]}}'.encode()
    envelope = read_envelope(body)
    assert envelope is not None
    fitted = PassingRules.combine([TARGET]).fit(envelope)
    assert fitted is not None
    assert (fitted is envelope) is is_led
    assert all(type(one) is not SystemMessage for one in fitted.messages[1:])
    given = json.loads(body)["messages"]
    assert fitted.to_messages() == [*fit_history(given, CHAT, {})]


def test_instructions_are_not_moved_where_only_some_hosts_need_it() -> None:
    anywhere = replace(TARGET, quirks=replace(TARGET.quirks, messages=OPENAI))
    body = f'{{"model":"m","messages":[{_USER},{_SYSTEM}]}}'.encode()
    envelope = read_envelope(body)
    assert envelope is not None

    assert PassingRules.combine([anywhere]).fit(envelope) is envelope
    assert PassingRules.combine([TARGET, anywhere]).fit(envelope) is None


def test_a_turn_with_calls_passes_without_its_empty_content() -> None:
    body = sent(read(messages=CALLED, tools=[TOOL]))
    assert body is not None
    assert body["tools"] == [TOOL]
    assert body["messages"] == [HI, {"role": "assistant", "tool_calls": [CALL]}, CALLED[2]]


@pytest.mark.parametrize(
    "messages",
    [
        [*CALLED[:2], HI],
        CALLED[:2],
        [HI, CALLED[2]],
        [*CALLED, *CALLED],
        [HI, {**CALLED[1], "tool_calls": [{**CALL, "id": "x" * 65}]}, HI],
        [HI, {**CALLED[1], "tool_calls": [{**CALL, "id": ""}]}, {**CALLED[2], "tool_call_id": ""}],
        [HI, {"role": "assistant", "content": ""}, HI],
        [HI, {"role": "assistant"}, HI],
    ],
)
def test_a_history_that_must_be_mended_does_not_pass(messages: list[dict[str, Any]]) -> None:
    assert sent(read(messages=messages, tools=[TOOL])) is None


@pytest.mark.parametrize("arguments", ["", "null", "[1]", "{", "5"])
def test_arguments_that_are_no_object_do_not_pass(arguments: str) -> None:
    call = {**CALL, "function": {"name": "get", "arguments": arguments}}
    messages = [HI, {**CALLED[1], "tool_calls": [call]}, CALLED[2]]
    assert sent(read(messages=messages)) is None
    takes_any = with_quirks(messages=OPENAI)
    assert (sent(read(messages=messages), takes_any) is None) is (arguments in ("", "null"))


def test_lists_of_texts_are_joined_where_all_hosts_want_texts() -> None:
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    asked = read(messages=[{"role": "user", "content": parts}])
    joined, kept = sent(asked), sent(asked, with_quirks(messages=OPENAI))
    assert joined is not None
    assert kept is not None
    assert joined["messages"][0]["content"] == "a\n\nb"
    assert kept["messages"][0]["content"] == parts
    assert sent(asked, TARGET, with_quirks(messages=OPENAI)) is None


def test_no_more_images_pass_than_every_host_takes() -> None:
    image = {"type": "image_url", "image_url": {"url": "https://a.test/b.png"}}
    asked = read(messages=[{"role": "user", "content": [image, image]}])
    assert sent(asked) is not None
    assert sent(asked, TARGET, with_quirks(max_images=1)) is None
    assert sent(asked, replace(TARGET, input_modalities=frozenset(("text",)))) is None
    assert sent(read(messages=[{"role": "system", "content": [image]}, HI])) is None


def test_ids_and_fields_are_those_that_every_host_takes() -> None:
    words = with_quirks(messages=replace(CHAT, call_ids=WORD_64))
    call = {**CALL, "id": "call:1"}
    messages = [HI, {**CALLED[1], "tool_calls": [call]}, {**CALLED[2], "tool_call_id": "call:1"}]
    assert sent(read(messages=messages)) is not None
    assert sent(read(messages=messages), TARGET, words) is None
    named = read(messages=[{**HI, "name": "anna"}])
    assert sent(named) is not None
    assert sent(named, with_quirks(unsupported_message_fields=frozenset(("name",)))) is None


def test_parameters_that_a_host_has_a_rule_about_do_not_pass() -> None:
    with_format = read(response_format={"type": "json_object"})
    assert sent(with_format) is not None
    assert sent(with_format, with_quirks(response_formats=frozenset(("json_schema",)))) is None
    several = read(n=2, tools=[TOOL])
    assert sent(several) is None
    streamed = read(stream=True, tools=[TOOL])
    assert sent(streamed) is not None
    assert sent(streamed, with_quirks(lacks_tool_streaming=True)) is None


def test_hints_that_a_host_does_not_know_are_left_out_and_told() -> None:
    asked = read(store=False, prompt_cache_key="k", metadata={"a": 1}, user="u")
    changes = BodyChanges("up", dropped=dropped_hints(TARGET))
    body, dropped = changes.encode(asked)
    assert json.loads(body) == {"model": "up", "messages": [HI], "user": "u"}
    assert dropped == ("prompt_cache_key", "store")
    knows = with_quirks(known_hints=frozenset(("store",)))
    assert "store" not in dropped_hints(knows)
    assert sent(asked, TARGET, knows) is None  # who gets it is preferred
