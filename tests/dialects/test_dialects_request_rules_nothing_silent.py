"""Nothing of a request is lost in silence: every part is sent, named as left out, or refused.

A part counts as sent where the body is another one without it.
"""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import HELLO, request_for, target_for
from tests.support.provider_suite import target_of

from puna.dialects.base import Target
from puna.dialects.table import DIALECTS
from puna.errors import BadRequestError
from puna.providers.table import PROVIDERS
from puna.types.requests import PARAMS
from puna.wire.http import Timeouts

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
FUNCTION = {"name": "f", "parameters": SCHEMA}
TOOLS = [{"type": "function", "function": FUNCTION}]
PNG = "data:image/png;base64,iVBORw0KGgo="

# None of these values is what a host does anyway that is told nothing.
VALUES: dict[str, list[Any]] = {
    "audio": [{"voice": "v", "format": "mp3"}],
    "frequency_penalty": [0.5],
    "function_call": [{"name": "f"}],
    "functions": [[FUNCTION]],
    "logit_bias": [{"5": 1}],
    "logprobs": [True],
    "max_completion_tokens": [917],
    "max_tokens": [917],
    "modalities": [["audio", "text"]],
    "n": [2],
    "parallel_tool_calls": [False],
    "prediction": [{"type": "content", "content": "c"}],
    "presence_penalty": [0.5],
    "prompt_cache_key": ["k"],
    "prompt_cache_retention": ["24h"],
    "reasoning_effort": ["none", "low", "high", "banana"],
    "response_format": [
        {"type": "json_object"},
        {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA, "strict": True}},
        {"type": "grammar", "value": "x"},
    ],
    "safety_identifier": ["s"],
    "seed": [7],
    "service_tier": ["flex"],
    "stop": ["END", ["END", "STOP"]],
    "store": [False],
    "stream_options": [{"continuous_usage_stats": True}],
    "temperature": [0, 1.5],
    "thinking": [{"type": "enabled", "budget_tokens": 1024}],
    "tool_choice": ["required", {"type": "function", "function": {"name": "f"}}],
    "tools": [TOOLS],
    "top_logprobs": [3],
    "top_p": [0.9],
    "user": ["u"],
    "verbosity": ["low"],
    "web_search_options": [{"search_context_size": "low"}],
    "a_field_of_nobody": ["x", False, {"y": []}],
    "keep_alive": ["5m"],
    "metadata": [{"a": "b"}],
    "num_predict": [5],
    "top_k": [5],
    "truncate": [True],
}

TARGETS = [
    *map(target_of, PROVIDERS.values()),
    *(target_for(dialect=name) for name in DIALECTS),
]


def build(
    target: Target, fields: dict[str, Any], *, drop_params: bool, stream: bool
) -> tuple[Any, tuple[str, ...]] | None:
    """The body and what was left out; None where the request was refused, by the name of a field.

    A dialect raises nothing else.
    """
    try:
        request = replace(request_for(stream=stream, **fields), drop_params=drop_params)
        built = DIALECTS[target.dialect].build_request(request, target, Timeouts())
    except BadRequestError as error:
        if not error.param:
            raise
        return None
    return json.loads(built.http.body), built.dropped_params


def test_every_parameter_is_tried() -> None:
    assert set(VALUES) >= set(PARAMS)


@given(
    target=st.sampled_from(TARGETS),
    names=st.sets(st.sampled_from(sorted(VALUES)), min_size=1, max_size=5),
    drop_params=st.booleans(),
    stream=st.booleans(),
    data=st.data(),
)
def test_every_parameter_is_sent_or_named_or_refused(
    target: Target, names: set[str], data: st.DataObject, *, drop_params: bool, stream: bool
) -> None:
    fields = {name: data.draw(st.sampled_from(VALUES[name]), label=name) for name in sorted(names)}
    if names & {"tool_choice", "parallel_tool_calls"}:  # which mean nothing without tools
        fields["tools"] = TOOLS
    built = build(target, fields, drop_params=drop_params, stream=stream)
    if built is None:
        return
    body, dropped = built
    for name in names:
        rest = {other: value for other, value in fields.items() if other != name}
        without = build(target, rest, drop_params=drop_params, stream=stream)
        is_told = any(re.split(r"[.\[]", one)[0] == name for one in dropped)
        is_same_limit = {"max_tokens", "max_completion_tokens"} <= names and name.startswith("max_")
        # The small model cannot choose: a rule says which tools it is told of, and then it must
        # call one, which leaves no text to have a format.
        of_rule = {"tools", "response_format"} if "tool_choice" in names else {"tools"}
        is_ruled = name in of_rule and target.dialect == "embedded_chat"
        assert without is None or body != without[0] or is_told or is_same_limit or is_ruled, name


CALL = {"id": "canary-id", "type": "function", "function": {"name": "f", "arguments": "{}"}}
RESULT = {"role": "tool", "tool_call_id": "canary-id", "content": "canary-result"}


def text_part(**more: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "text", "text": "canary-text", **more}]}


def call_with(**function: Any) -> list[dict[str, Any]]:
    call = {**CALL, "function": {**CALL["function"], **function}}  # type: ignore[dict-item]  # a dict
    return [*HELLO, {"role": "assistant", "content": "x", "tool_calls": [call]}, RESULT]


CHATS: dict[str, list[dict[str, Any]]] = {
    "system": [{"role": "system", "content": "canary-system"}, *HELLO],
    "developer": [{"role": "developer", "content": "canary-developer"}, *HELLO],
    "late system": [*HELLO, {"role": "system", "content": "canary-late"}, *HELLO],
    "name": [{"role": "user", "content": "x", "name": "canary-name"}],
    "field": [{"role": "user", "content": "x", "canary_field": "canary-value"}],
    "part": [text_part(foo="canary-foo")],
    "cached part": [text_part(cache_control={"type": "canary-cache"})],
    "detail": [
        {
            "role": "user",
            "content": [{"type": "image_url", "image_url": {"url": PNG, "detail": "canary-high"}}],
        }
    ],
    "audio": [
        {
            "role": "user",
            "content": [
                {"type": "input_audio", "input_audio": {"data": "canary-data", "format": "wav"}}
            ],
        }
    ],
    "unknown part": [{"role": "user", "content": [{"type": "x", "x": "canary-x"}]}],
    "users id": [{"role": "user", "content": "x", "tool_call_id": "canary-call"}],
    "calls": call_with(arguments='{"a": "canary-argument"}'),
    "field of a call": call_with(foo="canary-foo"),
    "broken arguments": call_with(arguments='{"a": "canary'),
    "name of a result": [*call_with()[:-1], {**RESULT, "name": "canary-name"}],
    "field of a result": [*call_with()[:-1], {**RESULT, "is_error": "canary-error"}],
    "parts of a result": [
        *call_with()[:-1],
        {**RESULT, "content": [{"type": "text", "text": "canary-part"}]},
    ],
    "refusal": [*HELLO, {"role": "assistant", "refusal": "canary-refusal"}, *HELLO],
    "function": [
        *HELLO,
        {"role": "assistant", "function_call": {"name": "f", "arguments": "canary-text"}},
        {"role": "function", "name": "f", "content": "canary-result"},
    ],
    "begun answer": [*HELLO, {"role": "assistant", "content": "canary-begun"}],
    "prefix": [*HELLO, {"role": "assistant", "content": "x", "prefix": "canary-prefix"}],
}


def is_tied(messages: list[dict[str, Any]]) -> bool:
    """Whether the one call and its result have the same id, made by Mistral's rule."""
    called = [call["id"] for message in messages for call in message.get("tool_calls", [])]
    answered = [message["tool_call_id"] for message in messages if "tool_call_id" in message]
    return called == answered and [bool(re.fullmatch("[a-zA-Z0-9]{9}", i)) for i in called] == [
        True
    ]


@pytest.mark.parametrize("chat", CHATS.values(), ids=CHATS)
@pytest.mark.parametrize("drop_params", [False, True])
def test_every_part_of_a_message_is_sent_or_named_or_refused(
    chat: list[dict[str, Any]], *, drop_params: bool
) -> None:
    canaries = set(re.findall("canary[-_a-z]*", json.dumps(chat)))
    assert canaries
    for target in TARGETS:
        fields = {"messages": chat, "tools": TOOLS}
        built = build(target, fields, drop_params=drop_params, stream=False)
        if built is not None:
            body, dropped = built
            lost = canaries - set(re.findall("canary[-_a-z]*", json.dumps(body)))
            if target.dialect == "embedded_chat":
                lost -= {"canary-id"}  # its prompt of text ties a result to its call by the name
            elif "canary-id" in lost and is_tied(body["messages"]):
                lost -= {"canary-id"}  # a host with a rule for ids is sent another, in both places
            assert not lost or any(one.startswith("messages") for one in dropped), target.dialect


def test_a_choice_of_tools_that_is_allowed_is_sent_whatever_the_dialect_knows_of_it() -> None:
    target = target_of(PROVIDERS["ollama"])
    asked = request_for(tools=TOOLS, tool_choice="required")
    request = replace(asked, allowed_params=frozenset(("tool_choice",)))
    built = DIALECTS[target.dialect].build_request(request, target, Timeouts())
    assert json.loads(built.http.body)["tool_choice"] == "required"
