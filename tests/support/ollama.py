"""What Ollama is sent for a chat."""

from __future__ import annotations

import json
from typing import Any

from tests.support.contexts import request_for

from puna.dialects.base import BuiltRequest, Target
from puna.dialects.table import DIALECTS
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.requests import ChatRequest
from puna.wire.http import Timeouts

ROW = PROVIDERS["ollama"]
TARGET = resolve_target(ROW, "llama3.2", {})
PNG = "iVBORw0KGgo="
TOOLS = [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}]


def build(request: ChatRequest, target: Target = TARGET) -> BuiltRequest:
    return DIALECTS["ollama_native"].build_request(request, target, Timeouts())


def body_of(target: Target = TARGET, **fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(
        build(request_for("ollama/llama3.2", **fields), target).http.body
    )
    return body


def said(text: str) -> list[dict[str, Any]]:
    return [{"role": "user", "content": text}]
