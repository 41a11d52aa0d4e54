"""Whole chat answers have a list of annotations, as OpenAI's have; chunks have what hosts say."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lanes import Edge, request_bytes
from tests.support.upstream import completion_body, text_chunks

from puna.gateway.answers.replies import chat_body
from puna.transports.replay import Recorded
from puna.types.chat import ChatCompletion

CITED = [{"type": "url_citation", "url_citation": {"url": "https://example.com"}}]
CALL = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CONFIG = """
model_list:
  - model_name: m
    litellm_params: {model: openai/up, api_base: "http://up/v1", api_key: k}
"""
BODY = {"model": "m", "messages": [{"role": "user", "content": "Hi"}]}


def ask(reply: Recorded, *, is_fast: bool, **fields: Any) -> Answer:
    """The answer of one of the gateway's lanes."""

    async def run() -> Answer:
        edge = Edge(lambda _: reply, CONFIG, is_fast=is_fast)
        return await edge.ask(request_bytes({**BODY, **fields}))

    return asyncio.run(run())


@pytest.mark.parametrize("is_fast", [False, True])
@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ({}, []),
        ({"refusal": None}, []),
        ({"annotations": []}, []),
        ({"annotations": None}, []),
        ({"annotations": "odd"}, []),
        ({"annotations": CITED}, CITED),
        ({"content": None, "refusal": "No."}, []),
        ({"content": None, "tool_calls": [CALL]}, []),
    ],
)
def test_a_whole_answer_has_a_list_of_annotations_and_a_hosts_own_pass(
    message: dict[str, Any],
    expected: list[Any],
    is_fast: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    said = {"role": "assistant", "content": "Hello", **message}
    choices = [{"index": i, "message": said, "finish_reason": "stop"} for i in range(2)]
    for one in (choices[:1], choices):
        body = json.dumps(completion_body(choices=one)).encode()
        answer = ask(Recorded(200, {}, [body]), is_fast=is_fast)
        assert [c["message"]["annotations"] for c in answer.json["choices"]] == [expected] * len(
            one
        )
        assert [c["message"]["refusal"] for c in answer.json["choices"]] == [
            message.get("refusal")
        ] * len(one)


def test_choices_of_which_one_has_annotations_have_a_list_each() -> None:
    said = {"role": "assistant", "content": '"message":{'}
    choices = [
        {"index": 0, "message": {**said, "annotations": CITED}, "finish_reason": "stop"},
        {"index": 1, "message": said, "finish_reason": "stop", "logprobs": None},
    ]
    body = json.dumps(completion_body(choices=choices)).encode()
    for is_fast in (False, True):
        answer = ask(Recorded(200, {}, [body]), is_fast=is_fast)
        assert [c["message"]["annotations"] for c in answer.json["choices"]] == [CITED, []]


@pytest.mark.parametrize("is_fast", [False, True])
def test_chunks_get_no_annotations(is_fast: bool) -> None:  # noqa: FBT001 - a parametrised case
    events = b"".join(b"data: " + json.dumps(one).encode() + b"\n\n" for one in text_chunks())
    recorded = Recorded(200, {"content-type": "text/event-stream"}, [events + b"data: [DONE]\n\n"])
    answer = ask(recorded, is_fast=is_fast, stream=True)
    assert answer.status == 200
    assert answer.said
    assert "annotations" not in answer.text


def test_a_long_answer_gets_the_same_fields_as_a_short_one() -> None:
    short, long = (
        chat_body(ChatCompletion.model_validate(completion_body({"content": "x" * count})))
        for count in (10, 1_000_001)
    )
    assert json.loads(long.replace(b"x" * 1_000_001, b"x" * 10)) == json.loads(short)
    assert json.loads(short)["choices"][0]["message"]["annotations"] == []
