"""Answers of chat, whole and in pieces, for the bridge to the Responses API."""

from __future__ import annotations

from typing import Any

from puna.bridges.responses.request import BridgedRequest, bridge_request
from puna.bridges.responses.stream import ResponseStream
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.response_request import make_responses_request
from puna.types.responses import ResponseEvent

CUSTOM = {"type": "custom", "name": "apply_patch"}
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 2,
    "total_tokens": 5,
    "prompt_tokens_details": {"cached_tokens": 1},
}


def request(**fields: Any) -> BridgedRequest:
    given = {"input": "hi", "tools": [CUSTOM], **fields}
    return bridge_request(make_responses_request("m", given))


def answer(finish_reason: str = "stop", **message: Any) -> ChatCompletion:
    return ChatCompletion.model_validate(
        {
            "id": "chatcmpl-1",
            "created": 5,
            "model": "m",
            "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
            "usage": USAGE,
        }
    )


def call(call_id: str, name: str, arguments: str) -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}


def ended() -> float:
    return 12.9


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "chatcmpl-1", "created": 5, "model": "m", "choices": [choice]}
    )


def piece(index: int, arguments: str, **head: Any) -> ChatCompletionChunk:
    name = head.pop("name", None)
    function = {"name": name, "arguments": arguments}
    return chunk({"tool_calls": [{"index": index, **head, "function": function}]})


def streamed(
    chunks: list[ChatCompletionChunk], asked: BridgedRequest | None = None
) -> list[ResponseEvent]:
    stream = ResponseStream(asked or request(), "resp_7", 9, ended)
    events = [event for one in chunks for event in stream.convert(one)]
    return events + stream.finish()


def check_order(events: list[ResponseEvent]) -> None:
    """Every promise of a stream: numbers, ids, one item after the other, deltas that add up."""
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events[:2]] == ["response.created", "response.in_progress"]
    ended = events[-1].response
    assert ended is not None
    assert {e.response.id for e in events if e.response is not None} == {ended.id}
    opened: list[int] = []
    texts: dict[str, str] = {}
    for event in events[2:-1]:
        assert event.output_index is not None
        if event.type == "response.output_item.added":
            assert event.output_index == len(opened), "items are opened in order"
            opened.append(event.output_index)
        assert event.output_index == opened[-1], "an item is closed before the next is opened"
        if event.type.endswith(".delta"):
            assert event.item_id is not None
            texts[event.item_id] = texts.get(event.item_id, "") + (event.delta or "")
        if event.type == "response.output_item.done":
            assert event.item is not None
            assert event.item == ended.output[event.output_index]
            said = event.item.to_dict()
            told = said.get("arguments", said.get("input"))
            if told is None:
                told = "".join(p.get("text", p.get("refusal")) for p in said["content"])
            assert texts.get(said["id"], "") == told
