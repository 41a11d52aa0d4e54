"""Answers as vLLM 0.11 and later write them, byte for byte: whole, and an event at a time.

The fields and their order are those of `ChatCompletionResponse` and `ChatCompletionStreamResponse`
in vLLM's `entrypoints/openai/protocol.py`; a whole answer names all of them, an event only what was
set.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

DONE = b"data: [DONE]\n\n"

_ID = "chatcmpl-8b29171c942b10658c2b4d9a1f0e6d37"
_MODEL = "meta-llama/Llama-3.3-70B-Instruct"
_CREATED = 1_766_068_536
_CALL_ID = "chatcmpl-tool-9f31d04c65a94e4f8d2e7b1c0a6f5e38"
_USAGE = {"prompt_tokens": 24, "total_tokens": 88, "completion_tokens": 64}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call; `arguments` is a JSON text."""

    name: str
    arguments: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said: a text, a tool call, or both.

    Attributes:
        text_events, call_events: the events that the text and the call's arguments come in.
    """

    text: str | None = None
    call: Call | None = None
    text_events: int = 0
    call_events: int = 0
    usage: Mapping[str, int] = field(default_factory=_USAGE.copy)

    @property
    def chunks(self) -> int:
        """Events of the stream that have a choice: also for the role, the call's name, the end."""
        return 2 + self.text_events + self.call_events + (self.call is not None)

    @property
    def finish_reason(self) -> str:
        """Why it ended."""
        return "stop" if self.call is None else "tool_calls"

    def whole(self) -> bytes:
        """The body of the answer that is not streamed."""
        calls = [] if self.call is None else [_call(self.call)]
        message = {
            "role": "assistant",
            "content": self.text,
            **dict.fromkeys(("refusal", "annotations", "audio", "function_call")),
            "tool_calls": calls,
            "reasoning_content": None,
        }
        choice = {
            "index": 0,
            "message": message,
            "logprobs": None,
            "finish_reason": self.finish_reason,
            "stop_reason": None,
            "token_ids": None,
        }
        return _json(
            {
                **_envelope("chat.completion"),
                "choices": [choice],
                "service_tier": None,
                "system_fingerprint": None,
                "usage": {**self.usage, "prompt_tokens_details": None},
                "prompt_logprobs": None,
                "prompt_token_ids": None,
                "kv_transfer_params": None,
            }
        )

    def events(self) -> tuple[bytes, ...]:
        """The same for who streams and asks for the usage: `chunks`, the usage, and `[DONE]`."""
        deltas: list[dict[str, Any]] = []
        if self.text is not None:
            deltas += [{"content": piece} for piece in cut(self.text, self.text_events)]
        if self.call is not None:
            head = {"id": _CALL_ID, "type": "function", "index": 0}
            calls = [{**head, "function": {"name": self.call.name}}]
            pieces = cut(self.call.arguments, self.call_events)
            calls += [{"index": 0, "function": {"arguments": piece}} for piece in pieces]
            deltas += [{"tool_calls": [call]} for call in calls]
        end = {"finish_reason": self.finish_reason, "stop_reason": None, "token_ids": None}
        return (
            _event({"role": "assistant", "content": ""}, prompt_token_ids=None),
            *map(_event, deltas),
            _event({"content": ""}, end),
            _data({**_envelope("chat.completion.chunk"), "choices": [], "usage": self.usage}),
            DONE,
        )


def cut(text: str, pieces: int) -> list[str]:
    """A text in so many pieces, none empty, of nearly equal length."""
    ends = [len(text) * number // pieces for number in range(pieces + 1)]
    return [text[start:end] for start, end in pairwise(ends)]


def _call(call: Call) -> Mapping[str, Any]:
    function = {"name": call.name, "arguments": call.arguments}
    return {"id": _CALL_ID, "type": "function", "function": function}


def _event(
    delta: Mapping[str, Any], choice: Mapping[str, Any] | None = None, **fields: Any
) -> bytes:
    whole_choice = {
        "index": 0,
        "delta": delta,
        "logprobs": None,
        **(choice or {"finish_reason": None, "token_ids": None}),
    }
    return _data({**_envelope("chat.completion.chunk"), "choices": [whole_choice], **fields})


def _envelope(kind: str) -> dict[str, Any]:
    return {"id": _ID, "object": kind, "created": _CREATED, "model": _MODEL}


def _data(value: Any) -> bytes:
    return b"data: %b\n\n" % _json(value)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
