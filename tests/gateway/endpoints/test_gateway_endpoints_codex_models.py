"""What Codex asks of a gateway beside responses: a WebSocket, its catalogue, compressed bodies."""

from __future__ import annotations

import asyncio
import gzip
import json
import zlib
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, House, events_of
from tests.support.lanes import Edge, request_bytes
from tests.support.upstream import Reply, Upstream, completion_body

from puna.errors import BadRequestError
from puna.gateway.requests.encodings import BodyReader
from puna.transports.replay import Recorded

HERE = CONFIG.replace("UPSTREAM", "http://up.test/v1")
ASK = {"model": MODEL, "input": "hi"}
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
        protocol.data_received(request_bytes(ASK, path="/v1/responses"))
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


# --- compressed bodies


def deflated(data: bytes) -> bytes:
    return zlib.compress(data)


def raw(data: bytes) -> bytes:
    made = zlib.compressobj(wbits=-15)
    return made.compress(data) + made.flush()


def as_it_is(data: bytes) -> bytes:
    return data


@pytest.mark.parametrize(
    ("encoding", "pack"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("GZIP", gzip.compress),
        ("deflate", deflated),
        ("deflate", raw),
        ("identity", as_it_is),
        ("", as_it_is),
    ],
)
@pytest.mark.parametrize("path", ["/v1/responses", "/v1/chat/completions"])
def test_a_compressed_body_is_read(upstream: Upstream, encoding: str, pack: Any, path: str) -> None:
    upstream.plays(Reply.json(completion_body()))
    body = json.dumps(CHAT if "chat" in path else ASK).encode()
    answer = House(upstream).ask(path, pack(body), headers={"content-encoding": encoding})
    assert answer.status == 200
    assert upstream.requests[0].json["messages"] == [{"role": "user", "content": "hi"}]


@pytest.mark.parametrize("encoding", ["zstd", "br", "gzip, gzip", "aes128gcm", "x" * 500])
def test_an_encoding_that_is_not_read_is_415_with_those_that_are(encoding: str) -> None:
    answer = House().ask(
        "/v1/responses", b"\x28\xb5\x2f\xfd", headers={"content-encoding": encoding}
    )
    assert answer.status == 415
    assert answer.headers["accept-encoding"] == "gzip, deflate"
    assert answer.error["code"] == "unsupported_encoding"
    said = answer.error["message"]
    assert f"`content-encoding: {encoding[:40]}`" in said
    assert "Switch the client's compression of requests off" in said
    assert "gzip, deflate" in said


LIMITED = CONFIG + "general_settings: {max_request_size_mb: 1}\n"


@pytest.mark.parametrize("size", [1024 * 1024 + 1, 64 * 1024 * 1024])
def test_what_a_body_opens_to_counts(size: int) -> None:
    packed = gzip.compress(b" " * size, 9)
    assert len(packed) < 100_000
    answer = House(config=LIMITED).ask(
        "/v1/responses", packed, headers={"content-encoding": "gzip"}
    )
    assert (answer.status, answer.error["code"]) == (413, "request_too_large")


def test_a_body_may_open_to_the_limit(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()))
    text = json.dumps(ASK).encode()
    packed = gzip.compress(text + b" " * (1024 * 1024 - len(text)))
    house = House(upstream, config=LIMITED)
    assert house.ask("/v1/responses", packed, headers={"content-encoding": "gzip"}).status == 200


@pytest.mark.parametrize(
    "body",
    [b"{}", b"", gzip.compress(b'{"a":1}')[:-4], b"\x1f\x8b\x08\x00", gzip.compress(b"{}") + b"x"],
    ids=["plain", "empty", "cut", "head only", "more after it"],
)
def test_a_body_that_is_not_in_its_encoding_is_400(body: bytes) -> None:
    answer = House().ask("/v1/responses", body, headers={"content-encoding": "gzip"})
    assert answer.status == 400
    assert answer.error["code"] in ("invalid_encoding", "invalid_json")


def test_a_body_in_many_members_and_pieces_is_read(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()))
    text = json.dumps(ASK).encode()
    packed = b"".join(gzip.compress(text[i : i + 5]) for i in range(0, len(text), 5))
    pieces = [packed[i : i + 7] for i in range(0, len(packed), 7)]
    answer = House(upstream).ask(
        "/v1/responses", None, headers={"content-encoding": "gzip"}, pieces=pieces
    )
    assert answer.status == 200


@pytest.mark.parametrize(
    "body",
    [gzip.compress(b"x") * (1_000_000 // 21), gzip.compress(bytes(9_000_000))],
    ids=["small members", "one that opens to much"],
)
def test_compressed_bodies_let_others_have_their_turn(body: bytes) -> None:
    opened = gzip.decompress(body)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async def run() -> int:
        other = asyncio.ensure_future(count())
        reader = BodyReader("gzip", 10_000_000)
        await reader.add(body)
        other.cancel()
        assert reader.finish() == opened
        return turns

    assert asyncio.run(run()) >= max(len(body) // 65_536, len(opened) // 2**20)


def test_members_that_open_to_nothing_are_refused_soon() -> None:
    reader = BodyReader("gzip", 10_000_000)
    with pytest.raises(BadRequestError, match="over 1000 parts of nothing"):
        asyncio.run(reader.add(gzip.compress(b"") * 50_000))


# --- hosted tools

TOOL = {"type": "function", "name": "f", "parameters": {"type": "object"}}
HOSTED = [{"type": "web_search"}, {"type": "image_generation"}, {"type": "local_shell"}]


@pytest.mark.parametrize("stream", [False, True])
def test_hosted_tools_are_left_out_and_reported(upstream: Upstream, stream: bool) -> None:  # noqa: FBT001 - a parametrised case
    upstream.plays(Reply.json(completion_body()) if not stream else Reply.text_stream())
    answer = House(upstream).ask(
        "/v1/responses", {**ASK, "stream": stream, "tools": [*HOSTED, TOOL]}
    )
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "tools[0],tools[1],tools[2]"
    assert [tool["function"]["name"] for tool in upstream.requests[0].json["tools"]] == ["f"]
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert [tool["type"] for tool in response["tools"]] == ["function"]


def test_a_strict_gateway_or_request_refuses_them() -> None:
    asked = {**ASK, "tools": [TOOL, *HOSTED]}
    strict = CONFIG + "litellm_settings: {strict_tools: true}\n"
    for answer in (
        House(config=strict).ask("/v1/responses", asked),
        House().ask("/v1/responses", {**asked, "strict_tools": True}),
    ):
        assert (answer.status, answer.error["param"]) == (400, "tools[1].type")
    wrong = House().ask("/v1/responses", {**asked, "strict_tools": "yes"})
    assert (wrong.status, wrong.error["param"]) == (400, "strict_tools")


@pytest.mark.parametrize("choice", ["required", {"type": "web_search"}])
def test_a_demand_for_a_hosted_tool_is_refused(choice: Any) -> None:
    answer = House().ask("/v1/responses", {**ASK, "tools": HOSTED[:1], "tool_choice": choice})
    assert answer.status == 400
    assert answer.error["param"].startswith("tool_choice")
