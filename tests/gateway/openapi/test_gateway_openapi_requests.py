"""Which bodies the request schemas of the OpenAPI document allow, field by field."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from puna.gateway.openapi.requests import request_schemas

USER = {"role": "user", "content": "hi"}
CALL = {"function": {"name": "f"}}
ALLOWED: Mapping[str, list[Mapping[str, Any]]] = {
    "ChatRequest": [
        {"messages": [USER]},
        {"messages": [USER], "temperature": None, "metadata": {"a": 1}, "fallbacks": ["x"]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]},
        {"messages": [{"role": "tool", "content": "1", "tool_call_id": "a"}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": "u"}]}]},
        {
            "messages": [
                {"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u"}}]}
            ]
        },
        {"messages": [{"role": "user", "content": [{"type": "anything else"}]}]},
        {"messages": [USER], "num_retries": 10, "timeout": 86_400, "top_logprobs": 20},
    ],
    "TextRequest": [{"prompt": "a"}, {"prompt": ["a", "b"]}],
    "EmbeddingRequest": [
        {"input": "a"},
        {"input": [1, 2]},
        {"input": ["a"]},
        {"input": [[1], [0]]},
        {"input": "a", "encoding_format": "base64"},
    ],
    "ModerationRequest": [{"input": "a"}, {"input": ["a", {"type": "text"}]}],
    "MessagesRequest": [
        {"messages": [USER], "max_tokens": 1},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}], "system": [{}]},
    ],
    "ResponseRequest": [{"input": "a"}, {"input": [{}], "truncation": "auto", "stream": True}],
}
FORBIDDEN: Mapping[str, list[Mapping[str, Any]]] = {
    "ChatRequest": [
        {"messages": []},
        {"messages": None},
        {"messages": "hi"},
        {"messages": [{"role": "user"}]},
        {"messages": [{"content": "hi"}]},
        {"messages": [{"role": "other", "content": "hi"}]},
        {"messages": [{"role": "user", "content": None}]},
        {"messages": [{"role": "user", "content": 7}]},
        {"messages": [{"role": "user", "content": ["hi"]}]},
        {"messages": [{"role": "user", "content": [{"text": "hi"}]}]},
        {"messages": [{"role": "user", "content": [{"type": 7}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": 7}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": 7}]}]},
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
        {"messages": [{"role": "assistant"}]},
        {"messages": [{"role": "assistant", "content": None}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": []}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{}]}]},
        {"messages": [{"role": "assistant", "content": None, "tool_calls": [{"function": 7}]}]},
        {"messages": [{"role": "tool", "content": "1"}]},
        {"messages": [{"role": "tool", "tool_call_id": "a"}]},
        {"messages": [{"role": "tool", "content": "1", "tool_call_id": 7}]},
        {"messages": [USER], "stream": "yes"},
        {"messages": [USER], "model": ""},
        {"messages": [USER], "model": "a\nb"},
        {"messages": [USER], "model": "a" * 257},
        {"messages": [USER], "num_retries": -1},
        {"messages": [USER], "num_retries": 11},
        {"messages": [USER], "max_retries": 11},
        {"messages": [USER], "timeout": 0},
        {"messages": [USER], "timeout": 86_401},
        {"messages": [USER], "stream_timeout": 0},
        {"messages": [USER], "metadata": []},
        {"messages": [USER], "fallbacks": [7]},
        {"messages": [USER], "fallbacks": ["a"] * 33},
        {"messages": [USER], "drop_params": 1},
        {"messages": [USER], "format_retries": -1},
        {"messages": [USER], "top_logprobs": 21},
        {"messages": [USER], "top_logprobs": -1},
        {"messages": [USER], "temperature": "0"},
        {"messages": [USER], "seed": 2**63},
        {"messages": [USER], "seed": -(2**63)},
        {"messages": [USER], "api_key": "x"},
    ],
    "TextRequest": [
        {"prompt": []},
        {"prompt": None},
        {"prompt": [7]},
        {"prompt": "a", "stream": 1},
        {"prompt": "a", "echo": 1},
    ],
    "EmbeddingRequest": [
        {"input": ""},
        {"input": []},
        {"input": [""]},
        {"input": [-1]},
        {"input": [[]]},
        {"input": ["a"] * 2_049},
        {"input": None},
        {"input": "a", "encoding_format": "text"},
        {"input": "a", "dimensions": 0},
    ],
    "ModerationRequest": [{"input": ""}, {"input": []}, {"input": [7]}, {"input": None}],
    "MessagesRequest": [
        {"messages": []},
        {"messages": [{"role": "user"}]},
        {"messages": [{"content": "hi"}]},
        {"messages": [{"role": "tool", "content": "hi"}]},
        {"messages": [{"role": "user", "content": ""}]},
        {"messages": [{"role": "user", "content": []}]},
        {"messages": [{"role": "user", "content": [{}]}]},
        {"messages": [{"role": "user", "content": [{"type": 7}]}]},
        {"messages": [USER], "max_tokens": 0},
        {"messages": [USER], "max_tokens": None},
        {"messages": [USER], "fallbacks": 7},
        {"messages": [USER], "stop_sequences": [7]},
        {"messages": [USER], "system": [7]},
        {"messages": [USER], "thinking": "on"},
        {"messages": [USER], "tool_choice": "auto"},
        {"messages": [USER], "tools": [7]},
        {"messages": [USER], "top_k": 0.5},
        {"messages": [USER], "top_p": "1"},
        {"messages": [USER], "stream": 1},
        {"messages": [USER], "metadata": 7},
    ],
    "ResponseRequest": [
        {"input": 7},
        {"input": [7]},
        {"input": None},
        {"input": "a", "include": [7]},
        {"input": "a", "instructions": 7},
        {"input": "a", "max_output_tokens": 0},
        {"input": "a", "metadata": 7},
        {"input": "a", "parallel_tool_calls": 1},
        {"input": "a", "previous_response_id": 7},
        {"input": "a", "reasoning": 7},
        {"input": "a", "store": 1},
        {"input": "a", "stream": 1},
        {"input": "a", "temperature": "1"},
        {"input": "a", "text": "a"},
        {"input": "a", "tool_choice": 7},
        {"input": "a", "tools": [7]},
        {"input": "a", "top_logprobs": 21},
        {"input": "a", "top_logprobs": -1},
        {"input": "a", "truncation": "other"},
        {"input": "a", "user": 7},
    ],
}
SCHEMAS = request_schemas()


def cases(table: Mapping[str, list[Mapping[str, Any]]]) -> list[Any]:
    return [
        pytest.param(name, body, id=f"{name}-{at}")
        for name, bodies in table.items()
        for at, body in enumerate(bodies)
    ]


@pytest.mark.parametrize(("name", "body"), cases(ALLOWED))
def test_a_body_that_is_answered_is_allowed(name: str, body: Mapping[str, Any]) -> None:
    Draft202012Validator(SCHEMAS[name]).validate({"model": "m", **body})


@pytest.mark.parametrize(("name", "body"), cases(FORBIDDEN))
def test_a_body_that_is_refused_is_not_allowed(name: str, body: Mapping[str, Any]) -> None:
    assert not Draft202012Validator(SCHEMAS[name]).is_valid({"model": "m", **body})


def test_a_counted_input_is_no_stream() -> None:
    assert "stream" in SCHEMAS["ResponseRequest"]["properties"]
    assert "stream" not in SCHEMAS["ResponseInput"]["properties"]
    assert "rescue_tool_calls" not in SCHEMAS["EmbeddingRequest"]["properties"]
    assert "rescue_tool_calls" in SCHEMAS["TextRequest"]["properties"]
