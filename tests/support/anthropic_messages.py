"""Generated answers of Anthropic's API: whole, and as the events and bytes of a stream."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st
from tests.support.chats import INPUTS, NAMES, TEXTS

Event = dict[str, Any]

_THOUGHTS = st.builds(
    lambda text, signature: {"type": "thinking", "thinking": text, "signature": signature},
    st.text(max_size=8),
    st.text(min_size=1, max_size=8),
)
_REDACTED = TEXTS.map(lambda data: {"type": "redacted_thinking", "data": data})
_TEXTS = TEXTS.map(lambda text: {"type": "text", "text": text, "citations": None})
_CALLS = st.builds(
    lambda name, given: {
        "type": "tool_use",
        "id": "",
        "name": name,
        "input": given,
        "caller": {"type": "direct"},
    },
    NAMES,
    INPUTS,
)
_STOPS = st.sampled_from(
    [
        ("end_turn", None),
        ("max_tokens", None),
        ("stop_sequence", "END"),
        ("tool_use", None),
        ("refusal", None),
        ("pause_turn", None),
    ]
)
_COUNTS = st.integers(0, 99)


@st.composite
def contents(draw: st.DrawFn) -> list[dict[str, Any]]:
    """Blocks in any order; calls have ids of their own."""
    blocks = draw(st.lists(_THOUGHTS | _REDACTED | _TEXTS | _CALLS, max_size=6))
    return [
        {**block, "id": f"toolu_{i}"} if block["type"] == "tool_use" else block
        for i, block in enumerate(blocks)
    ]


@st.composite
def answers(draw: st.DrawFn) -> dict[str, Any]:
    """A whole message."""
    reason, matched = draw(_STOPS)
    return {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": draw(contents()),
        "stop_reason": reason,
        "stop_sequence": matched,
        "stop_details": None,
        "container": None,
        "usage": {
            "input_tokens": draw(_COUNTS),
            "cache_creation_input_tokens": draw(_COUNTS),
            "cache_read_input_tokens": draw(_COUNTS),
            "output_tokens": draw(_COUNTS),
        },
    }


@st.composite
def event_streams(draw: st.DrawFn, message: dict[str, Any]) -> list[Event]:
    """The events of a message, its texts cut anywhere."""
    events: list[Event] = [
        {
            "type": "message_start",
            "message": {
                **message,
                "content": [],
                "stop_reason": None,
                "stop_sequence": None,
                "usage": {**message["usage"], "output_tokens": 1},
            },
        },
        {"type": "ping"},
    ]
    for index, block in enumerate(message["content"]):
        empty, deltas = _cut(draw, block)
        events.append({"type": "content_block_start", "index": index, "content_block": empty})
        events += [
            {"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas
        ]
        events.append({"type": "content_block_stop", "index": index})
    stop = {name: message[name] for name in ("stop_reason", "stop_sequence")}
    usage = {"output_tokens": message["usage"]["output_tokens"]}
    return [
        *events,
        {"type": "message_delta", "delta": stop, "usage": usage},
        {"type": "message_stop"},
    ]


def encoded(events: list[Event]) -> bytes:
    """Events as they are on the wire."""
    return b"".join(
        b"event: %b\ndata: %b\n\n" % (event["type"].encode(), json.dumps(event).encode())
        for event in events
    )


def _cut(draw: st.DrawFn, block: dict[str, Any]) -> tuple[dict[str, Any], list[Event]]:
    """A block as it begins, and the deltas that complete it."""

    def pieces(text: str) -> list[str]:
        size = draw(st.integers(1, 4))
        return [text[at : at + size] for at in range(0, len(text), size)]

    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": text} for text in pieces(block["text"])]
            return {**block, "text": ""}, deltas
        case "thinking":
            thought = pieces(block["thinking"])
            return {**block, "thinking": "", "signature": ""}, [
                *({"type": "thinking_delta", "thinking": text} for text in thought),
                {"type": "signature_delta", "signature": block["signature"]},
            ]
        case "tool_use":
            text = json.dumps(block["input"], ensure_ascii=False, separators=(",", ":"))
            cut = pieces(text) if block["input"] or draw(st.booleans()) else []
            return {**block, "input": {}}, [
                {"type": "input_json_delta", "partial_json": text} for text in ["", *cut]
            ]
        case _:
            return block, []
