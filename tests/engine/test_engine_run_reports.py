"""The report of a call says the same whether the answer came whole or as a stream."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.faces import HI

from puna.client import Client, ClientSettings
from puna.errors import ServiceUnavailableError
from puna.telemetry.events import CallEvent
from puna.transports.replay import Recorded, ReplayTransport
from puna.types.chat import ChatCompletion
from puna.types.report import CallReport
from puna.wire.fold import unfold
from puna.wire.http import HTTPRequest
from puna.wire.sse import encode_event

MODEL = "meta_llama/m"
COSTS = {"input_cost_per_token": 1e-6, "output_cost_per_token": 2e-6}
SAME = {one.name for one in fields(CallReport)} - {
    "call_id",
    "duration_s",
    "first_chunk_s",
    "started_at",
    "headers",
}


def host(answer: dict[str, Any]) -> Any:
    """Gives one answer, whole or as a stream, as it is asked."""

    def play(request: HTTPRequest) -> Recorded:
        if not request.is_stream:
            return Recorded(
                200, {"content-type": "application/json"}, [json.dumps(answer).encode()]
            )
        whole = ChatCompletion.model_validate(answer)
        wants = "include_usage" in request.body.decode()
        chunks = [chunk.to_json().encode() for chunk in unfold(whole, wants_usage=wants)]
        pieces = [encode_event(chunk) for chunk in (*chunks, b"[DONE]")]
        return Recorded(200, {"content-type": "text/event-stream"}, pieces)

    return play


def client_for(answer: dict[str, Any]) -> Client:
    settings = ClientSettings(environ={"LLAMA_API_BASE": "http://up.test"})
    return Client(settings, transport=ReplayTransport(host(answer)), clock=FakeClock())


def facts(report: CallReport | None) -> dict[str, Any]:
    assert report is not None
    return {name: getattr(report, name) for name in SAME}


answers = st.fixed_dictionaries(
    {
        "id": st.just("a"),
        "created": st.just(1),
        "model": st.just("m"),
        "choices": st.tuples(
            st.fixed_dictionaries(
                {
                    "index": st.just(0),
                    "finish_reason": st.just("stop"),
                    "message": st.fixed_dictionaries(
                        {
                            "role": st.just("assistant"),
                            "content": st.text(min_size=1, max_size=40),
                            "tool_calls": st.lists(
                                st.fixed_dictionaries(
                                    {
                                        "id": st.uuids().map(str),
                                        "type": st.just("function"),
                                        "function": st.just(
                                            {"name": "f", "arguments": '{"city": "Lima"}'}
                                        ),
                                    }
                                ),
                                max_size=2,
                            ),
                        }
                    ),
                }
            )
        ).map(list),
    },
    optional={
        "usage": st.just({"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}),
    },
)


@pytest.mark.case(10, 47, 60)
@given(answers)
def test_a_stream_reports_what_the_whole_answer_reports(answer: dict[str, Any]) -> None:
    client = client_for(answer)
    keywords: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello"}], **COSTS}

    whole = client.completion(MODEL, **keywords)
    stream = client.completion(
        MODEL, stream=True, stream_options={"include_usage": True}, **keywords
    )
    list(stream)

    without_options = {**facts(whole.report), "dropped_params": ()}
    assert facts(stream.report) == without_options
    assert stream.report.completion_tokens > 0
    assert stream.report.cost_picos


@pytest.mark.case(86, 87)
@given(answers, st.integers(min_value=1, max_value=3))
def test_streamed_texts_report_what_whole_texts_report(
    answer: dict[str, Any], prompts: int
) -> None:
    client = client_for(answer)
    keywords: dict[str, Any] = {"suffix": "x", "drop_params": True, **COSTS}

    whole = client.text_completion(MODEL, ["Once"] * prompts, **keywords)
    stream = client.text_completion(
        MODEL,
        ["Once"] * prompts,
        stream=True,
        stream_options={"include_usage": True},
        **keywords,
    )
    list(stream)

    assert facts(stream.report) == facts(whole.report)
    assert stream.report.dropped_params == ("suffix",)
    assert stream.report.attempts == prompts


def test_tool_calls_and_tools_count_where_the_host_does_not_tell() -> None:
    call = {
        "id": "1",
        "type": "function",
        "function": {"name": "f", "arguments": json.dumps({"text": "word " * 200})},
    }
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    client = client_for({"choices": [{"message": message, "finish_reason": "tool_calls"}]})
    tool = {"type": "function", "function": {"name": "f", "description": "word " * 100}}
    asked = [{"role": "user", "content": "Hello"}]

    plain = client.completion(MODEL, asked)
    with_tools = client.completion(MODEL, asked, tools=[tool])

    assert plain.usage is not None
    assert with_tools.usage is not None
    assert plain.usage.is_estimate
    assert plain.usage.completion_tokens > 100
    assert with_tools.usage.prompt_tokens > plain.usage.prompt_tokens + 50


@pytest.mark.case(144)
def test_a_fallback_may_bring_parameters_of_its_own() -> None:
    transport = ReplayTransport(
        lambda request: (
            Recorded(500)
            if b'"model":"a"' in request.body
            else host({"choices": [{"message": {"content": "x"}, "finish_reason": "stop"}]})(
                request
            )
        )
    )
    client = Client(
        ClientSettings(environ={"LLAMA_API_BASE": "http://up.test"}, max_retries=0),
        transport=transport,
        clock=FakeClock(),
    )
    fallback = {"model": "meta_llama/b", "temperature": 0.5, "max_tokens": 7, "top_k": 3}

    client.completion(
        "meta_llama/a",
        [{"role": "user", "content": "Hello"}],
        temperature=1,
        max_completion_tokens=9,
        fallbacks=[fallback],
    )

    body = json.loads(transport.requests[-1].body)
    assert body == {
        "model": "b",
        "messages": [{"role": "user", "content": "Hello"}],
        "temperature": 0.5,
        "max_tokens": 7,
        "top_k": 3,
    }


@pytest.mark.parametrize("fails", [0, 1, 2, 3])
@pytest.mark.parametrize("is_stream", [True, False])
def test_the_report_counts_retries_and_time_exactly_whatever_the_outcome(
    fails: int,
    is_stream: bool,  # noqa: FBT001 - a parametrised case
) -> None:
    clock, seen = FakeClock(), list[CallEvent]()
    message = {"role": "assistant", "content": "Hi"}
    answer = {
        "id": "c", "created": 1, "model": "m",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }  # fmt: skip
    asked: list[HTTPRequest] = []

    def play(request: HTTPRequest) -> Recorded:
        asked.append(request)
        clock.pass_time(4.0)
        if len(asked) <= fails:
            return Recorded(503, {"content-type": "application/json", "retry-after": "2"}, [b"{}"])
        played: Recorded = host(answer)(request)
        return played

    settings = ClientSettings(environ={"LLAMA_API_BASE": "http://up.test"}, hooks=(seen.append,))
    with Client(settings, transport=ReplayTransport(play), clock=clock) as client:
        try:
            given = client.completion(MODEL, HI, stream=is_stream, max_retries=2)
            if is_stream:
                list(given)
        except ServiceUnavailableError:
            assert fails == 3
    (event,) = seen
    assert event.outcome == ("failure" if fails == 3 else "success")
    tries = min(fails, 2)
    assert (event.report.retries, event.report.fallbacks, event.report.attempts) == (
        tries,
        0,
        tries + 1,
    )
    assert event.report.duration_s == pytest.approx(4.0 * (tries + 1) + sum(clock.sleeps))
