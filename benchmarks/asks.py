"""What clients ask beside plain chat, and what a host of chat answers: a row for each shape.

Bodies are as the SDKs of OpenAI and Anthropic write them, answers as vLLM does (`vllm.py`).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from benchmarks import agent, vllm
from benchmarks.job import CHAT
from benchmarks.upstream import TEXT

MESSAGES = "/v1/messages"
RESPONSES = "/v1/responses"

USAGE = {"prompt_tokens": 24, "total_tokens": 88, "completion_tokens": 64}


@dataclass(frozen=True, slots=True)
class Call:
    """A tool call that a host answers with; `arguments` is a JSON text."""

    name: str
    arguments: str

    @property
    def message(self) -> Mapping[str, Any]:
        """The message of a whole answer."""
        function = {"name": self.name, "arguments": self.arguments}
        return {"tool_calls": [{"id": agent.CALL_ID, "type": "function", "function": function}]}


@dataclass(frozen=True, slots=True)
class Ask:
    """A request and its answer.

    Attributes:
        body: the request's, with an empty model.
        path: where it is sent.
        answer: the text or the call that the host answers.
        params: what the model's deployment has in the config beside its host.
        headers: what the client sends beside the usual.
        body_bytes: the answer where it is not made of `answer`.
    """

    body: Mapping[str, Any]
    path: str = CHAT
    answer: str | Call = TEXT
    params: Mapping[str, Any] = field(default_factory=dict[str, Any])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    body_bytes: bytes = b""

    def request_body(self, model: str, *, is_stream: bool = False) -> Mapping[str, Any]:
        """The request's body for this model."""
        return {**self.body, "model": model, **({"stream": True} if is_stream else {})}

    def whole(self) -> bytes:
        """The body of the host's answer."""
        if self.body_bytes:
            return self.body_bytes
        if isinstance(self.answer, Call):
            return vllm.whole(self.answer.message, "tool_calls", USAGE)
        return vllm.whole({"content": self.answer}, "stop", USAGE)

    def is_told(self, reply: bytes, chunks: int = 0) -> bool:
        """Whether a client's reply holds the answer: whole, or in so many chunks."""
        if chunks:
            return reply.count(b"data: {") >= chunks - 2  # role and end may go with others
        message = json.loads(self.whole())["choices"][0]["message"]
        said = message["content"] or message["tool_calls"][0]["function"]["name"]
        return json.dumps(said, ensure_ascii=False)[1:-1].encode() in reply

    def events(self, chunks: int) -> Sequence[bytes]:
        """The same, streamed in so many chunks: that with the role, those that tell, the end.

        The last two events are the end with the usage, in one, and `[DONE]`.
        """
        if isinstance(self.answer, Call):
            pieces = agent.cut(self.answer.arguments, chunks - 3)
            told = vllm.call_events(agent.CALL_ID, self.answer.name, pieces)
        else:
            told = vllm.text_events(agent.cut(self.answer, chunks - 2))
        reason = "tool_calls" if isinstance(self.answer, Call) else "stop"
        end = vllm.end_event(reason) + vllm.usage_event(USAGE)
        return (vllm.role_event(), *told, end, vllm.DONE)


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
_CALL = Call(
    "get_weather",
    json.dumps({"place": "Paris, France", "at": "2026-12-01T09:00:00+01:00", "unit": "celsius"}),
)
_LONG_CALL = Call("get_weather", json.dumps({"place": TEXT, "at": "2026-12-01T09:00:00+01:00"}))
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

ASKS: Mapping[str, Ask] = {
    "plain": Ask(_CHAT),
    "tool": Ask(_WITH_TOOL),
    "tool_answer": Ask(_WITH_TOOL, answer=_CALL),
    "call": Ask(_WITH_TOOL, answer=_LONG_CALL),
    "image": Ask({**_CHAT, "messages": [_TOLD[0], {"role": "user", "content": _SEEN}]}),
    "format": Ask(
        {**_CHAT, "response_format": _FORMAT},
        answer=json.dumps({"colour": "blue", "why": TEXT}),
    ),
    "defaults": Ask(
        {"messages": _TOLD, "model": ""},
        params={"temperature": 0.2, "max_tokens": 512, "extra_headers": {"x-team": "search"}},
    ),
    "agent": Ask(agent.chat_body(), body_bytes=agent.answer()),
    "messages": Ask(
        {
            "max_tokens": 128,
            "messages": [_TOLD[1]],
            "model": "",
            "system": _SYSTEM,
            "temperature": 0.7,
        },
        path=MESSAGES,
        headers={"anthropic-version": "2023-06-01"},
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
    ),
}
"""By name. Responses are not stored, as Codex asks."""
