"""What clients ask beside plain chat, and what a host of chat answers: a row for each shape.

Bodies are as the SDKs of OpenAI and Anthropic write them, answers as vLLM does (`vllm.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from benchmarks import agent
from benchmarks.vllm import Answer, Call

CHAT = "/v1/chat/completions"
MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"

TEXT = "The sky is blue because air scatters short waves of light more than long ones. " * 3
_EVENTS = 62  # of the text or the arguments, so that a stream has about 64 chunks


def _text(text: str = TEXT) -> Answer:
    return Answer(text, text_events=_EVENTS)


def _call(**arguments: str) -> Answer:
    call = Call("get_weather", json.dumps(arguments))
    return Answer(call=call, call_events=_EVENTS - 1)


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and its answer.

    Attributes:
        body: the request's, with an empty model.
        path: where it is sent.
        answer: what the host says.
        params: what the model's deployment has in the config beside its host.
        headers: what the client sends beside the usual.
        streamed: further fields of the body where it asks for a stream.
        end: what ends the client's stream.
    """

    body: Mapping[str, Any]
    path: str = CHAT
    answer: Answer = field(default_factory=_text)
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    streamed: Mapping[str, Any] = field(default_factory=dict[str, Any])
    end: bytes = b"data: [DONE]"

    def request_body(self, model: str, *, is_stream: bool = False) -> Mapping[str, Any]:
        """The request's body for this model."""
        streamed = {"stream": True, **self.streamed} if is_stream else {}
        return {**self.body, "model": model, **streamed}

    def is_told(self, reply: bytes, *, is_stream: bool = False) -> bool:
        """Whether a client's reply holds the answer."""
        if is_stream:
            told = self.answer.text_events + self.answer.call_events
            return reply.count(b"data: {") >= told and self.end in reply
        call = self.answer.call
        # Only the end of the text: some servers escape the letters that are not ASCII.
        marks = ((self.answer.text or "")[-20:], "" if call is None else call.name)
        return all(json.dumps(mark)[1:-1].encode() in reply for mark in marks)


_SYSTEM = "You are a helpful assistant."
_QUESTION = "Tell me in one paragraph why the sky is blue."
_TOLD = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": _QUESTION}]
_CHAT = {"messages": _TOLD, "model": "", "max_tokens": 128, "temperature": 0.7}
_WEATHER = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "The weather of a place, now or at a time of the next ten days.",
        "parameters": {
            "type": "object",
            "properties": {
                "place": {"type": "string", "description": "A city, with its country."},
                "at": {"type": "string", "description": "A time in ISO 8601."},
                "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]},
            },
            "required": ["place"],
            "additionalProperties": False,
        },
    },
}
_WITH_TOOL = {**_CHAT, "tool_choice": "auto", "tools": [_WEATHER]}
# One red pixel.
_PNG = (
    "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/"
    "pLvAAAAAElFTkSuQmCC"
)
_SEEN = [
    {"type": "text", "text": "What is in this picture?"},
    {"type": "image_url", "image_url": {"url": _PNG, "detail": "auto"}},
]
_FORMAT = {
    "type": "json_schema",
    "json_schema": {
        "name": "sky",
        "schema": {
            "type": "object",
            "properties": {"colour": {"type": "string"}, "why": {"type": "string"}},
            "required": ["colour", "why"],
            "additionalProperties": False,
        },
        "strict": True,
    },
}
_ANTHROPIC = {"anthropic-version": "2023-06-01"}
_MESSAGES_END = b"event: message_stop"
_RESPONSES_END = b"event: response.completed"

ASKS: Mapping[str, Ask] = {
    "plain": Ask(_CHAT),
    "tool": Ask(_WITH_TOOL),
    "tool_answer": Ask(
        _WITH_TOOL,
        answer=_call(place="Paris, France", at="2026-12-01T09:00:00+01:00", unit="celsius"),
    ),
    "call": Ask(_WITH_TOOL, answer=_call(place=TEXT, at="2026-12-01T09:00:00+01:00")),
    "image": Ask({**_CHAT, "messages": [_TOLD[0], {"role": "user", "content": _SEEN}]}),
    "format": Ask(
        {**_CHAT, "response_format": _FORMAT},
        answer=_text(json.dumps({"colour": "blue", "why": TEXT})),
    ),
    "defaults": Ask(
        {"messages": _TOLD, "model": ""},
        params={"temperature": 0.2, "max_tokens": 512, "extra_headers": {"x-team": "search"}},
    ),
    "messages": Ask(
        {
            "max_tokens": 128,
            "messages": [_TOLD[1]],
            "model": "",
            "system": _SYSTEM,
            "temperature": 0.7,
        },
        path=MESSAGES,
        headers=_ANTHROPIC,
        end=_MESSAGES_END,
    ),
    "responses": Ask(
        {
            "input": _QUESTION,
            "instructions": _SYSTEM,
            "max_output_tokens": 128,
            "model": "",
            "store": False,
            "temperature": 0.7,
        },
        path=RESPONSES,
        end=_RESPONSES_END,
    ),
    "agent": Ask(
        agent.chat_body(),
        answer=agent.ANSWER,
        streamed={"stream_options": {"include_usage": True}},
    ),
    "agent_messages": Ask(
        agent.messages_body(),
        path=MESSAGES,
        answer=agent.ANSWER,
        headers=_ANTHROPIC,
        end=_MESSAGES_END,
    ),
    "agent_responses": Ask(
        agent.responses_body(), path=RESPONSES, answer=agent.ANSWER, end=_RESPONSES_END
    ),
}
"""By name. Responses are not stored, as Codex asks."""
