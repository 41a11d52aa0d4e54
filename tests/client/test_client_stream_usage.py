"""The usage of a stream is asked of a host that tells it; who did not ask does not see it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.faces import BOTH, OFFLINE, Face

from puna import ClientSettings
from puna.client import Client
from puna.transports.replay import Player, Recorded, ReplayTransport
from puna.wire.http import HTTPRequest

MODEL = "openai/gpt-4o"
OWN_HOST = ClientSettings(environ={"OPENAI_API_KEY": "sk-test"})
ASKED = {"include_usage": True}
SPENT = {"prompt_tokens": 700, "completion_tokens": 500, "total_tokens": 1_200}


def host(bodies: list[Any], *, tells: bool = True) -> Player:
    """A host as OpenAI's: with `usage: null` in all chunks but the last, if it is asked.

    `bodies` gets what it was sent. One that does not tell takes no notice.
    """

    def play(request: HTTPRequest) -> Recorded:
        body = json.loads(request.body)
        bodies.append(body)
        is_asked = tells and (body.get("stream_options") or {}).get("include_usage") is True
        head = {"id": "c", "object": "chat.completion.chunk", "created": 5, "model": "gpt-4o"}
        chunks: list[dict[str, Any]] = [
            {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}
            for delta, finish in (
                ({"role": "assistant", "content": "Hel"}, None),
                ({"content": "lo"}, None),
                ({}, "stop"),
            )
        ]
        if is_asked:
            chunks = [{**one, "usage": None} for one in chunks]
            chunks.append({**head, "choices": [], "usage": SPENT})
        events = [f"data: {json.dumps(one)}\n\n".encode() for one in chunks]
        return Recorded(200, {"content-type": "text/event-stream"}, (*events, b"data: [DONE]\n\n"))

    return play


@pytest.mark.case(47, 48)
@BOTH
@pytest.mark.parametrize("wish", [None, {"include_usage": False}, ASKED])
def test_the_own_host_is_asked_and_only_who_asked_sees_the_usage_chunk(
    face: Face, wish: dict[str, bool] | None
) -> None:
    bodies: list[Any] = []
    streamed = face.stream(OWN_HOST, MODEL, play=host(bodies), stream_options=wish)

    assert [body["stream_options"] for body in bodies] == [ASKED]
    assert (streamed.text, streamed.finish_reasons, streamed.error) == ("Hello", ["stop"], None)
    *others, last = streamed.chunks
    assert all(one.choices and one.usage is None for one in others)
    if wish is ASKED:
        assert last.choices == []
        assert last.usage is not None
        assert last.usage.total_tokens == 1_200
    else:
        assert last.choices
        assert last.usage is None
    report = streamed.report
    assert report is not None
    assert (report.prompt_tokens, report.completion_tokens) == (700, 500)
    assert not report.is_usage_estimated
    assert report.dropped_params == ()


@pytest.mark.case(10)
@BOTH
def test_a_host_that_takes_no_notice_has_its_usage_estimated(face: Face) -> None:
    bodies: list[Any] = []
    streamed = face.stream(OWN_HOST, MODEL, play=host(bodies, tells=False))

    assert [body["stream_options"] for body in bodies] == [ASKED]
    assert all(one.choices for one in streamed.chunks)
    assert streamed.report is not None
    assert streamed.report.is_usage_estimated
    assert 0 < streamed.report.completion_tokens < 10


@BOTH
def test_nobody_asks_where_stream_options_are_not_wanted(face: Face) -> None:
    bodies: list[Any] = []
    play = host(bodies)
    unwanted: dict[str, Any] = {"additional_drop_params": ["stream_options"]}
    silent = face.stream(OWN_HOST, MODEL, play=play, **unwanted)
    wishing = face.stream(OWN_HOST, MODEL, play=play, **unwanted, stream_options=ASKED)

    assert [set(body) for body in bodies] == [{"model", "messages", "stream"}] * 2
    assert silent.report is not None
    assert wishing.report is not None
    assert silent.report.dropped_params == ()
    assert wishing.report.dropped_params == ("stream_options",)
    assert wishing.chunks[-1].usage is not None
    assert wishing.chunks[-1].usage.is_estimate


@BOTH
def test_whole_answers_and_other_hosts_are_asked_nothing(face: Face) -> None:
    bodies: list[Any] = []
    own: dict[str, Any] = {"api_base": "http://replay.test/v1"}
    face.stream(OWN_HOST, MODEL, play=host(bodies), **own)
    face.stream(OWN_HOST, "litellm_proxy/m", play=host(bodies), **own)
    face.stream(OFFLINE, "meta_llama/m", play=host(bodies))
    assert [set(body) for body in bodies] == [{"model", "messages", "stream"}] * 3

    choice = {"index": 0, "message": {"content": "Hello"}, "finish_reason": "stop"}

    def play(request: HTTPRequest) -> Recorded:
        bodies.append(json.loads(request.body))
        return Recorded(200, {}, (json.dumps({"choices": [choice]}).encode(),))

    face.ask(OWN_HOST, MODEL, play=play)
    assert set(bodies[-1]) == {"model", "messages"}


@BOTH
def test_a_fallback_is_asked_by_its_own_hosts_word(face: Face) -> None:
    bodies: list[Any] = []
    tells = host(bodies)

    def play(request: HTTPRequest) -> Recorded:
        reply = tells(request)
        return reply if len(bodies) == 2 else Recorded(500)

    there = {"model": "openai/other", "api_base": "http://replay.test/v1"}
    once: dict[str, Any] = {"max_retries": 0, "play": play}
    face.stream(OWN_HOST, MODEL, fallbacks=[there], **once)
    assert [body.get("stream_options") for body in bodies] == [ASKED, None]

    bodies.clear()
    meta = ClientSettings(environ={**OFFLINE.environ, **OWN_HOST.environ})
    face.stream(meta, "meta_llama/m", fallbacks=[MODEL], **once)
    assert [body.get("stream_options") for body in bodies] == [None, ASKED]


@pytest.mark.case(86)
def test_streamed_texts_are_counted_by_the_host_too() -> None:
    bodies: list[Any] = []
    with Client(OWN_HOST, transport=ReplayTransport(host(bodies))) as client:
        stream = client.text_completion(MODEL, ["Once", "Twice"], stream=True)
        chunks = list(stream)

    assert [body["stream_options"] for body in bodies] == [ASKED] * 2
    assert all(one.choices for one in chunks)
    assert (stream.report.prompt_tokens, stream.report.completion_tokens) == (1_400, 1_000)
    assert not stream.report.is_usage_estimated
