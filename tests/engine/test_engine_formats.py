"""Answers are held to a `response_format` that their host does not know, where that is wished."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel
from tests.support.clock import FakeClock
from tests.support.faces import BOTH, Face
from tests.support.faces import OFFLINE as ANY_HOST
from tests.support.strict import STRICT

from puna.errors import BadRequestError, MalformedReplyError, UnsupportedParamsError
from puna.transports.replay import Player, Recorded, in_order
from puna.wire.http import HTTPRequest

ROOT = Path(__file__).parents[2]
OFFLINE = replace(ANY_HOST, providers=STRICT)
OBJECT = {"type": "json_object"}
SCHEMA = {
    "type": "object",
    "properties": {"age": {"type": "integer"}},
    "required": ["age"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "json_schema": {"name": "person", "schema": SCHEMA}}
GOOD = '{"age": 31}'
USAGE = {
    "prompt_tokens": 10,
    "completion_tokens": 4,
    "total_tokens": 14,
    "prompt_tokens_details": {"cached_tokens": 3},
}
PRICE: dict[str, Any] = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
EMULATED: dict[str, Any] = {"emulate_response_format": True, "response_format": OBJECT}
HELD: dict[str, Any] = {
    # Meta's row knows json_schema: it is not sent, so it is emulated.
    "emulate_response_format": True,
    "response_format": FORMAT,
    "additional_drop_params": ["response_format"],
}


def said(content: str | None, *, finish: str = "stop", usage: Any = USAGE, **more: Any) -> Recorded:
    message = {"role": "assistant", "content": content, **more}
    body = {
        "id": "chatcmpl-up-7",
        "choices": [{"index": 0, "message": message, "finish_reason": finish}],
        **({"usage": usage} if usage else {}),
    }
    return Recorded(200, {"content-type": "application/json"}, [json.dumps(body).encode()])


def plays(*contents: str | None) -> tuple[Player, list[dict[str, Any]]]:
    """A host that says these things in order, and what it was asked."""
    asked: list[dict[str, Any]] = []
    player = in_order(*(said(content) for content in contents))

    def play(request: HTTPRequest) -> Recorded:
        asked.append({**json.loads(request.body), "is_stream": request.is_stream})
        return player(request)

    return play, asked


@BOTH
@pytest.mark.case(83)
def test_nothing_is_emulated_unasked(face: Face) -> None:
    play, asked = plays(GOOD)
    with pytest.raises(UnsupportedParamsError, match="emulate_response_format=True"):
        face.ask(OFFLINE, play=play, response_format=OBJECT)
    assert not asked


@BOTH
def test_a_format_that_the_host_knows_is_its_own_affair(face: Face) -> None:
    play, asked = plays("no JSON at all")
    answer = face.ask(OFFLINE, play=play, emulate_response_format=True, response_format=FORMAT)
    assert answer.choices[0].message.content == "no JSON at all"
    assert asked[0]["response_format"] == FORMAT
    assert answer.report is not None
    assert answer.report.format_tries == 0
    allowed: dict[str, Any] = {"allowed_openai_params": ["response_format"], **EMULATED}
    play, asked = plays("no JSON at all")
    face.ask(OFFLINE, play=play, **allowed)
    assert asked[0]["response_format"] == OBJECT


@BOTH
@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        f"\n{GOOD}\n",
        f"```json\n{GOOD}\n```",
        f"Sure! Here is the JSON:\n\n```\n{GOOD}\n```\nAnything else?",
        f"Alice is 31, so: {GOOD}. I hope that helps.",
    ],
)
@pytest.mark.parametrize("keywords", [EMULATED, HELD], ids=["object", "schema"])
def test_the_content_is_the_json_alone(face: Face, text: str, keywords: dict[str, Any]) -> None:
    play, asked = plays(text)
    answer = face.ask(OFFLINE, play=play, **keywords)
    assert answer.choices[0].message.content == GOOD
    assert answer.report is not None
    assert (answer.report.format_tries, answer.report.attempts) == (1, 1)
    assert answer.report.dropped_params == ()
    assert "response_format" not in asked[0]
    assert asked[0]["messages"][0]["role"] == "system"
    assert asked[0]["messages"][1:] == [{"role": "user", "content": "hi"}]


@BOTH
def test_a_bad_answer_is_asked_again_with_what_is_wrong(face: Face) -> None:
    play, asked = plays("Thirty-one.", '{"age": "31"}', GOOD)
    answer = face.ask(OFFLINE, play=play, **HELD)
    assert answer.choices[0].message.content == GOOD
    assert answer.report is not None
    assert (answer.report.format_tries, answer.report.attempts) == (3, 3)
    assert (answer.report.retries, answer.report.fallbacks) == (0, 0)
    roles = [message["role"] for message in asked[2]["messages"]]
    assert roles == ["system", "user", "assistant", "user", "assistant", "user"]
    assert json.dumps(SCHEMA) in asked[2]["messages"][0]["content"]
    assert "no complete JSON" in asked[2]["messages"][3]["content"]
    assert asked[2]["messages"][4]["content"] == '{"age": "31"}'
    assert "'31' is not of type 'integer'" in asked[2]["messages"][5]["content"]


@BOTH
def test_all_tries_are_paid_for_and_told(face: Face) -> None:
    play, _ = plays("no", "no", GOOD)
    answer = face.ask(OFFLINE, play=play, **EMULATED, **PRICE)
    report, usage = answer.report, answer.usage
    assert report is not None
    assert usage is not None
    assert (report.prompt_tokens, report.completion_tokens, report.cached_tokens) == (30, 12, 9)
    assert report.cost_picos == 3 * (10 * 1_000_000 + 4 * 2_000_000)
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (30, 12, 42)
    assert usage.prompt_tokens_details is not None
    assert usage.prompt_tokens_details.cached_tokens == 9


@BOTH
def test_an_estimate_among_the_tries_marks_the_sum(face: Face) -> None:
    play = in_order(said("no", usage=None), said(GOOD))
    answer = face.ask(OFFLINE, play=play, **EMULATED)
    assert answer.report is not None
    assert answer.usage is not None
    assert answer.report.is_usage_estimated
    assert answer.usage.is_estimate
    assert answer.report.prompt_tokens == answer.usage.prompt_tokens > 10


@BOTH
@pytest.mark.parametrize(("keywords", "tries"), [({}, 3), ({"format_retries": 0}, 1)])
@pytest.mark.parametrize("is_streamed", [False, True])
def test_an_answer_that_stays_bad_is_an_error(
    face: Face, keywords: dict[str, Any], tries: int, *, is_streamed: bool
) -> None:
    play, asked = plays(*(['{"age": "secret"}'] * 9))
    events: list[Any] = []
    settings = replace(OFFLINE, hooks=[events.append])
    ask = face.stream if is_streamed else face.ask
    with pytest.raises(
        MalformedReplyError, match=r"the value at `\$.age` breaks the rule"
    ) as caught:
        ask(settings, play=play, **HELD, **keywords)
    error = caught.value
    assert len(asked) == tries
    assert (error.status_code, error.code) == (502, "response_format_unmet")
    assert not error.is_retryable
    assert "secret" not in str(error)
    assert f"asked {tries} time" in str(error)
    (event,) = events
    assert event.outcome == "failure"
    assert event.report.format_tries == tries
    assert event.report.prompt_tokens == 10 * tries


@BOTH
def test_a_cut_answer_is_not_asked_again(face: Face) -> None:
    play = in_order(said('{"age": 3', finish="length"), said(GOOD))
    with pytest.raises(MalformedReplyError, match="raise `max_tokens`"):
        face.ask(OFFLINE, play=play, **EMULATED)
    whole = face.ask(OFFLINE, play=in_order(said(f"{GOOD} and", finish="length")), **EMULATED)
    assert whole.choices[0].message.content == GOOD


@BOTH
def test_a_stream_gives_the_checked_answer_as_chunks(face: Face) -> None:
    play, asked = plays("no", f"Here: {GOOD}")
    options = {"include_usage": True}
    stream = face.stream(OFFLINE, play=play, stream_options=options, **EMULATED, **PRICE)
    assert (stream.error, stream.text, stream.finish_reasons) == (None, GOOD, ["stop"])
    assert stream.chunks[-1].usage is not None
    assert stream.chunks[-1].usage.total_tokens == 28
    assert stream.report is not None
    assert stream.report.format_tries == 2
    assert stream.report.prompt_tokens == 20
    assert stream.report.cost_picos == 2 * 18_000_000
    assert stream.report.first_chunk_s is not None
    assert [request["is_stream"] for request in asked] == [False, False]
    assert not any("stream_options" in request or request.get("stream") for request in asked)


@BOTH
def test_an_answer_that_calls_a_tool_is_left_as_it_is(face: Face) -> None:
    tool = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
    call = {"id": "c1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    play = in_order(said(None, finish="tool_calls", tool_calls=[call]))
    answer = face.ask(OFFLINE, play=play, tools=[tool], **EMULATED)
    assert answer.choices[0].message.tool_calls is not None
    refused = face.ask(OFFLINE, play=in_order(said(None, refusal="I will not.")), **EMULATED)
    assert refused.choices[0].message.refusal == "I will not."


@BOTH
def test_json_that_is_no_object_is_not_what_json_object_asks(face: Face) -> None:
    play, asked = plays("[1, 2]", "{}")
    assert face.ask(OFFLINE, play=play, **EMULATED).choices[0].message.content == "{}"
    assert "no object" in asked[1]["messages"][-1]["content"]


@BOTH
def test_a_failing_host_does_not_start_the_count_anew(face: Face) -> None:
    down = Recorded(503, {}, [b"{}"])
    play = in_order(said("no"), down, said("no"), down, said("no"), said(GOOD))
    with pytest.raises(MalformedReplyError):
        face.ask(OFFLINE, play=play, clock=FakeClock(), **EMULATED)


@BOTH
def test_a_fallback_takes_over_and_all_is_paid_for(face: Face) -> None:
    play, asked = plays("no", "no", "no", "Well:", GOOD)
    other = {"model": "meta_llama/another", **PRICE}
    answer = face.ask(OFFLINE, play=play, fallbacks=[other], **EMULATED)
    assert answer.choices[0].message.content == GOOD
    assert answer.report is not None
    assert (answer.report.format_tries, answer.report.fallbacks) == (5, 1)
    assert answer.report.prompt_tokens == 50
    assert asked[-1]["model"] == "another"
    assert [m["role"] for m in asked[3]["messages"]] == ["system", "user"]


@BOTH
def test_a_pydantic_class_is_held_to_as_well(face: Face) -> None:
    class Person(BaseModel):
        age: int

    play, asked = plays('{"age": 31, "name": "Alice"}', GOOD)
    keywords: dict[str, Any] = {**HELD, "response_format": Person}
    answer = face.ask(OFFLINE, play=play, **keywords)
    assert Person.model_validate_json(answer.choices[0].message.content or "").age == 31
    assert "additional" in asked[1]["messages"][-1]["content"].lower()


@BOTH
@pytest.mark.parametrize(
    ("keywords", "param"),
    [
        ({"emulate_response_format": "yes"}, "emulate_response_format"),
        ({"format_retries": -1}, "format_retries"),
        ({"format_retries": 11}, "format_retries"),
        ({"format_retries": True}, "format_retries"),
        ({"n": 2}, "n"),
        (
            {"response_format": {**FORMAT, "json_schema": {"name": "n", "schema": {"type": 5}}}},
            "response_format",
        ),
    ],
)
def test_what_cannot_be_held_is_refused_before_anything_is_sent(
    face: Face, keywords: dict[str, Any], param: str
) -> None:
    play, asked = plays(GOOD)
    with pytest.raises(BadRequestError) as caught:
        face.ask(OFFLINE, play=play, **{**HELD, **keywords})
    assert caught.value.param == param
    assert not asked


@BOTH
def test_a_reference_to_nothing_is_the_callers_fault(face: Face) -> None:
    schema = {"$ref": "#/$defs/nothing"}
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
    play, asked = plays("{}")
    keywords: dict[str, Any] = {**HELD, "response_format": wanted}
    with pytest.raises(BadRequestError, match="no answer can be checked by"):
        face.ask(OFFLINE, play=play, **keywords)
    assert len(asked) == 1


WITHOUT_THE_PACKAGE = """
import sys
sys.modules["jsonschema"] = None
import pytest
from tests.engine.test_engine_formats import EMULATED, GOOD, HELD, plays
from tests.support.faces import FACES, OFFLINE
from puna.errors import ConfigError
for face in FACES:
    play, asked = plays(GOOD)
    with pytest.raises(ConfigError, match="install it, or Puna's `embedded` extra"):
        face.ask(OFFLINE, play=play, **HELD)
    assert not asked
    assert face.ask(OFFLINE, play=play, **EMULATED).choices[0].message.content == GOOD
"""


def test_a_missing_package_is_named_with_the_fix() -> None:
    subprocess.run([sys.executable, "-c", WITHOUT_THE_PACKAGE], cwd=ROOT, check=True)


@BOTH
def test_a_client_may_wish_it_for_all_its_calls(face: Face) -> None:
    settings = replace(OFFLINE, emulate_response_format=True, format_retries=1)
    play, asked = plays("no", "no", GOOD)
    with pytest.raises(MalformedReplyError):
        face.ask(settings, play=play, response_format=OBJECT)
    assert len(asked) == 2


@pytest.mark.case(63)
@BOTH
def test_a_pattern_cannot_hold_the_caller(face: Face) -> None:
    def asked(pattern: str) -> dict[str, Any]:
        schema = {"type": "object", "properties": {"a": {"type": "string", "pattern": pattern}}}
        wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": schema}}
        return {
            "emulate_response_format": True,
            "response_format": wanted,
            "format_retries": 0,
            "additional_drop_params": ["response_format"],
        }

    bait = json.dumps({"a": "a" * 40 + "!"})
    play, _ = plays(bait)
    began_at = time.process_time()
    with pytest.raises(MalformedReplyError, match="breaks the rule `pattern`"):
        face.ask(OFFLINE, play=play, **asked("^(a+)+$"))
    assert time.process_time() - began_at < 2
    with pytest.raises(BadRequestError, match="look-around"):
        face.ask(OFFLINE, play=play, **asked("(?=a)"))
