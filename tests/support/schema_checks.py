"""Usual requests of each API, and checks of their answers against its published schemas."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.asgi import MODEL, Answer
from tests.support.schemas import api

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
RESPONSES, MESSAGES = "/v1/responses", "/v1/messages"
PATHS = (CHAT, TEXT, RESPONSES, MESSAGES)

PARAMETERS = {"type": "object", "properties": {"location": {"type": "string"}}}
NAMES = ("get_weather", "get_time")
FUNCTIONS: list[dict[str, Any]] = [
    {"type": "function", "function": {"name": n, "parameters": PARAMETERS}} for n in NAMES
]
USER = [{"role": "user", "content": "hi"}]
BODIES: Mapping[str, Mapping[str, Any]] = {
    CHAT: {"messages": USER},
    TEXT: {"prompt": "hi"},
    RESPONSES: {"input": "hi"},
    MESSAGES: {"messages": USER, "max_tokens": 9},
}
TOOLS: Mapping[str, list[Any]] = {
    CHAT: FUNCTIONS,
    RESPONSES: [{"type": "function", **tool["function"]} for tool in FUNCTIONS],
    MESSAGES: [{"name": name, "input_schema": PARAMETERS} for name in NAMES],
}


def asked(path: str, **fields: Any) -> dict[str, Any]:
    return {"model": MODEL, **BODIES[path], **fields}


def check(path: str, answer: Answer) -> None:
    """Raise AssertionError unless a reply to a POST is as the schemas say."""
    if answer.headers["content-type"] == "text/event-stream":
        for event in events_of(answer):
            check_event(path, event)
    elif answer.status != 200:
        vendor = "anthropic" if path.startswith(MESSAGES) else "openai"
        api(vendor).check("ErrorResponse", answer.json)
    elif path == MESSAGES:
        api("anthropic").check("Message", answer.json)
    elif path == RESPONSES:
        api("openai").check("Response", answer.json)
    elif path == TEXT:
        api("openai").check("CreateCompletionResponse", answer.json)
    else:
        api("openai").check("CreateChatCompletionResponse", answer.json)


def check_event(path: str, event: dict[str, Any]) -> None:
    openai, anthropic = api("openai"), api("anthropic")
    if path == RESPONSES:
        openai.check_variant("ResponseStreamEvent", event)
    elif path == MESSAGES:
        if event["type"] == "error":
            anthropic.check("ErrorResponse", event)
        elif event != {"type": "ping"}:  # in the reference, but in no schema
            anthropic.check_variant("MessageStreamEvent", event)
    elif "error" in event:
        openai.check("ErrorResponse", event)
    elif path == CHAT:
        openai.check("CreateChatCompletionStreamResponse", event)
    else:
        # The schema is that of whole answers, whose reason is never null.
        for choice in event["choices"]:
            choice["finish_reason"] = choice["finish_reason"] or "stop"
        openai.check("CreateCompletionResponse", event)


def events_of(answer: Answer) -> Iterator[dict[str, Any]]:
    for frame in answer.text.split("\n\n"):
        data = frame.rpartition("data: ")[2]
        if data and data != "[DONE]":
            yield json.loads(data)
