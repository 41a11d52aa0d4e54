"""The gateway in front of hosts that speak the Responses API themselves."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import House, events_of
from tests.support.native_responses import BRIDGED, CONFIG, KEY, TOOL, ask, fixture, house, sent
from tests.support.provider_suite import FIXTURES, load
from tests.support.responses import filled

from puna.errors import APIConnectionError
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded
from puna.wire.http import HTTPRequest


def body_of(name: str) -> dict[str, Any]:
    body: dict[str, Any] = load(FIXTURES / "openai" / "responses" / f"{name}.json")["body"]
    return body


def test_a_response_comes_as_the_host_gave_it() -> None:
    seen: list[CallEvent] = []
    made, transport = house(fixture("web_search"), hooks=(seen.append,))
    tools = [{"type": "web_search_preview"}]
    answer = ask(made, tools=tools, metadata={"k": "v"})
    came = body_of("web_search")
    own: dict[str, Any] = {"model": "gpt", "metadata": {"k": "v"}, "store": True}
    own["completed_at"] = answer.json["completed_at"]
    assert answer.json == filled(came, **own)
    request = transport.requests[0]
    assert request.url == "https://api.openai.com/v1/responses"
    assert request.headers["authorization"] == f"Bearer {KEY}"
    assert sent(transport) == {
        "model": "gpt-5.4",
        "input": [{"type": "message", "role": "user", "content": "hi"}],
        "tools": tools,
        "store": False,
    }
    assert answer.headers["x-litellm-model-group"] == "gpt"
    assert "x-puna-usage" not in answer.headers
    (event,) = seen
    report = event.report
    assert (report.prompt_tokens, report.cached_tokens, report.completion_tokens) == (328, 128, 356)
    assert report.cost_picos == 328 * 2_000_000 + 356 * 10_000_000
    assert (event.outcome, event.input[0]["content"], report.attempts) == ("success", "hi", 1)
    assert KEY not in answer.text


def test_a_stream_comes_as_the_host_gave_it() -> None:
    seen: list[CallEvent] = []
    made, transport = house(fixture("unknown_events_stream"), hooks=(seen.append,))
    events = events_of(ask(made, stream=True, tools=[{"type": "web_search"}]))
    came = [
        json.loads(piece.decode().partition("data: ")[2])
        for piece in fixture("unknown_events_stream").pieces
    ]
    for event in came:
        if "response" in event:
            event["response"] = filled(event["response"], model="gpt", store=True)
    assert events == came
    assert sent(transport)["stream"] is True
    assert (seen[0].outcome, seen[0].is_stream, seen[0].report.finish_reason) == (
        "success",
        True,
        "incomplete",
    )
    assert (seen[0].report.prompt_tokens, seen[0].report.completion_tokens) == (9, 1)


def test_a_native_response_is_stored_read_and_deleted() -> None:
    made, _ = house(fixture("function_call"))
    response_id = ask(made).json["id"]
    assert response_id == body_of("function_call")["id"]
    where = f"/v1/responses/{response_id}"
    assert made.get(where).json["output"] == body_of("function_call")["output"]
    assert made.get(f"{where}/input_items").json["data"][0]["type"] == "message"
    assert made.ask(where, None, method="DELETE").json["deleted"] is True
    assert made.get(where).status == 404


@pytest.mark.parametrize("stream", [False, True])
def test_a_conversation_goes_on_with_all_items_and_encrypted_thoughts(
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    kind = "function_call_stream" if stream else "function_call"
    made, transport = house(fixture(kind), fixture("whole"))
    first = ask(made, instructions="once", tools=[TOOL], stream=stream)
    response = events_of(first)[-1]["response"] if stream else first.json
    call_id = response["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    second = ask(made, input=[output], previous_response_id=response["id"])
    assert second.json["previous_response_id"] == response["id"]
    again = sent(transport)
    assert "previous_response_id" not in again
    assert "instructions" not in again
    assert again["input"] == [
        {"type": "message", "role": "user", "content": "hi"},
        *response["output"],
        output,
    ]


def test_what_a_host_would_have_to_store_is_not_referred_to() -> None:
    search = body_of("web_search")
    bare = {"type": "reasoning", "id": "rs_1", "summary": []}
    first = Recorded(
        200,
        {"content-type": "application/json"},
        [json.dumps({**search, "output": [bare, *search["output"]]}).encode()],
    )
    made, transport = house(first, fixture("whole"))
    answer = ask(made, tools=[{"type": "web_search"}])
    assert answer.json["output"][0] == bare
    second = ask(made, previous_response_id=answer.json["id"])
    _, record, message, _ = sent(transport)["input"]
    assert record == {"type": "web_search_call", "status": "completed"}
    assert message == search["output"][1]
    assert second.headers["x-puna-dropped-params"] == "input.reasoning"


def test_a_response_that_is_not_stored_cannot_be_gone_on_from() -> None:
    made, _ = house(fixture("whole"))
    answer = ask(made, store=False)
    assert answer.json["store"] is False
    assert made.get(f"/v1/responses/{answer.json['id']}").status == 404
    assert ask(made, previous_response_id=answer.json["id"]).status == 404


@pytest.mark.parametrize(
    ("name", "code"),
    [("error_stream", "server_error"), ("failed_stream", "rate_limit_exceeded")],
)
def test_a_stream_that_fails_after_it_has_begun_ends_in_a_failed_response(
    name: str, code: str
) -> None:
    seen: list[CallEvent] = []
    made, transport = house(fixture(name), hooks=(seen.append,))
    events = events_of(ask(made, stream=True))
    assert [event["sequence_number"] for event in events] == list(range(7))
    last = events[-1]
    assert last["type"] == "response.failed"
    assert last["response"]["error"]["code"] == code
    assert last["response"]["id"] == events[0]["response"]["id"]
    assert (last["response"]["model"], last["response"]["status"]) == ("gpt", "failed")
    assert (seen[0].outcome, len(transport.requests)) == ("failure", 1)
    assert seen[0].report.is_usage_estimated
    assert transport.open_replies == 0


def test_a_connection_that_breaks_ends_in_a_failed_response() -> None:
    cut = fixture("cut_stream")
    broken = Recorded(200, cut.headers, cut.pieces, APIConnectionError("reset"))
    made, _ = house(broken)
    last = events_of(ask(made, stream=True))[-1]
    assert (last["type"], last["sequence_number"]) == ("response.failed", 6)
    assert last["response"]["error"]["code"] == "server_error"


@pytest.mark.parametrize("name", ["early_failure_stream", "error_429"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_before_the_answer_is_tried_again(
    name: str,
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    if name == "early_failure_stream" and not stream:
        name = "failed"
    made, transport = house(fixture(name), fixture("stream" if stream else "whole"))
    answer = ask(made, stream=stream)
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert (response["status"], len(transport.requests)) == ("completed", 2)


def test_a_host_that_answers_whole_to_a_stream_request() -> None:
    made, _ = house(fixture("function_call"))
    events = events_of(ask(made, stream=True, tools=[TOOL]))
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["output"] == body_of("function_call")["output"]


def test_a_host_that_tells_no_usage_has_it_estimated() -> None:
    made, _ = house(fixture("no_usage"))
    answer = ask(made)
    assert answer.headers["x-puna-usage"] == "estimated"
    assert answer.json["usage"] is None


def test_an_error_of_the_host_is_typed_and_shows_no_key() -> None:
    error = {"error": {"message": f"Incorrect key: {KEY}", "code": "invalid_api_key"}}
    reply = Recorded(401, {"content-type": "application/json"}, [json.dumps(error).encode()])
    answer = ask(house(reply)[0])
    assert (answer.status, answer.error["code"]) == (401, "upstream_invalid_api_key")
    assert KEY not in answer.text


def test_a_file_keeps_native_responses(tmp_path: Path) -> None:
    config = CONFIG + f"general_settings: {{response_store: {tmp_path / 'r.db'}}}\n"
    made, transport = house(fixture("function_call"), fixture("whole"), config=config)
    first = ask(made, tools=[TOOL])
    call_id = first.json["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    ask(made, input=[output], previous_response_id=first.json["id"])
    assert sent(transport)["input"][1:3] == body_of("function_call")["output"]


def test_every_request_is_closed() -> None:
    def play(request: HTTPRequest) -> Recorded:
        return fixture("stream" if request.is_stream else "whole")

    transport = AsyncReplayTransport(play)
    made = House(transport=transport, config=CONFIG, environ={"OPENAI_API_KEY": KEY})
    for stream in (False, True):
        ask(made, stream=stream)
    assert transport.open_replies == 0


def whole(**fields: Any) -> Recorded:
    body = {**body_of("function_call"), **fields}
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(body).encode()])


def streamed(*events: dict[str, Any]) -> Recorded:
    pieces = [b"data: %b\n\n" % json.dumps(event).encode() for event in events]
    return Recorded(200, {"content-type": "text/event-stream"}, pieces)


@pytest.mark.parametrize("told", [0, 10**15, 10**25])
def test_the_time_that_a_host_tells_decides_nothing_about_what_is_stored(
    told: int, tmp_path: Path
) -> None:
    store = f"general_settings: {{response_store: {tmp_path / 'r.db'}}}\n"
    ids = [f"resp_0123456789abcde{last}" for last in "fgh"]
    replies = [whole(id=ids[0]), whole(id=ids[1], created_at=told), whole(id=ids[2])]
    made, _ = house(*replies, config=CONFIG + store)
    for _ in ids:
        assert ask(made).status == 200
    assert [made.get(f"/v1/responses/{one}").status for one in ids] == [200, 200, 200]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("status", ["queued", "in_progress", "cancelled", "wat"])
def test_a_whole_response_that_has_not_ended_is_no_answer(status: str, *, is_stream: bool) -> None:
    made, _ = house(whole(status=status), whole(status=status), whole(status=status))
    answer = ask(made, stream=is_stream)
    assert (answer.status, answer.error["code"]) == (502, "malformed_reply")
    assert f"its status is `{status}`" in answer.error["message"]


@pytest.mark.parametrize("is_stream", [False, True])
@pytest.mark.parametrize("count", [-5, 10**18])
def test_usage_beyond_belief_is_estimated_in_the_report(count: int, *, is_stream: bool) -> None:
    usage = {"input_tokens": 3, "output_tokens": count, "total_tokens": 4}
    response = {**body_of("function_call"), "usage": usage}
    seen: list[CallEvent] = []
    reply = streamed({"type": "response.completed", "response": response})
    made, _ = house(reply if is_stream else whole(usage=usage), hooks=(seen.append,))
    assert ask(made, stream=is_stream).status == 200
    (event,) = seen
    assert (event.outcome, event.report.is_usage_estimated) == ("success", True)
    assert 0 < event.report.completion_tokens < 1_000


def test_an_end_without_its_response_gets_it_from_what_came_before() -> None:
    item = body_of("function_call")["output"][0]
    begun = {**body_of("function_call"), "status": "in_progress", "output": [], "usage": None}
    events = (
        {"type": "response.created", "response": begun},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed"},
    )
    made, _ = house(streamed(*events))
    last = events_of(ask(made, stream=True))[-1]
    assert (last["type"], last["sequence_number"]) == ("response.completed", 2)
    assert (last["response"]["status"], last["response"]["output"]) == ("completed", [item])
    assert made.get(f"/v1/responses/{last['response']['id']}").status == 200


def test_a_failure_without_its_response_gets_one_that_says_why() -> None:
    item = body_of("function_call")["output"][0]
    made, _ = house(
        streamed(
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.failed"},
        )
    )
    last = events_of(ask(made, stream=True))[-1]
    assert (last["type"], last["sequence_number"]) == ("response.failed", 1)
    assert last["response"]["error"]["code"] == "server_error"
    assert last["response"]["output"] == [item]


def test_where_parts_may_be_left_out_the_host_that_takes_all_is_still_asked() -> None:
    config = CONFIG + BRIDGED.replace("model_name: llama", "model_name: gpt")
    tools = [{"type": "web_search"}]
    for _ in range(8):
        made, transport = house(fixture("web_search"), config=config)
        answer = ask(made, tools=tools, drop_params=True)
        assert answer.status == 200, answer.text
        assert "x-puna-dropped-params" not in answer.headers
        assert sent(transport)["tools"] == tools
