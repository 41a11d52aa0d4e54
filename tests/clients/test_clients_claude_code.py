"""A session of Claude Code: what it sends, what it gets, and what the host sees of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.recorded_clients import (
    MODEL,
    ROWS,
    dropped_by,
    events_of,
    house_for,
    recorded,
    streamed_calls,
)
from tests.support.upstream import Reply, Upstream

FIRST = recorded("claude_code_first_turn")
SECOND = recorded("claude_code_second_turn")
REPLAYED = SECOND.body["messages"][1]["content"]
THOUGHTS = ("thinking", "redacted_thinking")
CALLS = tuple(
    (block["id"], block["name"], json.dumps(block["input"]))
    for block in REPLAYED
    if block["type"] == "tool_use"
)


def blocks_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The blocks that a client puts together from the events of a message."""
    blocks: list[dict[str, Any]] = []
    inputs: dict[int, str] = {}
    for event in events:
        if event["type"] == "content_block_start":
            blocks.append(dict(event["content_block"]))
        elif event["type"] == "content_block_delta":
            delta, block = event["delta"], blocks[event["index"]]
            if delta["type"] == "input_json_delta":
                inputs[event["index"]] = inputs.get(event["index"], "") + delta["partial_json"]
                continue
            (name,) = delta.keys() - {"type"}
            block[name] = (block.get(name) or "") + delta[name]
    for index, written in inputs.items():
        blocks[index]["input"] = json.loads(written)
    return blocks


@pytest.mark.case(125)
@pytest.mark.parametrize("row", ROWS)
def test_a_turn_with_parallel_calls_comes_as_claude_code_replays_it(
    upstream: Upstream, row: str
) -> None:
    upstream.plays(streamed_calls(*CALLS, text="I look.", reasoning_content="List and read."))

    answer = FIRST.sent_to(house_for(upstream, row))

    events = events_of(answer)
    assert (events[0]["type"], events[-1]["type"]) == ("message_start", "message_stop")
    assert events[0]["message"]["model"] == MODEL
    assert events[-2]["delta"]["stop_reason"] == "tool_use"
    assert events[-2]["usage"]["output_tokens"] > 0
    thoughts, *said = blocks_of(events)
    assert (thoughts["type"], thoughts["thinking"]) == ("thinking", "List and read.")
    wanted = [block for block in REPLAYED if block["type"] not in THOUGHTS]
    kept = [{name: got[name] for name in want} for got, want in zip(said, wanted, strict=True)]
    assert kept == wanted


@pytest.mark.case(125)
@pytest.mark.parametrize("row", ROWS)
def test_the_host_sees_the_whole_session_in_the_second_turn(upstream: Upstream, row: str) -> None:
    upstream.plays(Reply.text_stream("One file", "."))

    answer = SECOND.sent_to(house_for(upstream, row))

    (block,) = blocks_of(events_of(answer))
    assert (block["type"], block["text"]) == ("text", "One file.")
    sent = upstream.requests[-1].json
    system, user, assistant, listed, read = sent["messages"]
    assert system["content"].endswith(
        "\n\nYou help with software engineering. The folder is /repo."
    )
    assert "Which files are there" in user["content"]
    assert assistant["content"] == "I look."
    assert [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in assistant["tool_calls"]
    ] == [(call_id, name, json.loads(arguments)) for call_id, name, arguments in CALLS]
    assert (listed["tool_call_id"], listed["content"]) == ("call_ls", "greet.py")
    assert (read["tool_call_id"], read["content"]) == (
        "call_read",
        '1→def greet():\n2→    return "hi"',
    )
    assert [tool["function"]["name"] for tool in sent["tools"]] == ["Bash", "Read", "Edit"]


@pytest.mark.case(125)
@pytest.mark.parametrize("row", ROWS)
def test_thoughts_of_another_model_are_accepted_and_told_as_left_out(
    upstream: Upstream, row: str
) -> None:
    """With their signatures they mean something to the service that wrote them only."""
    answer = SECOND.sent_to(house_for(upstream, row))

    assert answer.status == 200
    told = dropped_by(answer)
    for name in ("thinking", "messages.thinking", "cache_control", "context_management"):
        assert name in told
    body = upstream.requests[-1].body.decode()
    thoughts = next(block for block in REPLAYED if block["type"] == "thinking")
    for words in (thoughts["signature"], thoughts["thinking"], "cache_control", "ephemeral"):
        assert words not in body
    assert (
        not {"thinking", "context_management", "output_config"} & upstream.requests[-1].json.keys()
    )
    assert not {name for name in upstream.requests[-1].headers if name.startswith("anthropic-")}


@pytest.mark.case(125)
def test_the_thoughts_that_a_host_showed_may_be_replayed_as_they_came(upstream: Upstream) -> None:
    house = house_for(upstream, "meta_llama")
    upstream.plays(streamed_calls(*CALLS, text="I look.", reasoning_content="List and read."))
    blocks = blocks_of(events_of(FIRST.sent_to(house)))
    asked, _, results = SECOND.body["messages"]
    turns = [asked, {"role": "assistant", "content": blocks}, results]

    answer = recorded("claude_code_second_turn", messages=turns).sent_to(house)

    assert answer.status == 200
    sent = upstream.requests[-1].json["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "tool", "tool"]


@pytest.mark.case(125)
def test_tokens_are_counted_and_no_host_is_asked(upstream: Upstream) -> None:
    house = house_for(upstream, "meta_llama")
    counted = recorded("claude_code_count_tokens").sent_to(house)
    fewer = recorded("claude_code_count_tokens", messages=FIRST.body["messages"]).sent_to(house)

    assert counted.status == fewer.status == 200
    assert 100 < fewer.json["input_tokens"] < counted.json["input_tokens"]
    assert upstream.requests == []


@pytest.mark.case(125)
def test_a_prompt_that_does_not_fit_says_the_words_at_which_it_is_shortened(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply.error(400, "This model's maximum context length is 8192 tokens."))

    answer = SECOND.sent_to(house_for(upstream, "meta_llama"))

    assert answer.status == 400
    assert answer.json["error"]["type"] == "invalid_request_error"
    assert answer.json["error"]["message"].startswith("prompt is too long: ")
