"""The Responses protocol of an upstream: every fixture, whole and however it is cut."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import KEY, NOW, target_for
from tests.support.provider_suite import FIXTURES, Fixture, load
from tests.support.responses import filled
from tests.support.schemas import api

from puna.bridges.responses.native import NativeResponse
from puna.bridges.responses.whole_events import events_of
from puna.dialects.base import ReadContext, Target
from puna.dialects.openai_responses import OpenAIResponses
from puna.errors import APIError, BadRequestError
from puna.providers.base import resolve_target
from puna.providers.table import PROVIDERS
from puna.types.response_request import ResponsesRequest, make_responses_request
from puna.types.responses import Response, ResponseEvent
from puna.types.secret import Secret
from puna.wire.http import HTTPReply, Timeouts

MADE = "resp_00000000000000000000000000000001"
BEGUN = {"id": MADE, "object": "response", "created_at": 5, "model": "gpt"}
DIALECT = OpenAIResponses()

ALL = sorted(FIXTURES.glob("*/responses/*.json"))
STREAMS = [path for path in ALL if "pieces" in load(path)]
WHOLE = [path for path in ALL if path not in STREAMS]


def context(**fields: Any) -> ReadContext[ResponsesRequest]:
    request = make_responses_request("gpt", {"input": "hi", **fields})
    return ReadContext(target_for(provider="openai"), "gpt", MADE, NOW, request)


def now() -> float:
    return 8.5


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("resp_67ccd2bf17f0819081ff3bb2cf6508e60bb6a6b452d3795b", None),
        ("resp_0123456789abcdef", None),
        ("resp_b3f1c2d4-9f0e-4a53-8f57-0d7a2f0c5e11", None),
        ("resp_0", MADE),
        ("resp_1764500000", MADE),
        ("resp_" + "0" * 32, MADE),
        ("resp_00000000-0000-0000-0000-000000000000", MADE),
        ("resp_", MADE),
        ("chatcmpl-0123456789abcdef", MADE),
        ("", MADE),
        (None, MADE),
        (7, MADE),
    ],
)
def test_an_id_that_a_host_may_repeat_becomes_punas_own_whole_and_streamed(
    given: Any, expected: str | None
) -> None:
    whole = {"id": given, "status": "completed", "output": []}
    read = DIALECT.read_reply(HTTPReply(200, {}, json.dumps(whole).encode()), context())
    assert read.id == (expected or given)
    reader = DIALECT.stream_reader(context())
    for kind in ("response.created", "response.completed"):
        event = {"type": kind, "response": {**whole, "status": kind.removeprefix("response.")}}
        (told,) = reader.feed(f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode())
        assert told.response is not None
        assert told.response.id == (expected or given)


def read(
    pieces: list[bytes], **fields: Any
) -> tuple[list[ResponseEvent], APIError | None, list[int]]:
    reader = DIALECT.stream_reader(context(**fields))
    events = [event for piece in pieces for event in reader.feed(piece)] + reader.close()
    usage = reader.usage
    tokens: list[int] = []
    if usage is not None:
        assert usage.prompt_tokens_details is not None
        cached = usage.prompt_tokens_details.cached_tokens or 0
        tokens = [usage.prompt_tokens, cached, usage.completion_tokens]
    return events, reader.error, tokens


def bytes_of(fixture: Fixture) -> bytes:
    return "".join(fixture["pieces"]).encode()


def check_error(error: APIError | None, expects: dict[str, Any]) -> None:
    assert type(error).__name__ == expects.get("error", "NoneType")
    for words in expects.get("says", ()):
        assert words in str(error)


def said(response: Response) -> list[dict[str, Any]]:
    return [item.to_dict() for item in response.output]


def error_in(reply: HTTPReply, asked: ReadContext[ResponsesRequest]) -> APIError:
    if not reply.is_success:
        return DIALECT.read_error(reply, asked)
    with pytest.raises(APIError) as raised:
        DIALECT.read_reply(reply, asked)
    return raised.value


@pytest.mark.parametrize("path", WHOLE, ids=lambda path: path.stem)
def test_a_whole_response_is_read_as_it_came(path: Path) -> None:
    fixture = load(path)
    expects, asked = fixture["expects"], context(store=False, metadata={"k": "v"})
    reply = HTTPReply(fixture["status"], fixture["headers"], json.dumps(fixture["body"]).encode())
    if "error" in expects:
        check_error(error_in(reply, asked), expects)
        return
    response = DIALECT.read_reply(reply, asked)
    body = fixture["body"]
    assert response.output_text == expects["text"]
    assert [item.type for item in response.output] == expects["kinds"]
    assert said(response) == body["output"]
    own = {"id", "model", "store", "metadata", "previous_response_id", "created_at"}
    assert {k: v for k, v in response.to_dict().items() if k not in own} == {
        k: v for k, v in filled(body).items() if k not in own
    }
    assert response.id == (MADE if expects.get("id") == "made" else body["id"])
    assert (response.model, response["metadata"], response["store"]) == ("gpt", {"k": "v"}, False)
    usage = DIALECT.read_usage(response)
    if "tokens" in expects:
        assert usage is not None
        assert usage.prompt_tokens_details is not None
        cached = usage.prompt_tokens_details.cached_tokens
        assert [usage.prompt_tokens, cached, usage.completion_tokens] == expects["tokens"]
    else:
        assert usage is None


@pytest.mark.parametrize("path", STREAMS, ids=lambda path: path.stem)
def test_a_stream_is_read_as_it_came_however_it_is_cut(path: Path) -> None:
    fixture = load(path)
    expects, whole = fixture["expects"], bytes_of(fixture)
    events, error, tokens = read([whole])
    for pieces in (
        [piece.encode() for piece in fixture["pieces"]],
        whole.splitlines(keepends=True),
        [whole[i : i + 1] for i in range(len(whole))],
    ):
        again, same_error, same_tokens = read(pieces)
        assert again == events
        assert (repr(same_error), same_tokens) == (repr(error), tokens)
    check_error(error, expects)
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert len(events) == expects.get("events", len(fixture["pieces"]))
    for event, piece in zip(events, fixture["pieces"], strict=False):
        came = json.loads(piece.partition("data: ")[2])
        if "response" in came:
            came["response"] = filled(came["response"], model="gpt", store=True)
        assert event.to_dict() == came
    if "status" in expects:
        last = events[-1].response
        assert last is not None
        assert (last.status, last.output_text) == (expects["status"], expects["text"])
        assert [item.type for item in last.output] == expects["kinds"]
    assert tokens == expects.get("tokens", [])


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 6_000), max_size=6))
def test_a_stream_cut_anywhere_gives_the_same_events(path: Path, cuts: list[int]) -> None:
    whole = bytes_of(load(path))
    at = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(at)]
    events, error, tokens = read(pieces)
    again, same_error, same_tokens = read([whole])
    assert (events, repr(error), tokens) == (again, repr(same_error), same_tokens)


@given(st.integers(0, 4_000))
def test_a_stream_that_ends_anywhere_is_whole_or_an_error(length: int) -> None:
    whole = bytes_of(load(FIXTURES / "openai" / "responses" / "stream.json"))
    cut = whole[:length]
    events, error, _ = read([cut])
    has_ended = bool(events) and events[-1].type == "response.completed"
    assert has_ended == (error is None)


@pytest.mark.parametrize(
    ("frame", "name"),
    [
        (b"data: {not json}\n\n", "MalformedReplyError"),
        (b"data: [1]\n\n", "MalformedReplyError"),
        (b"data: [DONE]\n\n", "StreamInterruptedError"),
        (b'event: error\ndata: {"error":{"code":"rate_limit_exceeded"}}\n\n', "RateLimitError"),
        (b'data: {"error":{"message":"no"}}\n\n', "InternalServerError"),
        (b'data: {"type":"response.created","response":{"output":7}}\n\n', "MalformedReplyError"),
        (b": heartbeat\n\n", "StreamInterruptedError"),
    ],
)
def test_what_is_no_event_is_an_error(frame: bytes, name: str) -> None:
    events, error, _ = read([frame])
    assert (events, type(error).__name__) == ([], name)


def test_no_key_comes_back_in_a_failure() -> None:
    error = {"code": "server_error", "message": f"bad key {KEY}"}
    failed = {"id": "resp_1", "status": "failed", "output": [], "error": error}
    frame = json.dumps({"type": "response.failed", "response": failed})
    events, raised, _ = read([f"data: {frame}\n\n".encode()])
    assert KEY not in events[0].to_json()
    assert KEY not in str(raised)


def test_ids_and_numbers_are_the_same_in_all_events_of_a_host_that_has_none() -> None:
    begun = {"type": "response.created", "response": {"id": "gen-1", "status": "in_progress"}}
    ended = {"type": "response.completed", "response": {"id": "gen-2", "status": "completed"}}
    frames = "".join(f"data: {json.dumps(one)}\n\n" for one in (begun, ended))
    events, error, _ = read([frames.encode()])
    assert error is None
    assert [event.response and event.response.id for event in events] == [MADE, MADE]
    assert [event.sequence_number for event in events] == [0, 1]


def sent(target: Target | None = None, **fields: Any) -> dict[str, Any]:
    stream = fields.pop("stream", False)
    earlier = fields.pop("earlier", ())
    drop = fields.pop("drop_params", False)
    request = make_responses_request(
        "gpt", {"input": "hi", **fields}, stream=stream, earlier=earlier, drop_params=drop
    )
    built = DIALECT.build_request(request, target or target_for(provider="openai"), Timeouts())
    assert built.http.url == f"{(target or target_for()).base_url}/responses"
    assert built.http.headers["authorization"] == f"Bearer {KEY}"
    body: dict[str, Any] = {**json.loads(built.http.body), "left_out": list(built.dropped_params)}
    return body


def test_a_request_is_sent_with_all_it_says_and_nothing_is_stored_there() -> None:
    tools = [{"type": "web_search"}, {"type": "function", "name": "f", "strict": None}]
    earlier = ({"type": "message", "role": "user", "content": "a"},)
    body = sent(
        earlier=earlier,
        instructions="I",
        tools=tools,
        previous_response_id="resp_1",
        metadata={"k": "v"},
        store=True,
        stream=True,
        stream_options={"include_obfuscation": False},
        include=["reasoning.encrypted_content"],
        reasoning={"summary": "auto"},
        some_new_field={"a": 1},
    )
    assert body == {
        "model": "m",
        "input": [*earlier, {"type": "message", "role": "user", "content": "hi"}],
        "instructions": "I",
        "tools": tools,
        "stream": True,
        "stream_options": {"include_obfuscation": False},
        "include": ["reasoning.encrypted_content"],
        "reasoning": {"summary": "auto"},
        "some_new_field": {"a": 1},
        "store": False,
        "left_out": [],
    }


def test_a_prompt_of_the_host_needs_no_input() -> None:
    body = sent(input=None, prompt={"id": "pmpt_1"}, stream_options={"x": 1})
    assert body == {
        "model": "m",
        "prompt": {"id": "pmpt_1"},
        "store": False,
        "left_out": ["stream_options"],
    }


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"input": []}, "input"),
        ({"input": 7}, "input"),
        ({"input": [7]}, "input[0]"),
        ({"input": [{"content": "a"}]}, "input[0].type"),
        ({"input": [{"type": "item_reference", "id": 7}]}, "input[0].id"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"instructions": 7}, "instructions"),
        ({"background": True}, "background"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"max_tokens": 5}, "max_tokens"),
        ({"max_output_tokens": -1}, "max_output_tokens"),
        ({"stream": "yes"}, "stream"),
        ({"text_format": 7}, "text_format"),
    ],
)
def test_what_is_wrong_is_refused_before_it_is_sent(fields: dict[str, Any], param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        sent(**fields)
    assert raised.value.param == param


def test_the_rules_of_a_row_hold_for_responses_too() -> None:
    row = PROVIDERS["groq"]
    target = resolve_target(row, "m", {}, api_key=Secret(KEY))
    with pytest.raises(BadRequestError) as raised:
        sent(target, top_logprobs=2)
    assert raised.value.param == "top_logprobs"
    assert sent(target, top_logprobs=2, drop_params=True)["left_out"] == ["top_logprobs"]


@pytest.mark.parametrize(
    ("name", "base", "is_native"),
    [
        ("openai", None, True),
        ("openai", "http://other.test/v1", False),
        ("groq", None, True),
        ("hosted_vllm", "http://mine.test/v1", True),
        ("meta_llama", "http://mine.test/v1", False),
        ("azure", "http://mine.test", False),
    ],
)
def test_a_host_is_asked_natively_where_it_is_known(
    name: str,
    base: str | None,
    is_native: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    target = resolve_target(PROVIDERS[name], "m", {}, api_key=Secret(KEY), api_base=base)
    assert target.has_responses is is_native


@pytest.mark.parametrize("name", ["whole", "function_call", "web_search"])
def test_a_whole_response_as_events_ends_in_itself(name: str) -> None:
    fixture = load(FIXTURES / "openai" / "responses" / f"{name}.json")
    response = Response.model_validate(fixture["body"])
    teller = NativeResponse(BEGUN, now)
    events = [event for one in events_of(response) for event in teller.change(one)]
    events += teller.finish()
    assert [event.sequence_number for event in events] == list(range(len(events)))
    response.completed_at = response.completed_at or 8
    assert events[-1].response == response == teller.response
    done = [e.item for e in events if e.type == "response.output_item.done"]
    assert done == response.output
    words = "".join(e.delta for e in events if isinstance(e.delta, str))
    assert words == "".join(
        item.get("arguments", "") + "".join(part["text"] for part in item.get("content", ()))
        for item in response.to_dict()["output"]
    )
    ours = [event for event in events if not {"response", "item", "part"} & event.to_dict().keys()]
    assert len(ours) == 2, "a delta and its end"
    for event in ours:
        api("openai").check_variant("ResponseStreamEvent", event.to_dict())


def test_a_stream_that_breaks_fails_with_what_was_whole() -> None:
    fixture = load(FIXTURES / "openai" / "responses" / "function_call_stream.json")
    events, _, _ = read(["".join(fixture["pieces"][:9]).encode()])
    teller = NativeResponse(BEGUN, now)
    told = [event for one in events for event in teller.change(one)]
    told += teller.fail("stream_interrupted", "it broke")
    assert [event.sequence_number for event in told] == list(range(10))
    last = told[-1].response
    assert last is not None
    assert last.error is not None
    assert (last.status, last.error.code, last.error.message) == (
        "failed",
        "server_error",
        "it broke",
    )
    assert [item.type for item in last.output] == ["reasoning"]
    assert last.output[0]["encrypted_content"] == "gAAAAABodEncryptedThoughts=="


def test_a_host_that_breaks_off_without_having_begun_a_response_fails_one_of_ours() -> None:
    delta = {"type": "response.output_text.delta", "delta": "Hel", "output_index": 0}
    events, error, _ = read([f"data: {json.dumps(delta)}\n\n".encode()])
    teller = NativeResponse(BEGUN, now)
    told = [event for one in events for event in teller.change(one)]
    told += teller.fail("stream_interrupted", str(error))
    last = told[-1].response
    assert last is not None
    assert (last.id, last.created_at, last.model, last.output) == (MADE, 5, "gpt", [])
    assert [event.sequence_number for event in told] == [0, 1]


def test_these_rows_are_asked_natively_and_there() -> None:
    where: dict[str, str] = {}
    for name, row in PROVIDERS.items():
        if row.quirks.has_responses:
            target = resolve_target(row, "m", {}, api_key=Secret(KEY))
            request = make_responses_request("gpt", {"input": "hi"})
            where[name] = DIALECT.build_request(request, target, Timeouts()).http.url
    assert where == {
        "groq": "https://api.groq.com/openai/v1/responses",
        "hosted_vllm": "http://localhost:8000/v1/responses",
        "lm_studio": "http://localhost:1234/v1/responses",
        "meta": "https://api.meta.ai/v1/responses",
        "openai": "https://api.openai.com/v1/responses",
        "openrouter": "https://openrouter.ai/api/v1/responses",
        "xai": "https://api.x.ai/v1/responses",
    }
