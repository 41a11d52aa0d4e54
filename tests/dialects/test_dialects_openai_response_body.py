"""What an upstream's Responses API is sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.contexts import KEY, target_for
from tests.support.response_fixtures import DIALECT

from puna.dialects.base import Target
from puna.errors import BadRequestError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.response_request import make_responses_request
from puna.types.secret import Secret
from puna.wire.http import Timeouts


def sent(target: Target | None = None, **fields: Any) -> dict[str, Any]:
    stream = fields.pop("stream", False)
    earlier = fields.pop("earlier", ())
    drop = fields.pop("drop_params", False)
    request = make_responses_request(
        "gpt", {"input": "hi", **fields}, stream=stream, earlier=earlier, drop_params=drop
    )
    built = DIALECT.build_request(request, target or target_for(provider="openai"), Timeouts())
    assert built.http.url == f"{(target or target_for()).base_url}/responses"
    assert built.http.headers["authorization"] == f"Bearer {KEY}"
    body: dict[str, Any] = {**json.loads(built.http.body), "left_out": list(built.dropped_params)}
    return body


def test_a_request_is_sent_with_all_it_says_and_nothing_is_stored_there() -> None:
    tools = [{"type": "web_search"}, {"type": "function", "name": "f", "strict": None}]
    earlier = ({"type": "message", "role": "user", "content": "a"},)
    body = sent(
        earlier=earlier,
        instructions="I",
        tools=tools,
        previous_response_id="resp_1",
        metadata={"k": "v"},
        store=True,
        stream=True,
        stream_options={"include_obfuscation": False},
        include=["reasoning.encrypted_content"],
        reasoning={"summary": "auto"},
        some_new_field={"a": 1},
    )
    assert body == {
        "model": "m",
        "input": [*earlier, {"type": "message", "role": "user", "content": "hi"}],
        "instructions": "I",
        "tools": tools,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
        "some_new_field": {"a": 1},
        "store": False,
        "left_out": [],
    }


def test_a_prompt_of_the_host_needs_no_input() -> None:
    body = sent(input=None, prompt={"id": "pmpt_1"}, stream_options={"x": 1})
    assert body == {
        "model": "m",
        "prompt": {"id": "pmpt_1"},
        "store": False,
        "left_out": ["stream_options"],
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [{"content": "a"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": 7}]}, "input[0].id"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"instructions": 7}, "instructions"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"text_format": 7}, "text_format"),
    ],
)
def test_what_is_wrong_is_refused_before_it_is_sent(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        sent(**fields)
    assert raised.value.param == param


def test_the_rules_of_a_row_hold_for_responses_too() -> None:
    row = PROVIDERS["groq"]
    target = resolve_target(row, "m", {}, api_key=Secret(KEY))
    with pytest.raises(BadRequestError) as raised:
        sent(target, top_logprobs=2)
    assert raised.value.param == "top_logprobs"
    assert sent(target, top_logprobs=2, drop_params=True)["left_out"] == ["top_logprobs"]


@pytest.mark.parametrize(
    ("name", "base", "is_native"),
    [
        ("openai", None, True),
        ("openai", "http://other.test/v1", False),
        ("groq", None, True),
        ("hosted_vllm", "http://mine.test/v1", True),
        ("meta_llama", "http://mine.test/v1", False),
        ("azure", "http://mine.test", False),
    ],
)
def test_a_host_is_asked_natively_where_it_is_known(
    name: str,
    base: str | None,
    is_native: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    target = resolve_target(PROVIDERS[name], "m", {}, api_key=Secret(KEY), api_base=base)
    assert target.has_responses is is_native
