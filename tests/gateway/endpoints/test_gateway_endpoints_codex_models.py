"""What Codex asks of a gateway beside responses: a WebSocket, and its catalogue of models."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from tests.support.asgi import CONFIG, House
from tests.support.gateway_responses import BODY
from tests.support.lanes import Edge, request_bytes
from tests.support.upstream import Upstream, completion_body

from puna.transports.replay import Recorded

HERE = CONFIG.replace("UPSTREAM", "http://up.test/v1")
WISH = (
    "host: a\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n"
    "sec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    "openai-beta: responses_websockets=2026-02-06\r\n"
)

FIELDS: dict[str, type | tuple[type, ...]] = {
    "slug": str,
    "display_name": str,
    "description": str,
    "supported_reasoning_levels": list,
    "shell_type": str,
    "visibility": str,
    "supported_in_api": bool,
    "priority": int,
    "base_instructions": str,
    "supports_reasoning_summaries": bool,
    "support_verbosity": bool,
    "truncation_policy": dict,
    "supports_parallel_tool_calls": bool,
    "effective_context_window_percent": int,
    "experimental_supported_tools": list,
    "input_modalities": list,
    "context_window": (int, type(None)),
    "upgrade": type(None),
    "default_verbosity": type(None),
    "apply_patch_tool_type": str,
}
"""What Codex 0.171.0 reads of each entry, in its types; without one of them it takes none."""


def reply(_: Any) -> Recorded:
    return Recorded(
        200, {"content-type": "application/json"}, [json.dumps(completion_body()).encode()]
    )


@pytest.mark.parametrize("path", ["/v1/responses", "/responses", "/openai/v1/responses"])
def test_a_wish_for_a_websocket_is_answered_426_at_once(path: str) -> None:
    """Codex falls back to POST on 426, and tries again for a while on anything else."""

    async def run() -> Any:
        edge = Edge(reply, HERE, is_fast=True)
        return await edge.ask(f"GET {path} HTTP/1.1\r\n{WISH}\r\n".encode())

    answer = asyncio.run(run())
    assert answer.status == 426
    assert answer.headers["upgrade"] == "HTTP/1.1"
    assert answer.error["code"] == "websocket_not_supported"


def test_a_connection_that_asked_for_a_websocket_goes_on_with_post() -> None:

    async def run() -> bytes:
        edge = Edge(reply, HERE, is_fast=True)
        protocol, wire = edge.connect()
        protocol.data_received(f"GET /v1/responses HTTP/1.1\r\n{WISH}\r\n".encode())
        for _ in range(200):
            await asyncio.sleep(0)
        protocol.data_received(request_bytes(BODY, path="/v1/responses"))
        for _ in range(200):
            await asyncio.sleep(0)
        return wire.written

    written = asyncio.run(run())
    assert written.startswith(b"HTTP/1.1 426 ")
    assert written.count(b"HTTP/1.1 200 ") == 1


def test_a_plain_get_of_responses_is_405(upstream: Upstream) -> None:
    answer = House(upstream).get("/v1/responses")
    assert (answer.status, answer.headers["allow"]) == (405, "POST, OPTIONS")


MODELS = """
model_list:
  - model_name: scout
    litellm_params: {model: huggingface/meta-llama/Llama-4-Scout-17B-16E-Instruct, api_key: k}
  - model_name: mine
    litellm_params: {model: openai/m, api_key: k, api_base: "http://up.test/v1"}
    model_info: {max_input_tokens: 32768, base_instructions: "Be mine."}
  - model_name: keyless
    litellm_params: {model: groq/x}
  - model_name: local
    litellm_params: {model: embedded/smollm2-135m}
"""


def test_codex_gets_its_own_catalogue_with_every_field_of_each_entry() -> None:
    answer = House(config=MODELS).get("/v1/models?client_version=0.171.0")
    assert list(answer.json) == ["models"]
    entries = {one["slug"]: one for one in answer.json["models"]}
    assert list(entries) == ["scout", "mine", "local"], "one that cannot be asked is not offered"
    for entry in entries.values():
        for name, kind in FIELDS.items():
            assert isinstance(entry[name], kind), name
        assert entry["base_instructions"].strip()
        assert entry["truncation_policy"] == {"mode": "tokens", "limit": 10_000}
        assert set(entry["input_modalities"]) <= {"text", "image"}
        assert entry["visibility"] == "list"
    assert entries["scout"]["context_window"] == 131_072
    assert entries["scout"]["input_modalities"] == ["text", "image"]
    assert entries["mine"]["context_window"] == 32_768
    assert entries["mine"]["base_instructions"] == "Be mine."
    assert entries["local"]["input_modalities"] == ["text"]
    assert "apply_patch" in entries["local"]["base_instructions"]
    assert [one["priority"] for one in entries.values()] == [0, 1, 2]


def test_everybody_else_gets_the_list_of_openai() -> None:
    house = House(config=MODELS)
    for path in ("/v1/models", "/v1/models?client_version=", "/v1/models?limit=5"):
        assert house.get(path).json["object"] == "list"


def test_a_model_that_thinks_has_levels() -> None:
    config = """
model_list:
  - model_name: oss
    litellm_params: {model: groq/openai/gpt-oss-120b, api_key: k}
"""
    (entry,) = House(config=config).get("/v1/models?client_version=1").json["models"]
    assert [one["effort"] for one in entry["supported_reasoning_levels"]] == [
        "low",
        "medium",
        "high",
    ]
    assert entry["default_reasoning_level"] == "medium"
