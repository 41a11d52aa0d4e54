"""The gateway in front of hosts that speak the Responses API themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx2
import openai
import pytest
from tests.support.asgi import Answer, Caller, House, events_of
from tests.support.provider_suite import FIXTURES, load
from tests.support.responses import filled
from tests.support.upstream import completion_body

from puna.errors import APIConnectionError
from puna.telemetry.events import CallEvent
from puna.transports.replay import AsyncReplayTransport, Recorded, in_order
from puna.wire.http import HTTPRequest

T = TypeVar("T")

KEY = "sk-openai-canary-4711"
CONFIG = """
model_list:
  - model_name: gpt
    litellm_params:
      model: openai/gpt-5.4
      api_key: os.environ/OPENAI_API_KEY
      input_cost_per_token: 0.000002
      output_cost_per_token: 0.00001
"""
BRIDGED = """
  - model_name: llama
    litellm_params: {model: meta_llama/m, api_key: k, api_base: "http://up.test/v1"}
"""
TOOL = {"type": "function", "name": "get_current_weather", "parameters": {"type": "object"}}


def fixture(name: str, status: int | None = None) -> Recorded:
    given = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    pieces = given.get("pieces") or [json.dumps(given["body"])]
    headers = given["headers"]
    return Recorded(status or given["status"], headers, [piece.encode() for piece in pieces])


def body_of(name: str) -> dict[str, Any]:
    body: dict[str, Any] = load(FIXTURES / "openai" / "responses" / f"{name}.json")["body"]
    return body


def house(
    *replies: Recorded, config: str = CONFIG, hooks: tuple[Callable[[CallEvent], None], ...] = ()
) -> tuple[House, AsyncReplayTransport]:
    transport = AsyncReplayTransport(in_order(*replies))
    made = House(transport=transport, config=config, environ={"OPENAI_API_KEY": KEY}, hooks=hooks)
    return made, transport


def ask(made: House, **fields: Any) -> Answer:
    return made.ask("/v1/responses", {"model": "gpt", "input": "hi", **fields})


def sent(transport: AsyncReplayTransport, index: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(transport.requests[index].body)
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


def both(*replies: Recorded, first: str) -> tuple[House, AsyncReplayTransport]:
    second = {"gpt": "llama", "llama": "gpt"}[first]
    settings = f"router_settings: {{fallbacks: [{{{first}: [{second}]}}], num_retries: 0}}\n"
    return house(*replies, config=CONFIG + BRIDGED + settings)


def chat_answer() -> Recorded:
    body = completion_body({"content": "over chat"})
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(body).encode()])


OUT_OF_ORDER = Recorded(503, {"content-type": "application/json"}, [b'{"error":{"message":"no"}}'])


@pytest.mark.parametrize("stream", [False, True])
def test_a_fallback_may_speak_the_other_way(
    stream: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    made, transport = both(OUT_OF_ORDER, chat_answer(), first="gpt")
    answer = ask(made, stream=stream)
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert response["output"][0]["content"][0]["text"] == "over chat"
    assert response["id"].startswith("resp_")
    assert [request.url.rpartition("/")[2] for request in transport.requests] == [
        "responses",
        "completions",
    ]
    assert answer.headers["x-litellm-attempted-fallbacks"] == "1"

    made, transport = both(OUT_OF_ORDER, fixture("stream" if stream else "whole"), first="llama")
    answer = ask(made, model="llama", stream=stream)
    response = events_of(answer)[-1]["response"] if stream else answer.json
    assert (response["status"], response["model"]) == ("completed", "llama")


def test_a_conversation_may_change_its_way() -> None:
    made, transport = both(fixture("function_call"), chat_answer(), fixture("whole"), first="gpt")
    first = ask(made, tools=[TOOL])
    call_id = first.json["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    over_chat = ask(made, model="llama", input=[output], previous_response_id=first.json["id"])
    assert [message["role"] for message in sent(transport)["messages"]] == [
        "user",
        "assistant",
        "tool",
    ]
    ask(made, previous_response_id=over_chat.json["id"])
    items = sent(transport)["input"]
    assert [item["type"] for item in items] == [
        "message",
        "reasoning",
        "function_call",
        "function_call_output",
        "message",
        "message",
    ]
    assert items[4]["content"][0]["text"] == "over chat"
    assert not any("puna_deployment" in item for item in items)


def test_thoughts_go_only_to_the_deployment_that_made_them() -> None:
    other = CONFIG.replace("model_list:", "").replace("gpt\n", "other\n").replace("5.4", "5.5")
    made, transport = house(fixture("function_call"), fixture("whole"), config=CONFIG + other)
    first = ask(made, tools=[TOOL])
    call_id = first.json["output"][1]["call_id"]
    output = {"type": "function_call_output", "call_id": call_id, "output": "22"}
    second = ask(made, model="other", input=[output], previous_response_id=first.json["id"])
    kinds = [item["type"] for item in sent(transport)["input"]]
    assert kinds == ["message", "function_call", "function_call_output"]
    assert second.headers["x-puna-dropped-params"] == "input.reasoning"


SEARCH = {"type": "web_search"}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({}, "responses"),
        ({"tools": [SEARCH]}, "responses"),
        ({"tools": [SEARCH], "drop_params": True}, "responses"),
        ({"tools": [TOOL]}, "completions"),
        ({"tools": [{"type": "custom", "name": "apply_patch"}]}, "completions"),
        ({"tools": [TOOL, SEARCH]}, "completions"),
        ({"tools": [TOOL, SEARCH], "strict_tools": True}, "responses"),
        ({"tools": [TOOL, {"type": "browser_search"}]}, "responses"),
        ({"tools": [TOOL, {"type": "browser_search"}], "drop_params": True}, "completions"),
    ],
)
def test_a_host_of_models_that_write_calls_as_text_has_functions_over_chat(
    fields: dict[str, Any], path: str
) -> None:
    config = """
model_list:
  - model_name: gpt
    litellm_params: {model: hosted_vllm/m, api_base: "http://up.test/v1"}
"""
    reply = chat_answer() if path == "completions" else fixture("whole")
    made, transport = house(reply, config=config)
    assert ask(made, **fields).status == 200
    assert transport.requests[0].url.endswith(path)


@pytest.mark.parametrize(
    ("model", "spoken", "path"),
    [
        ("openai/m", '["/v1/responses"]', "http://up.test/v1/responses"),
        ("openai/m", '["/v1/chat/completions"]', "http://up.test/v1/chat/completions"),
        ("hosted_vllm/m", '["/v1/chat/completions"]', "http://up.test/v1/chat/completions"),
    ],
)
def test_an_operator_says_whether_a_host_speaks_it(model: str, spoken: str, path: str) -> None:
    config = f"""
model_list:
  - model_name: gpt
    litellm_params: {{model: {model}, api_base: "http://up.test/v1"}}
    model_info: {{supported_endpoints: {spoken}}}
"""
    is_native = path.endswith("responses")
    made, transport = house(fixture("whole") if is_native else chat_answer(), config=config)
    assert ask(made).status == 200
    assert transport.requests[0].url == path
    assert "authorization" not in transport.requests[0].headers


def test_a_deployments_defaults_are_said_in_the_words_of_this_api() -> None:
    config = CONFIG + (
        "      max_tokens: 50\n      reasoning_effort: low\n      seed: 7\n      temperature: 0.5\n"
    )
    made, transport = house(fixture("whole"), fixture("whole"), config=config)
    answer = ask(made)
    body = sent(transport)
    assert (body["max_output_tokens"], body["reasoning"]) == (50, {"effort": "low"})
    assert body["temperature"] == 0.5
    assert not {"max_tokens", "seed", "reasoning_effort"} & body.keys()
    assert answer.headers["x-puna-dropped-params"] == "seed"
    ask(made, max_output_tokens=9, reasoning={"summary": "auto"})
    assert sent(transport)["max_output_tokens"] == 9
    assert sent(transport)["reasoning"] == {"summary": "auto"}


def test_a_deployments_drop_params_counts_over_chat() -> None:
    config = "model_list:" + BRIDGED.replace("api_key: k", "api_key: k, drop_params: true")
    made, _ = house(chat_answer(), config=config)
    answer = ask(made, model="llama", tools=[{"type": "future"}])
    assert answer.status == 200
    assert answer.headers["x-puna-dropped-params"] == "tools[0]"


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"tools": [{"type": "web_search"}]}, "responses"),
        ({"input": [{"role": "user", "content": [{"type": "input_file", "x": 1}]}]}, "responses"),
    ],
)
def test_of_one_name_that_deployment_is_asked_which_takes_it_whole(
    fields: dict[str, Any], path: str
) -> None:
    config = CONFIG + BRIDGED.replace("model_name: llama", "model_name: gpt")
    for _ in range(4):
        made, transport = house(fixture("whole"), config=config)
        assert ask(made, **fields).status == 200
        assert transport.requests[0].url.endswith(path)


def test_hooks_are_told_of_a_request_that_chat_cannot_do() -> None:
    seen: list[CallEvent] = []
    made, transport = house(config="model_list:" + BRIDGED, hooks=(seen.append,))
    answer = ask(made, model="llama", tools=[{"type": "future"}])
    assert answer.error["param"] == "tools[0].type"
    assert (seen[0].outcome, seen[0].input[0]["content"]) == ("failure", "hi")
    assert transport.requests == []


def test_a_client_that_leaves_a_stream_closes_the_hosts() -> None:
    made, transport = house(fixture("stream"))
    body = {"model": "gpt", "input": "hi", "stream": True}

    async def run() -> None:
        caller = Caller("POST", "/v1/responses", body, leaves_after=2)
        await caller.call(made.app)

    asyncio.run(run())
    assert transport.open_replies == 0


def with_sdk(made: House, use: Callable[[openai.AsyncOpenAI], Any]) -> Any:
    """The `openai` package speaking to the gateway in this process."""

    async def run() -> Any:
        http = httpx2.AsyncClient(transport=httpx2.ASGITransport(app=made.app))
        client = openai.AsyncOpenAI(
            api_key="k", base_url="http://localhost/v1", max_retries=0, http_client=http
        )
        async with client:
            return await use(client)

    return asyncio.run(run())


def test_the_openai_sdk_creates_a_response() -> None:
    made, _ = house(fixture("web_search"))

    async def use(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(
            model="gpt", input="hi", tools=[{"type": "web_search_preview"}]
        )

    response = with_sdk(made, use)
    assert [item.type for item in response.output] == ["web_search_call", "message"]
    assert response.output_text.startswith("As of today")
    assert response.output[1].content[0].annotations[0].type == "url_citation"
    assert response.usage.input_tokens_details.cached_tokens == 128


def test_the_openai_sdks_stream_helper_reads_a_native_stream() -> None:
    made, _ = house(fixture("stream"), fixture("function_call_stream"))

    async def use(client: openai.AsyncOpenAI) -> Any:
        async with client.responses.stream(model="gpt", input="hi") as stream:
            text = "".join(
                [e.delta async for e in stream if e.type == "response.output_text.delta"]
            )
            first = await stream.get_final_response()
        tools: Any = [{**TOOL, "strict": True}]
        async with client.responses.stream(model="gpt", input="hi", tools=tools) as stream:
            kinds = [event.type async for event in stream]
            return text, first, kinds, await stream.get_final_response()

    text, first, kinds, second = with_sdk(made, use)
    assert text == first.output_text == "Hi there! How can I assist you today?"
    assert "response.reasoning_summary_text.delta" in kinds
    assert second.output[0].encrypted_content == "gAAAAABodEncryptedThoughts=="
    assert second.output[1].name == "get_current_weather"
    assert json.loads(second.output[1].arguments)["unit"] == "celsius"


def test_the_openai_sdk_raises_what_a_host_refuses() -> None:
    reply = {"error": {"message": "Bad tool", "type": "invalid_request_error", "param": "tools"}}
    made, _ = house(
        Recorded(400, {"content-type": "application/json"}, [json.dumps(reply).encode()])
    )

    async def use(client: openai.AsyncOpenAI) -> Any:
        return await client.responses.create(model="gpt", input="hi")

    with pytest.raises(openai.BadRequestError, match="Bad tool") as raised:
        with_sdk(made, use)
    assert raised.value.param == "tools"


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
