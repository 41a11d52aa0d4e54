"""A plain reply says what the dialect's reader reads in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.plain_json import ODD, TARGET, TEXTS, long_way, mostly

from puna.dialects.base import ReadContext
from puna.dialects.openai_chat import OpenAIChat
from puna.errors import APIError
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply
from puna.wire.plain_chunks import read_chunk
from puna.wire.plain_replies import read_reply
from puna.wire.splicing import Renaming, fill_fields

ASKED = ChatRequest("public", ({"role": "user", "content": "hi"},))
CONTEXT = ReadContext(TARGET, "public", "chatcmpl-made", 1_700_000_000.0, ASKED)
USAGE = st.fixed_dictionaries(
    {
        "prompt_tokens": mostly(st.integers(0, 99)),
        "completion_tokens": mostly(st.integers(0, 99)),
        "total_tokens": mostly(st.integers(0, 99)),
    },
    optional={
        "prompt_tokens_details": mostly(
            st.fixed_dictionaries({"cached_tokens": mostly(st.just(3))})
        ),
        "completion_tokens_details": ODD,
        "queue_time": ODD,
        "estimated": ODD,
    },
)
REPLY = st.fixed_dictionaries(
    {
        "id": mostly(st.just("cmpl-1")),
        "object": mostly(st.just("chat.completion")),
        "created": mostly(st.just(1_700_000_001)),
        "model": mostly(st.sampled_from(["up/model", "public", "other"])),
        "choices": mostly(
            st.lists(
                st.fixed_dictionaries(
                    {
                        "index": mostly(st.just(0)),
                        "message": mostly(
                            st.fixed_dictionaries(
                                {"role": mostly(st.just("assistant")), "content": mostly(TEXTS)},
                                optional={
                                    "refusal": ODD,
                                    "tool_calls": ODD,
                                    "reasoning": ODD,
                                    "annotations": ODD,
                                },
                            )
                        ),
                        "finish_reason": mostly(st.sampled_from(["stop", "length"])),
                    },
                    optional={"logprobs": ODD, "text": ODD},
                ),
                min_size=1,
                max_size=2,
            )
        ),
        "usage": mostly(USAGE),
    },
    optional={
        "system_fingerprint": mostly(TEXTS),
        "error": ODD,
        "x_extra": st.fixed_dictionaries({"model": TEXTS}) | ODD,
        "detail": ODD,
    },
)


@given(REPLY)
def test_a_plain_reply_says_what_the_dialect_reads(reply: dict[str, Any]) -> None:
    data = json.dumps(reply).encode()
    plain = read_reply(data)
    renamed = Renaming("public").apply(data, plain) if plain is not None else None
    if plain is None or renamed is None:
        return
    read = OpenAIChat().read_reply(HTTPReply(200, {}, data), CONTEXT)
    assert json.loads(renamed) == json.loads(read.to_json())
    filled = fill_fields(renamed, plain)
    if filled is not None:
        expected = json.loads(renamed)
        for choice in expected["choices"]:
            choice.setdefault("logprobs", None)
            choice["message"].setdefault("refusal", None)
            choice["message"].setdefault("annotations", [])
        assert json.loads(filled) == expected
    renaming = Renaming("public")
    assert renaming.complete(data, plain) == renaming.complete(data, plain) == filled
    assert read.usage is not None
    details = read.usage.prompt_tokens_details
    assert plain.usage.prompt_tokens == read.usage.prompt_tokens
    assert plain.usage.cached_tokens == ((details.cached_tokens or 0) if details else 0)
    assert plain.choices[0].finish_reason == read.choices[0].finish_reason


def test_an_error_of_the_reader_is_never_raised() -> None:
    assert read_reply(b"{") is None
    assert read_chunk(b"[DONE]") is None
    with pytest.raises(APIError):
        long_way({"model": "m", "messages": []})
