"""Hosts that play their fixtures on the loopback, and a gateway in front of them for real clients.

    with Upstream() as up:
        up.plays_always(fixture_of)
        path.write_text(config_for(up, "groq", "together_ai"))

The last word of the model asked for names the fixture: `groq/error_429` plays
`fixtures/groq/error_429.json`, `groq/person` the one of `fixtures/clients`, which all hosts share.
Any other name, and any request that brings the results of tools, plays what is asked for: `chat`,
`stream`, `tool_call`, `tool_call_stream`.
`endless` and `silent` are for callers that leave.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.provider_suite import FIXTURES, Fixture, load
from tests.support.server import Served
from tests.support.upstream import Received, Reply, Upstream

KEY = "sk-master-for-clients"
ROWS = ("groq", "together_ai", "fireworks_ai")
LISTED = "llama-3.3-70b"
SHARED = FIXTURES / "clients"
UNENDING = {"endless": Reply.endless, "silent": Reply.hang}
VECTOR = (0.5, -0.25)


def config_for(up: Upstream, *rows: str) -> str:
    """A configuration with these rows' hosts: one model that is listed, and any other."""
    models = [
        {
            "model_name": f"{row}/{name}",
            "litellm_params": {
                "model": f"{row}/{name}",
                "api_base": f"{up.origin}/{row}",
                "api_key": "sk-host",
            },
        }
        for row in rows
        for name in (LISTED, "*")
    ]
    return json.dumps({"model_list": models, "general_settings": {"master_key": KEY}})


@contextmanager
def gateway_over(up: Upstream, folder: Path, *rows: str) -> Generator[Served]:
    """A gateway whose hosts play their fixtures."""
    up.plays_always(fixture_of)
    path = folder / "config.yaml"
    path.write_text(config_for(up, *rows), encoding="utf-8")
    with Served("--config", str(path), "--host", "127.0.0.1") as served:
        yield served


def fixture_of(received: Received) -> Reply:
    """The reply of a row's host to a request."""
    row, _, path = received.path.strip("/").partition("/")
    body: Mapping[str, Any] = received.json
    if path == "embeddings":
        return _vectors(body)
    if _name_in(body) in UNENDING:
        return UNENDING[_name_in(body)]()
    if not path.endswith("chat/completions"):
        return Reply.error(404, f"no fixture answers `{received.path}`")
    return reply_with(load(_path_of(row, body)))


def reply_with(fixture: Fixture) -> Reply:
    """A fixture as it goes over the wire: a stream in its pieces."""
    if "pieces" in fixture:
        steps = [piece.encode() for piece in fixture["pieces"]]
        return Reply(fixture["status"], fixture["headers"], steps, is_chunked=True)
    body = fixture["body"]
    text = body if isinstance(body, str) else json.dumps(body, ensure_ascii=False)
    return Reply(fixture["status"], fixture["headers"], (text.encode(),))


def _path_of(row: str, body: Mapping[str, Any]) -> Path:
    ending = "_stream" if body.get("stream") else ""
    asked = _name_in(body)
    is_answered = body["messages"][-1]["role"] == "tool"
    for name in () if is_answered else (f"{asked}{ending}", asked):
        for folder in (FIXTURES / row, SHARED):
            if (folder / f"{name}.json").exists():
                return folder / f"{name}.json"
    if body.get("tools") and body.get("tool_choice") != "none" and not is_answered:
        return FIXTURES / row / f"tool_call{ending}.json"
    return FIXTURES / row / ("stream.json" if ending else "chat.json")


def _name_in(body: Mapping[str, Any]) -> str:
    """Some hosts are sent a name in folders."""
    return str(body["model"]).rpartition("/")[2]


def _vectors(body: Mapping[str, Any]) -> Reply:
    """Vectors as numbers, which each of these hosts gives."""
    texts = body["input"] if isinstance(body["input"], list) else [body["input"]]
    items = [
        {"object": "embedding", "index": i, "embedding": [*VECTOR, i]} for i, _ in enumerate(texts)
    ]
    usage = {"prompt_tokens": 7, "total_tokens": 7}
    return Reply.json({"object": "list", "data": items, "model": body["model"], "usage": usage})
