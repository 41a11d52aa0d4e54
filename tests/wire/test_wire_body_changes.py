"""Bodies for one deployment's host: what of the caller's request is changed, and nothing else."""

from __future__ import annotations

import json
from typing import Any

import pytest

from puna.wire.body_changes import BodyChanges, default_changes
from puna.wire.envelope import ChatEnvelope, read_envelope

HI: dict[str, Any] = {"role": "user", "content": "hi"}


def read(**fields: Any) -> ChatEnvelope:
    envelope = read_envelope(json.dumps({"model": "m", "messages": [HI], **fields}).encode())
    assert envelope is not None
    return envelope


def body_of(changes: BodyChanges, envelope: ChatEnvelope) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(changes.encode(envelope)[0])
    return body


def test_the_host_gets_its_name_for_the_model_and_the_envelope_keeps_its_own() -> None:
    asked = read(
        temperature=0.5, tools=[{"type": "function", "function": {"name": "f", "description": "é"}}]
    )
    body = body_of(BodyChanges("up/model"), asked)
    tools = [{"type": "function", "function": {"name": "f", "description": "é"}}]
    assert body == {"model": "up/model", "messages": [HI], "temperature": 0.5, "tools": tools}
    assert asked.model == "m"


def test_metadata_goes_to_hooks_and_never_to_the_host() -> None:
    assert "metadata" not in body_of(BodyChanges("up"), read(metadata={"a": 1}))


@pytest.mark.parametrize("wish", [{}, {"stream_options": {"include_usage": False}}])
def test_the_usage_of_a_stream_is_asked_for_where_the_operator_wants_it(
    wish: dict[str, Any],
) -> None:
    changes = BodyChanges("up", asks_usage=True)
    body = body_of(changes, read(stream=True, **wish))
    assert body["stream_options"] == {"include_usage": True}
    assert "stream_options" not in body_of(changes, read())


def test_only_parameters_that_the_caller_gave_are_reported_as_left_out() -> None:
    changes = BodyChanges("up", dropped=("prompt_cache_key", "store"))
    body, dropped = changes.encode(read(store=False, user="u"))
    assert json.loads(body) == {"model": "up", "messages": [HI], "user": "u"}
    assert dropped == ("store",)
    assert changes.encode(read(user="u"))[1] == ()


def test_a_deployments_parameters_hold_where_the_caller_gave_none() -> None:
    params = {"temperature": 0.5, "max_tokens": 9, "top_k": 4}
    changes = default_changes("up", params, asks_usage=False, dropped=())
    assert changes is not None
    assert json.loads(changes.encode(read())[0]) == {"model": "up", "messages": [HI], **params}
    body = json.loads(changes.encode(read(max_completion_tokens=5, temperature=1))[0])
    assert body["temperature"] == 1
    assert body["max_completion_tokens"] == 5
    assert "max_tokens" not in body


@pytest.mark.parametrize(
    "params",
    [{"temperature": "hot"}, {"tools": []}, {"stream": True}, {"top_k": object()}, {"n": 0}],
)
def test_parameters_that_need_a_reader_close_the_short_way(params: dict[str, Any]) -> None:
    assert default_changes("up", params, asks_usage=False, dropped=()) is None
