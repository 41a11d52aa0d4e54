"""The gateway rescues calls by its settings, a deployment's, or a request's own, and says so."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, House, config_with
from tests.support.rescue import tools_named
from tests.support.upstream import Received, Reply, Upstream, completion_body, text_chunks

CALL = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
BODY = {**CHAT, "tools": tools_named("get_weather")}
HEADER = "x-puna-rescued-tool-calls"


def writes_a_call(received: Received) -> Reply:
    """An upstream that writes its call as text."""
    if received.json.get("stream"):
        return Reply.sse(*text_chunks([CALL[:20], CALL[20:]]))
    return Reply.json(completion_body({"content": CALL}))


def is_rescued(house: House, **fields: Any) -> bool:
    answer = house.ask(body={**BODY, **fields})
    assert answer.status == 200
    choice = answer.json["choices"][0]
    assert (choice["finish_reason"] == "tool_calls") == (HEADER in answer.headers)
    return HEADER in answer.headers


def test_a_rescued_call_is_told_in_a_header(upstream: Upstream) -> None:
    upstream.plays_always(writes_a_call)
    answer = House(upstream).ask(body=BODY)
    message = answer.json["choices"][0]["message"]
    assert message["content"] is None
    assert message["tool_calls"][0]["function"]["arguments"] == '{"city": "Paris"}'
    assert answer.headers[HEADER] == "1"
    assert "rescue_tool_calls" not in upstream.requests[0].json


def test_a_stream_is_rescued_too(upstream: Upstream) -> None:
    upstream.plays_always(writes_a_call)
    answer = House(upstream).ask(body={**BODY, "stream": True})
    deltas = [chunk["choices"][0] for chunk in answer.chunks]
    assert deltas[-1]["finish_reason"] == "tool_calls"
    assert deltas[-2]["delta"]["tool_calls"][0]["function"]["name"] == "get_weather"
    assert answer.said == ""


@pytest.mark.parametrize(
    ("settings", "deployment", "request_says", "expected"),
    [
        (None, None, None, True),
        (False, None, None, False),
        (False, True, None, True),
        (True, False, None, False),
        (True, False, True, True),
        (None, None, False, False),
    ],
)
def test_the_nearest_switch_counts(
    upstream: Upstream,
    settings: bool | None,  # noqa: FBT001 - a row of the table
    deployment: bool | None,  # noqa: FBT001
    request_says: bool | None,  # noqa: FBT001
    *,
    expected: bool,
) -> None:
    upstream.plays_always(writes_a_call)
    config = config_with("rescue_tool_calls", deployment=deployment, settings=settings)
    fields = {} if request_says is None else {"rescue_tool_calls": request_says}
    assert is_rescued(House(upstream, config), **fields) == expected


def test_arguments_are_repaired_by_a_switch(upstream: Upstream) -> None:
    schema = {
        "type": "object",
        "properties": {"city": {"type": "array", "items": {"type": "string"}}},
    }
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": schema}}
    upstream.plays_always(writes_a_call)
    body = {**CHAT, "tools": [tool]}
    switch = "repair_tool_arguments"
    for config, fields in (
        (config_with(switch, deployment=True), {}),
        (config_with(switch, settings=True), {}),
        (CONFIG, {switch: True}),
    ):
        answer = House(upstream, config).ask(body={**body, **fields})
        call = answer.json["choices"][0]["message"]["tool_calls"][0]
        assert call["function"]["arguments"] == '{"city": ["Paris"]}'
        assert answer.headers["x-puna-repaired-arguments"] == "1"


@pytest.mark.parametrize("name", ["rescue_tool_calls", "repair_tool_arguments"])
def test_a_request_says_true_or_false(upstream: Upstream, name: str) -> None:
    answer = House(upstream).ask(body={**BODY, name: "yes"})
    assert answer.status == 400
    assert answer.error["param"] == name
