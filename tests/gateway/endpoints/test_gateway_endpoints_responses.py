"""The Responses API of the gateway, over a replayed host."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import CHAT, CONFIG, MODEL, Caller, House, events_of, gateway_caller
from tests.support.gateway_responses import BODY, TOOL, respond
from tests.support.upstream import (
    ARGUMENTS,
    TEXT,
    Reply,
    Upstream,
    chunk,
    completion_body,
    text_chunks,
    usage_chunk,
)

from puna.bridges.responses.stored import make_stored
from puna.errors import NotFoundError
from puna.gateway.answers.sending import Caller as GatewayCaller
from puna.gateway.endpoints.responses import ResponsesAPI
from puna.governance.keys import Principal
from puna.governance.store.memory import MemoryStore
from puna.governance.store.sqlite import SQLiteStore
from puna.types.response_request import make_responses_request
from puna.types.responses import Response


@pytest.mark.case(93, 94)
@pytest.mark.parametrize("prefix", ["", "/v1", "/openai/v1"])
def test_a_plain_response(upstream: Upstream, prefix: str) -> None:
    answer = respond(House(upstream), f"{prefix}/responses")
    assert answer.status == 200
    said = answer.json
    assert said["id"].startswith("resp_")
    assert (said["object"], said["status"], said["model"]) == ("response", "completed", MODEL)
    assert said["output"][0]["content"][0]["text"] == TEXT
    assert said["usage"]["input_tokens"] == 11
    assert answer.headers["x-litellm-model-group"] == MODEL
    sent = upstream.requests[0].json
    assert sent == {
        "model": "Llama-3.3-8B-Instruct",
        "messages": [{"role": "user", "content": "hi"}],
    }


@pytest.mark.case(94, 98, 99, 100)
def test_a_stream_names_its_events_and_has_no_done(upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), usage_chunk()))
    answer = respond(House(upstream), stream=True, instructions="I", temperature=0.1)
    events = events_of(answer)
    assert "[DONE]" not in answer.text
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[0]["response"]["instructions"] == "I"
    last = events[-1]
    assert last["type"] == "response.completed"
    assert last["response"]["id"] == events[0]["response"]["id"]
    assert last["response"]["usage"]["total_tokens"] == 15
    assert last["response"]["output"][0]["content"][0]["text"] == TEXT
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.case(102)
def test_a_stream_that_breaks_ends_with_a_failed_response(upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    last = events_of(respond(House(upstream), stream=True))[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["status"] == "failed"
    assert last["response"]["error"]["code"] == "server_error"
    assert "stream" in last["response"]["error"]["message"].lower()
    assert upstream.url not in json.dumps(last)


@pytest.mark.case(102)
def test_a_failure_before_the_first_chunk_is_an_error_status(upstream: Upstream) -> None:
    upstream.plays(Reply.error(400, "the detail"))
    answer = respond(House(upstream), stream=True)
    assert answer.status == 400
    assert "the detail" in answer.error["message"]


@pytest.mark.case(101)
def test_a_text_and_a_call_are_two_items(upstream: Upstream) -> None:
    function = {"name": "get_weather", "arguments": ARGUMENTS}
    called = {"tool_calls": [{"index": 0, "id": "c1", "type": "function", "function": function}]}
    upstream.plays(
        Reply.sse(*text_chunks()[:-1], chunk(called), chunk({}, "tool_calls"), usage_chunk())
    )
    events = events_of(respond(House(upstream), stream=True, tools=[TOOL]))
    closed = [e for e in events if e["type"] == "response.output_item.done"]
    assert [(e["output_index"], e["item"]["type"]) for e in closed] == [
        (0, "message"),
        (1, "function_call"),
    ]
    assert closed[1]["item"]["arguments"] == ARGUMENTS


@pytest.mark.case(103, 104)
@pytest.mark.parametrize("stream", [False, True])
def test_a_chain_of_fifty_turns_sends_all_earlier_ones(
    upstream: Upstream,
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    house = House(upstream)
    previous = respond(house, instructions="only once", input="turn 0").json["id"]
    for turn in range(1, 50):
        answer = respond(house, input=f"turn {turn}", previous_response_id=previous, stream=stream)
        said = events_of(answer)[-1]["response"] if stream else answer.json
        assert said["previous_response_id"] == previous
        previous = said["id"]
    messages = upstream.requests[-1].json["messages"]
    assert [m["role"] for m in messages] == ["user", "assistant"] * 49 + ["user"]
    assert [m["content"] for m in messages[::2]] == [f"turn {i}" for i in range(50)]


@pytest.mark.case(103)
def test_a_calls_output_goes_on_from_the_response_that_asked_for_it(upstream: Upstream) -> None:
    house = House(upstream)
    first = respond(house, tools=[TOOL], tool_choice="required").json
    (call,) = first["output"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "warm"}
    answer = respond(house, input=[output], previous_response_id=first["id"])
    assert answer.status == 200
    _, asked, told = upstream.requests[-1].json["messages"]
    assert asked["tool_calls"][0]["id"] == told["tool_call_id"] == call["call_id"]


@pytest.mark.case(104, 106)
def test_an_unknown_response_is_a_404(upstream: Upstream) -> None:
    house = House(upstream)
    answer = respond(house, previous_response_id="resp_invented")
    assert (answer.status, answer.error["param"]) == (404, "previous_response_id")
    assert answer.error["code"] == "previous_response_not_found"
    unstored = respond(house, store=False).json["id"]
    assert respond(house, previous_response_id=unstored).status == 404
    assert respond(house, previous_response_id=7).status == 400
    for method, end in (("GET", ""), ("DELETE", ""), ("GET", "/input_items"), ("POST", "/cancel")):
        assert house.ask(f"/v1/responses/{unstored}{end}", None, method=method).status == 404
    assert len(upstream.requests) == 1


@pytest.mark.case(106)
def test_a_stored_response_can_be_read_listed_and_deleted(upstream: Upstream) -> None:
    house = House(upstream)
    made = respond(house, input=[{"role": "user", "content": t} for t in ("a", "b", "c")]).json
    where = f"/v1/responses/{made['id']}"
    assert house.get(where).json == made
    listed = house.get(f"{where}/input_items").json
    assert [item["content"][0]["text"] for item in listed["data"]] == ["c", "b", "a"]
    assert (listed["object"], listed["has_more"]) == ("list", False)
    page = house.get(f"{where}/input_items?order=asc&limit=1").json
    assert (page["data"][0]["content"][0]["text"], page["has_more"]) == ("a", True)
    rest = house.get(f"{where}/input_items?order=asc&after={page['last_id']}").json
    assert [item["content"][0]["text"] for item in rest["data"]] == ["b", "c"]
    for query in ("limit=0", "limit=x", "order=up", "after=none"):
        assert house.get(f"{where}/input_items?{query}").status == 400
    for query in ("stream=yes", "stream=true&starting_after=x", "stream=true&starting_after=-1"):
        assert house.get(f"{where}?{query}").status == 400
    cancelled = house.ask(f"{where}/cancel", None)
    assert (cancelled.status, cancelled.error["code"]) == (400, "not_cancellable")
    gone = house.ask(where, None, method="DELETE")
    assert gone.json == {"id": made["id"], "object": "response", "deleted": True}
    assert house.get(where).status == 404


@pytest.mark.parametrize("is_stored_as_stream", [False, True])
def test_a_stored_response_can_be_had_as_the_events_of_its_stream(
    upstream: Upstream,
    is_stored_as_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    """What openai-python's `responses.retrieve(id, stream=True, starting_after=…)` asks for."""
    house = House(upstream)
    answer = respond(house, stream=is_stored_as_stream)
    made = events_of(answer)[-1]["response"] if is_stored_as_stream else answer.json
    where = f"/v1/responses/{made['id']}"
    events = events_of(house.get(f"{where}?stream=true"))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"].removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "content_part.added",
        "output_text.delta",
        "output_text.done",
        "content_part.done",
        "output_item.done",
        "completed",
    ]
    assert events[-1]["response"] == made
    assert (events[0]["response"]["status"], events[0]["response"]["usage"]) == (
        "in_progress",
        None,
    )
    rest = house.get(f"{where}?stream=true&starting_after=3&include_obfuscation=true")
    assert events_of(rest) == events[4:]
    assert house.get(f"{where}?stream=true&starting_after=99").body == b""
    assert house.get(f"{where}?stream=false").json == made
    assert house.get("/v1/responses/resp_none?stream=true").status == 404


def test_no_tokens_at_all_is_for_the_host_to_judge(upstream: Upstream) -> None:
    house = House(upstream)
    respond(house, max_output_tokens=0)
    house.ask(body={**CHAT, "max_completion_tokens": 0})
    assert [request.json["max_tokens"] for request in upstream.requests[:1]] == [0]
    assert upstream.requests[1].json["max_completion_tokens"] == 0
    assert house.ask(body={**CHAT, "max_tokens": -1}).status == 400


@pytest.mark.case(105)
@pytest.mark.parametrize("kind", ["memory", "sqlite"])
def test_a_response_belongs_to_the_key_that_made_it(
    upstream: Upstream, tmp_path: Path, kind: str
) -> None:
    house = House(upstream)
    store = MemoryStore() if kind == "memory" else SQLiteStore(str(tmp_path / "r.db"))

    async def run() -> None:
        def caller(name: str) -> GatewayCaller:
            return gateway_caller(Caller("POST", "/v1/responses"), Principal(name))

        api = ResponsesAPI(house.app.responses.pipeline, store, house.clock)
        own, other = caller("own"), caller("other")
        await (await api.create(BODY, own)).run()
        (response_id,) = (f"resp_{n:032x}" for n in (1,))
        assert (await api.get(response_id, own)).status == 200
        for asking in (
            api.get(response_id, other),
            api.delete(response_id, other),
            api.input_items(response_id, other),
            api.cancel(response_id, other),
            api.create({**BODY, "previous_response_id": response_id}, other),
        ):
            with pytest.raises(NotFoundError):
                await asking
        await store.close()

    asyncio.run(run())


@pytest.mark.case(107, 108, 110, 111)
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [TOOL, {"type": "future"}]}, "tools[1].type"),
        ({"tools": [TOOL, {"type": "web_search"}], "strict_tools": True}, "tools[1].type"),
        ({"input": []}, "input"),
        ({"input": [{"type": "wat"}]}, "input[0].type"),
        ({"background": True}, "background"),
        ({"prompt": {"id": "p"}}, "prompt"),
        ({"api_key": "x"}, "api_key"),
        ({"temperature": "hot"}, "temperature"),
    ],
)
def test_what_is_refused_names_its_field(
    upstream: Upstream, fields: dict[str, Any], param: str
) -> None:
    answer = respond(House(upstream), **fields)
    assert (answer.status, answer.error["param"]) == (400, param)
    assert upstream.requests == []


@pytest.mark.case(107, 108)
def test_what_is_left_out_is_told_in_a_header(upstream: Upstream) -> None:
    for stream in (False, True):
        answer = respond(
            House(upstream),
            drop_params=True,
            stream=stream,
            tools=[{"type": "web_search"}, TOOL],
            reasoning={"effort": "low", "summary": "auto"},
            prompt_cache_key="k",
        )
        assert answer.status == 200
        dropped = answer.headers["x-puna-dropped-params"].split(",")
        assert dropped == ["prompt_cache_key", "tools[0]", "reasoning.summary"]


def test_input_tokens_are_counted_without_a_call(upstream: Upstream) -> None:
    house = House(upstream)
    answer = respond(house, "/v1/responses/input_tokens", instructions="Be short.")
    assert answer.json["object"] == "response.input_tokens"
    short = respond(house, "/v1/responses/input_tokens").json["input_tokens"]
    assert answer.json["input_tokens"] > short > 0
    assert upstream.requests == []


def test_wrong_methods_are_refused(upstream: Upstream) -> None:
    house = House(upstream)
    assert house.get("/v1/responses").status == 405
    assert house.ask("/v1/responses/resp_1", None, method="PUT").status == 405
    assert house.get("/v1/responses/a/b/c").status == 404


def test_a_client_that_leaves_a_stream_ends_the_upstreams(upstream: Upstream) -> None:
    upstream.plays(Reply.endless())
    answer = House(upstream).ask("/v1/responses", {**BODY, "stream": True}, leaves_after=5)
    assert answer.status == 200
    assert upstream.sees(lambda: upstream.open_replies == 0)


@pytest.mark.case(103)
def test_a_file_keeps_responses_over_a_restart(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "responses.db"
    config = CONFIG + f"general_settings: {{response_store: {path}}}\n"
    first = respond(House(upstream, config)).json["id"]
    again = House(upstream, config)
    assert respond(again, previous_response_id=first).status == 200
    assert len(upstream.requests[-1].json["messages"]) == 3
    assert path.stat().st_mode & 0o077 == 0
    assert again.ask(f"/v1/responses/{first}", None, method="DELETE").status == 200
    assert respond(again, previous_response_id=first).status == 404


def test_reasoning_of_the_host_is_an_item(upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body({"content": "4", "reasoning_content": "2+2"})))
    output = respond(House(upstream)).json["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "2+2"}]


def test_a_response_that_cannot_be_stored_is_answered_and_told_in_a_line(
    upstream: Upstream, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "responses.db"
    house = House(upstream, CONFIG + f"general_settings: {{response_store: {path}}}\n")
    other = sqlite3.connect(path)
    other.execute("DROP TABLE responses")
    other.commit()
    other.close()
    made = respond(house)
    assert (made.status, made.json["status"]) == (200, "completed")
    assert "was not stored: The store of responses cannot be used" in caplog.text
    assert "Traceback" not in caplog.text


def test_what_was_left_out_is_told_whatever_it_is_called_and_however_much(
    upstream: Upstream,
) -> None:
    message = {"type": "message", "role": "user", "content": "x"}
    odd = respond(House(upstream), input=[{**message, "a\nb,é": 1, "phase": 2}])
    assert odd.headers["x-puna-dropped-params"].split(",") == [
        "input.message.a%0Ab%2C%C3%A9",
        "input.message.phase",
    ]
    many = [{**message, f"field_{number:03}": 1} for number in range(200)]
    told = respond(House(upstream), input=many).headers["x-puna-dropped-params"].split(",")
    assert told[:-1] == [f"input.message.field_{number:03}" for number in range(len(told) - 1)]
    assert len(told) > 50
    assert told[-1] == f"+{200 - (len(told) - 1)}"


def test_what_is_stored_is_without_instructions() -> None:
    request = make_responses_request("m", {"input": "hi", "instructions": "I"})
    answer = {"id": "resp_1", "created_at": 1, "status": "completed", "model": "m", "output": []}
    kept = make_stored(request, Response.model_validate(answer), "k")
    assert kept.conversation == ({"type": "message", "role": "user", "content": "hi"},)
