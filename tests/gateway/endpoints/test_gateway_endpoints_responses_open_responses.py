"""Open Responses' suite over HTTP: over chat, and at a host that speaks the API itself.

The document is in tests/fixtures/open_responses; docs/reference/open-responses.md has the count.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from docs.open_responses_page import load_open_responses
from tests.support.asgi import House, events_of
from tests.support.open_responses import (
    CASES,
    COMPACT,
    check_answer,
    check_compaction,
    check_events,
    check_schema,
)
from tests.support.provider_suite import FIXTURES, load
from tests.support.upstream import Reply, Upstream, completion_body

from puna.transports.replay import AsyncReplayTransport, Recorded, in_order

ROOT = Path(__file__).parents[3]
CALL = {"id": "c", "type": "function", "function": {"name": "get_weather", "arguments": "{}"}}
CHAT = """
model_list:
  - model_name: gpt
    litellm_params: {model: openai/m, api_key: k, api_base: UPSTREAM}
"""
NATIVE = """
model_list:
  - model_name: gpt
    litellm_params: {model: openai/gpt-5.4, api_key: k}
"""


def test_the_page_tells_of_these_cases() -> None:
    told = load_open_responses(ROOT)["case"]
    assert len(told) == 17
    held = {case["name"] for case in told if case["holds"]}
    others = {"response-output-phase-schema", "compact-response", "compact-missing-model"}
    assert held == CASES.keys() | others
    assert all(case["holds"] or case["name"].startswith("websocket-") for case in told)


@pytest.mark.parametrize("case", CASES)
def test_a_case_holds_over_chat(upstream: Upstream, case: str) -> None:
    if case == "tool-calling":
        upstream.plays(Reply.json(completion_body({"content": None, "tool_calls": [CALL]})))
    answer = over_chat(upstream).ask("/v1/responses", {"model": "gpt", **CASES[case]})
    assert answer.status == 200, answer.text
    if CASES[case].get("stream"):
        check_events(case, events_of(answer))
    else:
        check_answer(case, answer.json)


def over_chat(upstream: Upstream) -> House:
    """A host that is asked over chat, of which nothing is known."""
    return House(upstream, CHAT)


def native(name: str) -> House:
    given = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    pieces = given.get("pieces") or [json.dumps(given["body"])]
    recorded = Recorded(given["status"], given["headers"], [piece.encode() for piece in pieces])
    return House(config=NATIVE, transport=AsyncReplayTransport(in_order(recorded)))


@pytest.mark.parametrize("case", CASES)
def test_a_case_holds_natively(case: str) -> None:
    names = {"streaming-response": "stream", "tool-calling": "function_call"}
    answer = native(names.get(case, "whole")).ask("/v1/responses", {"model": "gpt", **CASES[case]})
    assert answer.status == 200, answer.text
    if CASES[case].get("stream"):
        check_events(case, events_of(answer))
    else:
        check_answer(case, answer.json)


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"temperature": 0.5, "top_p": 1, "top_logprobs": 2, "max_output_tokens": 9},
        {"prompt_cache_key": "k", "safety_identifier": "s", "metadata": {"a": "b"}},
        {"tools": [{"type": "function", "name": "f"}], "tool_choice": "auto"},
        {"text": {"format": {"type": "json_object"}}, "instructions": "Be short."},
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_what_was_asked_is_repeated_in_the_documents_types(
    upstream: Upstream,
    fields: dict[str, Any],
    stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    asked = {"model": "gpt", "input": "hi", "stream": stream, **fields}
    answer = over_chat(upstream).ask("/v1/responses", asked)
    assert answer.status == 200, answer.text
    if stream:
        check_events("", events_of(answer))
    response = events_of(answer)[-1]["response"] if stream else answer.json
    check_answer("", response)
    for name in fields.keys() - {"tools", "text"}:
        assert response[name] == fields[name]


def test_early_events_say_that_there_is_no_usage_yet(upstream: Upstream) -> None:
    for house, model in ((over_chat(upstream), "gpt"), (native("stream"), "gpt")):
        answer = house.ask("/v1/responses", {"model": model, "input": "hi", "stream": True})
        begun = [event["response"] for event in events_of(answer)[:2]]
        assert [(one["usage"], one["completed_at"]) for one in begun] == [(None, None)] * 2


@pytest.mark.parametrize("phase", ["commentary", "final_answer"])
def test_messages_with_a_phase_are_valid_output(phase: str) -> None:
    whole = native("whole").ask("/v1/responses", {"model": "gpt", "input": "hi"}).json
    whole["output"] = [{**whole["output"][-1], "phase": phase}]
    check_schema("ResponseResource", whole)


@pytest.mark.parametrize("native_host", [False, True])
def test_a_conversation_is_compacted_and_goes_on(
    upstream: Upstream,
    native_host: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    summary = "We plan a trip to Lima in May — ¡vamos!"
    upstream.plays(Reply.json(completion_body({"content": summary})))
    house = native("whole") if native_host else over_chat(upstream)
    asked = {"model": "gpt", **COMPACT, "instructions": "Be brief.", "tools": [{"type": "x"}]}
    answer = house.ask("/v1/responses/compact", asked)
    assert answer.status == 200, answer.text
    check_compaction(answer.json)
    assert answer.headers["x-puna-dropped-params"].split(",")[0] == "tools"
    assert answer.json["usage"]["total_tokens"] > 0
    if native_host:
        return
    sent = upstream.requests[0].json["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user", "user"]
    assert "ummar" in sent[-1]["content"]
    more = [*answer.json["output"], {"type": "message", "role": "user", "content": "And then?"}]
    following = house.ask("/v1/responses", {"model": "gpt", "input": more})
    assert following.status == 200, following.text
    first, second = upstream.requests[1].json["messages"]
    assert summary in first["content"]
    assert (first["role"], second["content"]) == ("user", "And then?")


def test_the_conversation_of_a_stored_response_is_compacted(upstream: Upstream) -> None:
    house = over_chat(upstream)
    made = house.ask("/v1/responses", {"model": "gpt", "input": "hi"}).json
    body = {"model": "gpt", "previous_response_id": made["id"]}
    answer = house.ask("/v1/responses/compact", body)
    check_compaction(answer.json)
    roles = [message["role"] for message in upstream.requests[1].json["messages"]]
    assert roles == ["user", "assistant", "user"]


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"input": "hi"}, "model"),
        ({"model": "gpt"}, "input"),
        ({"model": "gpt", "input": ""}, "input"),
        ({"model": "gpt", "input": []}, "input"),
        ({"model": "gpt", "input": 7}, "input"),
    ],
)
def test_what_cannot_be_compacted_is_a_400(body: dict[str, Any], param: str) -> None:
    answer = House(config=NATIVE).ask("/v1/responses/compact", body)
    assert (answer.status, answer.error["param"]) == (400, param)


@pytest.mark.parametrize("text", ["puna1.%%%", "puna1.YQ", "puna1._w==", "puna1.é", "puna1.\ud800"])
def test_a_damaged_compaction_is_a_400(text: str) -> None:
    item = {"type": "compaction", "encrypted_content": text}
    answer = House(config=NATIVE).ask("/v1/responses", {"model": "gpt", "input": [item]})
    assert answer.error["param"] == "input[0].encrypted_content"


def test_another_services_compaction_is_for_its_own_hosts(upstream: Upstream) -> None:
    item = {"type": "compaction", "id": "cmp_1", "encrypted_content": "gAAAAABx"}
    body = {"input": [item, {"type": "message", "role": "user", "content": "hi"}]}
    refused = over_chat(upstream).ask("/v1/responses", {"model": "gpt", **body})
    assert (refused.status, refused.error["param"]) == (400, "input[0].type")
    assert native("whole").ask("/v1/responses", {"model": "gpt", **body}).status == 200


def test_a_model_that_writes_no_summary_is_said(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body({"content": " "})))
    answer = over_chat(upstream).ask("/v1/responses/compact", {"model": "gpt", **COMPACT})
    assert (answer.status, answer.error["code"]) == (502, "empty_summary")


@pytest.mark.parametrize(
    ("finish", "reason"), [("length", "max_output_tokens"), ("content_filter", "content_filter")]
)
def test_a_summary_that_was_cut_does_not_replace_the_conversation(
    upstream: Upstream, finish: str, reason: str
) -> None:
    upstream.plays(Reply.json(completion_body({"content": "We agreed to"}, finish_reason=finish)))
    answer = over_chat(upstream).ask("/v1/responses/compact", {"model": "gpt", **COMPACT})
    assert (answer.status, answer.error["code"]) == (502, "incomplete_summary")
    assert f"`{reason}`" in answer.error["message"]
