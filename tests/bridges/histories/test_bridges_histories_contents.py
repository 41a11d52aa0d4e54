"""Contents of messages, as texts or as parts, and images of tools."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

from tests.support.chats import PNG_URL
from tests.support.contexts import HELLO
from tests.support.sent_histories import TARGETS, TOOLS, build

from puna.dialects.quirks import Quirks
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS


def test_lists_of_texts_become_strings_where_no_row_says_otherwise() -> None:
    """smolagents#1518: content as a list, for a host that takes strings."""
    parts = [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]
    messages = [{"role": role, "content": parts} for role in ("system", "user", "assistant")]
    elsewhere = resolve_target(PROVIDERS["openai"], "m", {}, api_base="http://h.test/v1")
    sent = json.loads(build(elsewhere, messages).http.body)["messages"]
    assert [m["content"] for m in sent] == ["a\n\nb", "a\n\nb", "ab"]
    own = json.loads(build(TARGETS["openai"], messages).http.body)["messages"]
    assert [m["content"] for m in own] == [parts, parts, parts]


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
