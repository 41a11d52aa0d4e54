"""Requests to the Responses API of a gateway."""

from __future__ import annotations

from typing import Any

from tests.support.asgi import MODEL, Answer, House

BODY = {"model": MODEL, "input": "hi"}
TOOL = {"type": "function", "name": "get_weather", "parameters": {}}


def respond(house: House, path: str = "/v1/responses", **fields: Any) -> Answer:
    return house.ask(path, {**BODY, **fields})
