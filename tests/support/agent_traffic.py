"""Requests of coding agents and the replies of hosts, drawn by dice: usual ones and odd ones."""

from __future__ import annotations

import json
import random
from typing import Any

from puna.transports.replay import Recorded

TOOL_NAMES = ("read_file", "write", "get_weather", "get")
_TEXTS = (
    *("Hello", " there", ".", "\n", "\n\n", " ", "wörld 😀", '"', "\\", "a < b", "x{y}", "list[0]"),
    *(
        "`code`",
        "```python\nprint(1)\n```",
        "```json\n",
        "<tool_",
        "get",
        "get_weather",
        "read_file(",
    ),
    *("{", "[", '{"name": "get", ', '"parameters": {}}', "<|python_tag|>", "1. first\n", "  "),
)
_CALLS_AS_TEXT = (
    '{"name": "get", "parameters": {"city": "Oslo"}}',
    '<tool_call>{"name": "write", "arguments": {"text": "a"}}</tool_call>',
    '[get_weather(city="Oslo")]',
    'get_weather(city="Oslo")',
    '<function=get>{"a": 1}</function>',
    'Let me look.\n{"name": "read_file", "parameters": {"path": "a"}}',
)
_ARGUMENTS = (
    '{"path": "a.py"}',
    "{}",
    '{"edits": [{"old": "x", "new": "é\\n"}, {}]}',
    "",
    "null",
    "{",
)


def tools(dice: random.Random) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for name in dice.sample(TOOL_NAMES, dice.randrange(1, 4)):
        function: dict[str, Any] = {"name": name, "description": "Does \u00e9 things."}
        if dice.random() < 0.9:
            function["parameters"] = {
                "type": "object",
                "properties": {"path": {"type": "string"}, "city": {"type": "string"}},
            }
        if dice.random() < 0.1:
            function |= dice.choice(
                [
                    {"strict": True},
                    {"strict": None},
                    {"parameters": None},
                    {"x": 1},
                    {"name": "a b"},
                ]
            )
        tool: dict[str, Any] = {"type": "function", "function": function}
        if dice.random() < 0.04:
            tool |= dice.choice([{"type": "custom"}, {"cache_control": {"type": "ephemeral"}}])
        made.append(tool)
    return made


def content(dice: random.Random, *, images: bool) -> Any:
    if dice.random() < 0.5:
        return dice.choice(["hi é", "a\nb", "x", " "]) if dice.random() < 0.95 else ""
    parts: list[dict[str, Any]] = [
        {"type": "text", "text": dice.choice(["one", "two é", ""])}
        for _ in range(dice.randrange(1, 3))
    ]
    if images and dice.random() < 0.4:
        url: dict[str, Any] = {"url": "data:image/png;base64,iVBORw0KGgo="}
        if dice.random() < 0.3:
            url["detail"] = "low"
        parts.append({"type": "image_url", "image_url": url})
    if dice.random() < 0.05:
        parts.append(dice.choice([{"type": "input_audio", "input_audio": {}}, {"type": "text"}]))
    if dice.random() < 0.04:
        parts[0]["cache_control"] = {"type": "ephemeral"}
    return parts


def turn(dice: random.Random, number: int) -> list[dict[str, Any]]:
    """A user's message, an answer with calls, and their results."""
    made: list[dict[str, Any]] = [{"role": "user", "content": content(dice, images=True)}]
    if dice.random() < 0.1:
        made[0]["name"] = "anna"
    if dice.random() < 0.25:
        return [*made, {"role": "assistant", "content": content(dice, images=False)}]
    calls = [
        {
            "id": f"call_{number}_{i}" if dice.random() < 0.95 else dice.choice(["", "same", "é"]),
            "type": "function",
            "function": {"name": dice.choice(TOOL_NAMES), "arguments": arguments(dice)},
        }
        for i in range(dice.randrange(1, 3))
    ]
    answer: dict[str, Any] = {"role": "assistant", "tool_calls": calls}
    if dice.random() < 0.8:
        answer["content"] = dice.choice(
            [None, None, "", "I look.", [{"type": "text", "text": "a"}]]
        )
    if dice.random() < 0.2:
        answer |= {"refusal": None, "annotations": [], "audio": None, "function_call": None}
    if dice.random() < 0.05:
        answer |= dice.choice([{"reasoning_content": "hm"}, {"refusal": "no"}, {"x": 1}])
    results: list[dict[str, Any]] = [
        {"role": "tool", "tool_call_id": call["id"], "content": content(dice, images=False)}
        for call in calls
    ]
    if dice.random() < 0.1:
        results[0]["name"] = "get"
    if dice.random() < 0.08:
        dice.shuffle(results)
    if dice.random() < 0.05:
        results.pop()
    return [*made, answer, *results]


def arguments(dice: random.Random) -> str:
    return dice.choice(_ARGUMENTS[:3] if dice.random() < 0.9 else _ARGUMENTS)


def request(dice: random.Random, models: list[str]) -> dict[str, Any]:
    messages: list[dict[str, Any]] = []
    if dice.random() < 0.5:
        messages.append({"role": "system", "content": content(dice, images=False)})
    for number in range(dice.randrange(3)):
        messages += turn(dice, number)
    messages.append({"role": "user", "content": content(dice, images=True)})
    if dice.random() < 0.04:
        role = dice.choice(["developer", "system", "function"])
        messages.insert(dice.randrange(len(messages)), {"role": role, "content": "be kind"})
    body: dict[str, Any] = {"messages": messages, "model": dice.choice(models)}
    if dice.random() < 0.75:
        body["tools"] = tools(dice)
        if dice.random() < 0.3:
            name = body["tools"][0]["function"]["name"]
            named = {"type": "function", "function": {"name": name}}
            body["tool_choice"] = dice.choice(["auto", "none", "required", named, None, "get"])
        if dice.random() < 0.2:
            body["parallel_tool_calls"] = dice.choice([True, False, None])
    body |= parameters(dice)
    if dice.random() < 0.5:
        body["stream"] = True
        if dice.random() < 0.4:
            body["stream_options"] = {"include_usage": True}
    elif dice.random() < 0.2:
        body["stream"] = dice.choice([None, False])
    return body


def parameters(dice: random.Random) -> dict[str, Any]:
    schema = {"name": "s", "schema": {"type": "object"}, "strict": True}
    others: dict[str, list[Any]] = {
        "response_format": [
            {"type": "text"},
            {"type": "json_object"},
            {"type": "json_schema", "json_schema": schema},
            None,
            {"type": "grammar"},
        ],
        "metadata": [{"a": {"b": [1]}}, None, {}, []],
        "logprobs": [True, False],
        "top_logprobs": [3, 21],
        "reasoning_effort": ["low", None, 5],
        "store": [False, True],
        "prompt_cache_key": ["k", None],
        "safety_identifier": ["s"],
        "logit_bias": [{"5": 1}, None, []],
        "temperature": [0.5, None, 1, "hot"],
        "max_tokens": [50, None],
        "max_completion_tokens": [60],
        "n": [1, 2, None],
        "stop": ["x", ["a"], None],
        "service_tier": ["auto"],
        "user": ["u", None],
        "verbosity": ["low"],
        "stream_options": [{"include_usage": True}, None],
        "top_k": [4],
    }
    return {name: dice.choice(some) for name, some in others.items() if dice.random() < 0.08}


def answer_text(dice: random.Random) -> str:
    if dice.random() < 0.25:
        return dice.choice(_CALLS_AS_TEXT)
    return "".join(dice.choice(_TEXTS) for _ in range(dice.randrange(1, 6)))


def calls(dice: random.Random) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = [
        {
            "id": f"call_{i}" if dice.random() < 0.95 else dice.choice(["call_0", "", None]),
            "type": "function",
            "function": {"name": dice.choice(TOOL_NAMES), "arguments": arguments(dice)},
        }
        for i in range(dice.randrange(1, 3))
    ]
    if dice.random() < 0.1:
        made[0]["index"] = 0
    return made


def usage() -> dict[str, Any]:
    return {"prompt_tokens": 70, "completion_tokens": 5, "total_tokens": 75}


def whole_reply(dice: random.Random) -> Recorded:
    message: dict[str, Any] = {"role": "assistant", "content": answer_text(dice)}
    reason = "stop"
    if dice.random() < 0.5:
        message["tool_calls"] = calls(dice)
        message["content"] = dice.choice([None, None, None, "", "Looking."])
        reason = "tool_calls" if dice.random() < 0.9 else "stop"
    elif dice.random() < 0.5:
        empties: list[dict[str, Any]] = [
            {"tool_calls": []},
            {"tool_calls": None},
            {"function_call": None, "refusal": None, "audio": None, "annotations": None},
        ]
        message |= dice.choice(empties)
    choice = {"index": 0, "message": message, "finish_reason": reason, "logprobs": None}
    reply = {
        "id": "cmpl-7",
        "object": "chat.completion",
        "created": 1_750_000_001,
        "model": dice.choice(["up/model", "public"]),
        "choices": [choice],
        "usage": usage(),
    }
    body = json.dumps(reply, ensure_ascii=dice.random() < 0.5)
    return Recorded(200, {"content-type": "application/json"}, (body.encode(),))


def cut(text: str, dice: random.Random) -> list[str]:
    places = sorted(dice.randrange(len(text) + 1) for _ in range(dice.randrange(9)))
    pieces = [text[a:b] for a, b in zip([0, *places], [*places, len(text)], strict=True)]
    return [piece for piece in pieces if piece]


def call_deltas(dice: random.Random) -> list[dict[str, Any]]:
    made: list[dict[str, Any]] = []
    for index, call in enumerate(calls(dice)):
        text = call["function"]["arguments"]
        begin = {"name": call["function"]["name"]}
        style = dice.random()
        if style < 0.4:
            begin["arguments"] = ""
        pieces = cut(text, dice)
        if style > 0.9:
            begin["arguments"], pieces = text, []
        made.append({**call, "index": index, "function": begin})
        made += [{"index": index, "function": {"arguments": piece}} for piece in pieces]
        if dice.random() < 0.05:
            odd: list[dict[str, Any]] = [
                {"index": 0, "function": {"arguments": "{}"}},
                {"index": index, "id": call["id"], "function": {"arguments": "x"}},
                {"index": index, "function": {"name": "get", "arguments": ""}},
                {"index": index, "function": {"arguments": ""}},
                {"index": 5, "function": {"arguments": "1"}},
            ]
            made.append(dice.choice(odd))
    return [{"tool_calls": [piece]} for piece in made]


def stream_reply(dice: random.Random) -> Recorded:
    said: list[dict[str, Any]] = []
    has_calls = dice.random() < 0.5
    if not has_calls or dice.random() < 0.4:
        said += [{"content": piece} for piece in cut(answer_text(dice), dice)]
    if has_calls:
        said += call_deltas(dice)
        if dice.random() < 0.1:
            said.append({"content": "after"})
    first: dict[str, Any] = {"role": "assistant", "content": dice.choice(["", "", None])}
    if said and dice.random() < 0.3:
        said[0] = {"role": "assistant", **said[0]}
    else:
        said.insert(0, first)
    head = {
        "id": "cmpl-7",
        "object": "chat.completion.chunk",
        "created": 1_750_000_001,
        "model": "up/model",
    }
    chunks: list[dict[str, Any]] = [
        {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in said
    ]
    reason = "tool_calls" if has_calls else "stop"
    if dice.random() < 0.06:
        reason = dice.choice(["stop", "length", "tool_calls"])
    chunks.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": reason}]})
    if dice.random() < 0.8:
        chunks.append({**head, "choices": [], "usage": usage()})
    spaced = (", ", ": ") if dice.random() < 0.3 else (",", ":")
    texts = [json.dumps(one, separators=spaced, ensure_ascii=False) for one in chunks]
    data = "".join(f"data: {text}\n\n" for text in [*texts, "[DONE]"]).encode()
    if dice.random() < 0.08:
        data = data[: dice.randrange(len(data))]
    places = sorted(dice.randrange(len(data) + 1) for _ in range(dice.choice([0, 1, 3, 30])))
    pieces = [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True) if a < b]
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


def any_reply(dice: random.Random, *, is_stream: bool) -> Recorded:
    """A host's reply: an answer, sometimes with thoughts between tags, or an error."""
    if dice.random() < 0.05:
        body = b'{"error":{"message":"no","type":"t","code":"c"}}'
        status = dice.choice([400, 401, 429, 500, 503])
        return Recorded(status, {"content-type": "application/json"}, (body,))
    made = stream_reply(dice) if is_stream else whole_reply(dice)
    if dice.random() < 0.9:
        return made
    thinks = [piece.replace(b'"Hello', b'"<think>hm</think>Hello') for piece in made.pieces]
    return Recorded(made.status, made.headers, tuple(thinks))
