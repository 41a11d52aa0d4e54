"""A thousand requests, drawn by a seed, get the same answers and records through both lanes."""

from __future__ import annotations

import asyncio
import json
import random
from typing import Any

import pytest
from tests.support.lane_pairs import ASKING, AUTH, CONFIG, HOST_KEY, ask_both
from tests.support.lanes import request_bytes

from puna.errors import APIConnectionError, APITimeoutError
from puna.transports.replay import Recorded
from puna.wire.http import HTTPRequest


def envelope(kind: str, dice: random.Random) -> dict[str, Any]:
    return {
        "id": "cmpl-7",
        "object": kind,
        "created": 1_750_000_001,
        "model": dice.choice(["up/model", "public", "same", "other"]),
    }


def usage(dice: random.Random) -> dict[str, Any]:
    plain = {"prompt_tokens": 7, "completion_tokens": 5, "total_tokens": 12}
    odd: list[dict[str, Any]] = [
        {"prompt_tokens": 7, "completion_tokens": None},
        {**plain, "prompt_tokens_details": {"cached_tokens": 3}},
        {**plain, "prompt_tokens_details": None, "x": 1},
        {**plain, "prompt_tokens": 2**53 + 1},
        {**plain, "completion_tokens": -1},
        {},
    ]
    return plain if dice.random() < 0.7 else dice.choice(odd)


def whole(dice: random.Random) -> Recorded:
    message: dict[str, Any] = {"role": "assistant", "content": 'Hé "model":"up/model" \n'}
    if dice.random() < 0.2:
        message |= dice.choice(
            [
                {"content": None},
                {"content": [{"type": "text", "text": "a"}]},
                {"refusal": None},
                {"annotations": None},
                {"tool_calls": []},
                {"tool_calls": [{"function": {"name": "f", "arguments": {"a": 1}}}]},
                {"reasoning_content": "hm"},
            ]
        )
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": "stop"}
    if dice.random() < 0.5:
        choice["logprobs"] = dice.choice([None, None, {"content": []}])
    choices = [choice] if dice.random() < 0.9 else [choice, {**choice, "index": 1}]
    reply = {**envelope("chat.completion", dice), "choices": choices, "usage": usage(dice)}
    if dice.random() < 0.2:
        reply |= dice.choice(
            [
                {"system_fingerprint": None},
                {"system_fingerprint": "fp"},
                {"x": {"model": "up/model"}},
                {"id": ""},
                {"choices": []},
                {"error": {"message": "no"}},
            ]
        )
    body = json.dumps(reply, ensure_ascii=dice.random() < 0.5).encode()
    cut = dice.randrange(len(body)) if dice.random() < 0.5 else 0
    headers = {"content-type": "application/json", "x-ratelimit-remaining-requests": "9"}
    if dice.random() < 0.1:
        headers["x-echo"] = HOST_KEY
    return Recorded(200, headers, (body[:cut], body[cut:]))


def deltas(dice: random.Random) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = [{"role": "assistant", "content": dice.choice(["", "He"])}]
    said += [
        {"content": dice.choice(["lo", " w", "wörld", "\n", '"', "\\", "\x7f"])}
        for _ in range(dice.randrange(9))
    ]
    if dice.random() < 0.25:
        odd: dict[str, Any] = dice.choice(
            [
                {"content": ""},
                {"role": "assistant", "content": "again"},
                {"content": None},
                {"reasoning_content": "hm"},
                {
                    "tool_calls": [
                        {"index": 0, "id": "c", "function": {"name": "f", "arguments": "{}"}}
                    ]
                },
            ]
        )
        said.insert(dice.randrange(len(said) + 1), odd)
    return said


def frames(dice: random.Random) -> list[bytes]:
    head = envelope("chat.completion.chunk", dice)
    extra: dict[str, Any] = dice.choice(
        [{}, {}, {"usage": None}, {"system_fingerprint": None}, {"x": 1}]
    )
    reason: dict[str, Any] = {"finish_reason": None} if dice.random() < 0.9 else {}
    ends = "\r\n" if dice.random() < 0.1 else "\n"
    made = [
        {**head, **extra, "choices": [{"index": 0, "delta": delta, **reason}]}
        for delta in deltas(dice)
    ]
    made.append({**head, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
    if dice.random() < 0.6:
        nothing = [] if dice.random() < 0.8 else [{"index": 0, "delta": {}}]  # as LiteLLM's proxy
        made.append({**head, "choices": nothing, "usage": usage(dice)})
    texts = [json.dumps(one, separators=(",", ":"), ensure_ascii=False) for one in made]
    if dice.random() < 0.2:
        texts.insert(
            dice.randrange(len(texts)),
            dice.choice(['{"error":{"message":"broke","code":500}}', "{", "null", "", "[1]"]),
        )
    if dice.random() < 0.8:
        texts.append("[DONE]")
    lines = [f"data: {text}{ends}{ends}".encode() for text in texts]
    if dice.random() < 0.2:
        lines.insert(dice.randrange(len(lines)), b": ping\n\n")
    return lines


def stream(dice: random.Random) -> Recorded:
    data = b"".join(frames(dice))
    if dice.random() < 0.15:
        data = data[: dice.randrange(len(data))]
    cuts = sorted(dice.randrange(len(data) + 1) for _ in range(dice.randrange(8)))
    pieces = [data[a:b] for a, b in zip([0, *cuts], [*cuts, len(data)], strict=True) if a < b]
    error = APIConnectionError("Cannot reach `http://up`: cut") if dice.random() < 0.1 else None
    return Recorded(200, {"content-type": "text/event-stream"}, pieces, error)


def failure(dice: random.Random) -> Recorded:
    status = dice.choice([400, 401, 403, 404, 410, 422, 429, 500, 503])
    body = dice.choice(
        [
            json.dumps({"error": {"message": f"no {HOST_KEY}", "type": "t", "code": "c"}}),
            json.dumps({"title": "t", "detail": "d", "status": status}),
            "<html>gone</html>",
            "",
        ]
    )
    return Recorded(status, {"content-type": "application/json"}, (body.encode(),))


def reply_of(dice: random.Random, *, is_stream: bool) -> Recorded:
    kind = dice.random()
    if kind < 0.15:
        return failure(dice)
    if kind < 0.2:
        return Recorded(error=APITimeoutError("No answer from `http://up`."), is_refused=True)
    return stream(dice) if is_stream == (kind < 0.97) else whole(dice)


def body_of(dice: random.Random) -> dict[str, Any]:
    names = ["public", "public", "priced", "same", "falls", "wild/x", "nobody", "own", "own-falls"]
    body: dict[str, Any] = {
        "model": dice.choice(names),
        "messages": [{"role": "user", "content": "hi é"}],
    }
    known = {
        "temperature": 0.5,
        "max_tokens": 9,
        "stop": ["x"],
        "seed": 3,
        "user": "u",
        "n": 1,
        "top_p": 1,
    }
    odd: dict[str, Any] = {
        "temperature": None,
        "tools": [],
        "top_k": 4,
        "metadata": {"a": 1},
        "max_tokens": 0,
        "messages": [],
        "stream_options": {},
        "timeout": 5,
        "api_base": "http://x",
    }
    body |= {name: value for name, value in known.items() if dice.random() < 0.3}
    if dice.random() < 0.5:
        body["stream"] = True
        if dice.random() < 0.4:
            body["stream_options"] = {"include_usage": dice.random() < 0.7}
    if dice.random() < 0.15:
        name = dice.choice(list(odd))
        body[name] = odd[name]
    return body


@pytest.mark.parametrize("has_hooks", [True, False], ids=["hooks", "no-hooks"])
@pytest.mark.parametrize("part", range(4))
def test_a_thousand_requests_get_the_same_through_both_lanes(part: int, *, has_hooks: bool) -> None:
    config = ASKING if part % 2 else CONFIG

    async def run() -> list[str]:
        lanes: list[str] = []
        for seed in range(part * 250, part * 250 + 250):
            dice = random.Random(seed)  # noqa: S311 - chance of tests, not of keys
            body = body_of(dice)
            recorded = reply_of(dice, is_stream=bool(body.get("stream")))

            def play(request: HTTPRequest, recorded: Recorded = recorded) -> Recorded:
                return failure(random.Random(1)) if "down" in request.url else recorded  # noqa: S311

            data = request_bytes(body, AUTH)
            _, _, answer = await ask_both(play, data, config, has_hooks=has_hooks)
            lanes.append(answer.headers.get("x-puna-lane", "none"))
        return lanes

    lanes = asyncio.run(run())
    assert lanes.count("fast") > 50
    assert lanes.count("full") > 5
