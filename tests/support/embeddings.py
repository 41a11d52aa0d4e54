"""Replies of a host that embeds, and settings to ask it."""

from __future__ import annotations

import json
from typing import Any

from puna.client import ClientSettings
from puna.transports.replay import Player, Recorded, in_order
from puna.wire.http import HTTPRequest

KEY = "sk-canary/0123456789"
MODEL = "openai/text-embedding-3-small"
BASE = "http://up.test/v1"
SETTINGS = ClientSettings(environ={"OPENAI_API_KEY": KEY})
TWO = ([0.5, -0.25], [1.0, 0.0])


def recorded(body: Any, status: int = 200) -> Recorded:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return Recorded(status, {"content-type": "application/json", "x-h": "1"}, [data])


def vectors(*numbers: Any, **fields: Any) -> dict[str, Any]:
    items = [{"object": "embedding", "index": i, "embedding": v} for i, v in enumerate(numbers)]
    usage = {"prompt_tokens": 5, "total_tokens": 5}
    return {"object": "list", "data": items, "model": "theirs", "usage": usage, **fields}


def keeping(requests: list[HTTPRequest], *replies: Recorded) -> Player:
    play = in_order(*replies)

    def keep(request: HTTPRequest) -> Recorded:
        requests.append(request)
        return play(request)

    return keep
