"""A session of Codex: what it sends, what it gets, and what the host sees of it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from tests.support.recorded_clients import (
    MODEL,
    ROWS,
    dropped_by,
    events_of,
    house_for,
    recorded,
    streamed_calls,
)
from tests.support.upstream import TEXT, Reply, Upstream

SECOND = recorded("codex_second_turn").body["input"]
PATCH = next(item["input"] for item in SECOND if item["type"] == "custom_tool_call")
COMMAND = next(item["arguments"] for item in SECOND if item["type"] == "function_call")
CALLS = (
    ("call_ls", "exec_command", COMMAND),
    ("call_patch", "apply_patch", json.dumps({"input": PATCH})),
)


def items_of(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """All that Codex keeps of a turn: the items of `response.output_item.done`, without ids."""
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    return [{name: value for name, value in item.items() if name != "id"} for item in done]


@pytest.mark.case(96, 98, 103)
@pytest.mark.parametrize("row", ROWS)
def test_a_turn_with_parallel_calls_comes_as_codex_replays_it(upstream: Upstream, row: str) -> None:
    house = house_for(upstream, row, drop_params=True)
    upstream.plays(streamed_calls(*CALLS, text="I look, and mend it."))

    answer = recorded("codex_first_turn").sent_to(house)

    events = events_of(answer)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    response = events[-1]["response"]
    assert (response["store"], response["model"]) == (False, MODEL)
    assert response["usage"]["total_tokens"] > 0
    message, shell, patch = items_of(events)
    assert [part["text"] for part in message["content"]] == ["I look, and mend it."]
    replayed = {item.get("call_id"): item for item in SECOND if "name" in item}
    for item in (shell, patch):
        wanted = replayed[item["call_id"]]
        assert {name: item[name] for name in wanted} == wanted
    deltas = [e["delta"] for e in events if e["type"] == "response.custom_tool_call_input.delta"]
    assert "".join(deltas) == PATCH


@pytest.mark.case(96, 103)
@pytest.mark.parametrize("row", ROWS)
def test_the_host_sees_the_whole_session_in_the_second_turn(upstream: Upstream, row: str) -> None:
    house = house_for(upstream, row, drop_params=True)

    upstream.plays(Reply.text_stream("Done", ". "))
    answer = recorded("codex_second_turn").sent_to(house)

    (item,) = items_of(events_of(answer))
    assert (item["type"], item["content"][0]["text"]) == ("message", "Done. ")
    sent = upstream.requests[-1].json
    roles = [message["role"] for message in sent["messages"]]
    assert roles == ["system", "user", "user", "assistant", "tool", "tool"]
    assistant, listed, patched = sent["messages"][3:]
    assert assistant["content"] == "I look, and mend it."
    assert [
        (call["id"], call["function"]["name"], json.loads(call["function"]["arguments"]))
        for call in assistant["tool_calls"]
    ] == [(call_id, name, json.loads(arguments)) for call_id, name, arguments in CALLS]
    assert (listed["tool_call_id"], patched["tool_call_id"]) == ("call_ls", "call_patch")
    assert "greet.py" in listed["content"]
    assert patched["content"].startswith("Exit code: 0\nSuccess.")
    assert b"thoughts-of-another-model" not in upstream.requests[-1].body


def test_the_host_sees_functions_only_and_codex_is_told_what_it_does_not_see(
    upstream: Upstream,
) -> None:
    house = house_for(upstream, "meta_llama", drop_params=True)

    answer = recorded("codex_first_turn").sent_to(house)

    sent = upstream.requests[-1].json
    tools = {tool["function"]["name"]: tool["function"] for tool in sent["tools"]}
    own = [tool for tool in recorded("codex_first_turn").body["tools"] if "name" in tool]
    assert list(tools) == [tool["name"] for tool in own]
    assert list(tools["apply_patch"]["parameters"]["properties"]) == ["input"]
    assert "start: begin_patch hunk+ end_patch" in tools["apply_patch"]["description"]
    assert sent["parallel_tool_calls"] is True
    allowed = {"model", "messages", "tools", "tool_choice", "parallel_tool_calls"}
    beyond = {"stream", "stream_options", "reasoning_effort", "verbosity"}
    assert sent.keys() - allowed == beyond
    told = dropped_by(answer)
    for name in ("client_metadata", "prompt_cache_key", "reasoning.summary"):
        assert name in told
    assert any("tools[4]" in name for name in told)  # web search


def test_without_drop_params_a_host_of_ones_own_decides_on_effort_and_verbosity(
    upstream: Upstream,
) -> None:
    answer = recorded("codex_first_turn").sent_to(house_for(upstream, "meta_llama"))

    assert answer.status == 200
    assert {"reasoning_effort", "verbosity"} <= upstream.requests[0].json.keys()


@pytest.mark.parametrize("row", ROWS)
def test_without_drop_params_its_web_search_is_left_out(upstream: Upstream, row: str) -> None:
    """Codex sends it with every request, and no host of Llama runs it."""
    upstream.plays(Reply.text_stream(TEXT))
    asked = recorded("codex_unknown_model")
    tools = [*asked.body["tools"], {"type": "web_search", "external_web_access": False}]

    answer = replace(asked, body={**asked.body, "tools": tools}).sent_to(house_for(upstream, row))

    (item,) = items_of(events_of(answer))
    assert item["content"][0]["text"] == TEXT
    assert f"tools[{len(tools) - 1}]" in dropped_by(answer)


@pytest.mark.parametrize("row", ROWS)
def test_for_a_model_that_codex_does_not_know_no_setting_is_needed(
    upstream: Upstream, row: str
) -> None:
    """Then it sends neither effort nor verbosity."""
    upstream.plays(Reply.text_stream(TEXT))

    answer = recorded("codex_unknown_model").sent_to(house_for(upstream, row))

    (item,) = items_of(events_of(answer))
    assert item["content"][0]["text"] == TEXT
    assert sorted(dropped_by(answer)) == ["client_metadata", "prompt_cache_key"]


@pytest.mark.case(102)
def test_a_host_that_breaks_off_fails_the_response(upstream: Upstream) -> None:
    upstream.plays(Reply.text_stream("Do", "ne", is_done=False, end="close"))

    answer = recorded("codex_second_turn").sent_to(
        house_for(upstream, "meta_llama", drop_params=True)
    )

    last = events_of(answer)[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == "server_error"
