"""A client records what passes, and replays it; sync and async, from a real server."""

from __future__ import annotations

import asyncio
import json
import re
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.clock import FakeClock
from tests.support.faces import HI, MODEL, Streamed, settings_for
from tests.support.upstream import Reply, Upstream, text_chunks

from puna import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    BadRequestError,
    ChatCompletion,
    Client,
    ClientSettings,
    Faults,
    RateLimitError,
)
from puna.errors import ConfigError
from puna.transports.replay import Recorded, ReplayTransport

KEY = "sk-canary-4f1b9c0d7e"
FORGETFUL = ClientSettings(environ={"LLAMA_API_BASE": "http://gone.test/compat/v1"}, max_retries=0)
"""For replays: no key, and a host that nobody can ask."""


class SyncKind:
    """Calls over one `Client`."""

    def ask(self, settings: ClientSettings, messages: Any = HI, **made: Any) -> ChatCompletion:
        with Client(settings, **made) as client:
            return client.completion(MODEL, messages)

    def stream(self, settings: ClientSettings, **made: Any) -> Streamed:
        streamed = Streamed()
        with Client(settings, **made) as client:
            try:
                streamed.chunks += client.completion(MODEL, HI, stream=True)
            except APIError as error:
                streamed.error = error
        return streamed


class AsyncKind:
    """Calls over one `AsyncClient`."""

    def ask(self, settings: ClientSettings, messages: Any = HI, **made: Any) -> ChatCompletion:
        async def ask() -> ChatCompletion:
            async with AsyncClient(settings, **made) as client:
                return await client.completion(MODEL, messages)

        return asyncio.run(ask())

    def stream(self, settings: ClientSettings, **made: Any) -> Streamed:
        async def stream() -> Streamed:
            streamed = Streamed()
            async with AsyncClient(settings, **made) as client:
                try:
                    async for chunk in await client.completion(MODEL, HI, stream=True):
                        streamed.chunks.append(chunk)
                except APIError as error:
                    streamed.error = error
            return streamed

        return asyncio.run(stream())


Kind = SyncKind | AsyncKind
BOTH = pytest.mark.parametrize("kind", [SyncKind(), AsyncKind()], ids=["sync", "async"])


def live(upstream: Upstream, **fields: Any) -> ClientSettings:
    environ = {"LLAMA_API_KEY": KEY, "LLAMA_API_BASE": upstream.url}
    return settings_for(upstream, environ=environ, max_retries=0, **fields)


def exchanges_of(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    assert KEY not in text
    assert KEY[3:] not in text
    recorded: list[dict[str, Any]] = json.loads(text)["exchanges"]
    return recorded


@BOTH
def test_an_answer_is_replayed_without_a_host_and_without_a_key(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    answer = kind.ask(live(upstream), record=path)
    replayed = kind.ask(FORGETFUL, replay=path)
    assert replayed.model_dump() == answer.model_dump()
    (exchange,) = exchanges_of(path)
    assert exchange["request"] == {
        "method": "POST",
        "url": f"{upstream.url}/chat/completions",
        "body": {"model": MODEL.partition("/")[2], "messages": [*HI]},
    }
    assert (exchange["status"], exchange["end"]) == (200, "whole")
    assert exchange["body"]["id"] == answer.id
    assert exchange["headers"]["x-request-id"] == "req_up_1"


@BOTH
def test_a_stream_is_replayed_chunk_by_chunk(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "stream.json"
    upstream.plays(Reply.text_stream("Hel", "lo 🦙", pause_s=0.01))
    streamed = kind.stream(live(upstream), record=path)
    assert streamed.text == "Hello 🦙"
    assert kind.stream(FORGETFUL, replay=str(path)).chunks == streamed.chunks
    (exchange,) = exchanges_of(path)
    times = [piece["at_ms"] for piece in exchange["pieces"]]
    assert times == sorted(times)
    assert times[-1] >= 30
    assert exchange["request"]["body"]["stream"] is True


@BOTH
def test_an_error_reply_and_a_broken_stream_are_replayed_as_they_were(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "errors.json"
    upstream.plays(Reply.error(429, retry_after="7"))
    with pytest.raises(RateLimitError) as first:
        kind.ask(live(upstream), record=path)
    with pytest.raises(RateLimitError) as again:
        kind.ask(FORGETFUL, replay=path)
    assert (str(again.value), again.value.retry_after_s) == (str(first.value), 7.0)

    upstream.plays(Reply.text_stream("Hel", end="reset", is_done=False))
    streamed = kind.stream(live(upstream), record=path)
    replayed = kind.stream(FORGETFUL, replay=path)
    assert streamed.error is not None
    assert replayed.chunks == streamed.chunks
    # The same words; each names the deployment that it was asked of.
    told, asked = (
        re.split(r"\(deployment `.*?`\)", repr(one.error)) for one in (replayed, streamed)
    )
    assert told == asked
    assert len(told) == 2
    assert exchanges_of(path)[0]["end"]["error"] == "APIConnectionError"


@BOTH
def test_a_host_that_does_not_answer_is_replayed_too(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "none.json"
    upstream.plays(Reply.hang())
    with pytest.raises(APITimeoutError) as first:
        kind.ask(live(upstream, timeout_s=0.2), record=path)
    with pytest.raises(APITimeoutError) as again:
        kind.ask(FORGETFUL, replay=path)
    assert str(again.value) == str(first.value)
    assert "status" not in exchanges_of(path)[0]


@pytest.mark.case(37)
@BOTH
@pytest.mark.parametrize("status", [200, 401])
def test_a_key_that_a_host_repeats_everywhere_is_nowhere_in_the_file(
    kind: Kind, status: int, upstream: Upstream, tmp_path: Path
) -> None:
    halves = KEY[:9].encode(), KEY[9:].encode()
    text = b'{"said": "%b", "code": "Bearer ' % KEY.encode().replace(b"-", b"\\u002D")
    reply = Reply(
        status,
        {"content-type": "application/json", "set-cookie": KEY, "x-echo": f"Bearer {KEY}"},
        [text, halves[0], 0.02, halves[1], b'"}'],
        is_chunked=True,
    )
    upstream.plays(reply, reply)
    path = tmp_path / "canary.json"
    with pytest.raises(APIError):
        kind.ask(live(upstream), [{"role": "user", "content": f"My key is {KEY}"}], record=path)
    assert KEY.replace("-", "\\u002D") not in path.read_text()
    (exchange,) = exchanges_of(path)
    assert exchange["request"]["body"]["messages"][0]["content"] == "My key is •••"
    assert "set-cookie" not in exchange["headers"]
    kind.stream(live(upstream), record=path)
    exchanges_of(path)


@BOTH
def test_a_request_that_was_not_recorded_is_refused(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    kind.ask(live(upstream), record=path)
    with pytest.raises(BadRequestError, match=r"`messages\[0\].content` was `hi`, now `bye`"):
        kind.ask(FORGETFUL, [{"role": "user", "content": "bye"}], replay=path)


def test_no_retry_and_no_fallback_hides_a_request_that_was_not_recorded(
    upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    SyncKind().ask(live(upstream), record=path)
    clock = FakeClock()
    with (
        Client(replace(FORGETFUL, max_retries=2), replay=path, clock=clock) as client,
        pytest.raises(BadRequestError, match="now `bye`"),
    ):
        client.completion(MODEL, [{"role": "user", "content": "bye"}], fallbacks=[MODEL])
    assert clock.sleeps == []


def test_a_key_of_a_later_call_is_taken_out_of_an_earlier_reply(
    upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "later.json"
    upstream.plays(Reply.error(400, f"use {KEY}"))
    with Client(live(upstream), record=path) as client:
        with pytest.raises(BadRequestError):
            client.completion(MODEL, HI, api_key="another-key")
        assert KEY in path.read_text()
        client.completion(MODEL, HI)
    assert len(exchanges_of(path)) == 2


@BOTH
def test_faults_befall_replays_and_real_hosts(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    clock = FakeClock()
    faults = Faults(rate_limited={1: 2.0}, refused={2})
    patient = replace(live(upstream), max_retries=2)
    answer = kind.ask(patient, record=path, faults=faults, clock=clock)
    assert len(upstream.requests) == len(exchanges_of(path)) == 1
    assert max(clock.sleeps) >= 2.0

    patient = replace(FORGETFUL, max_retries=2)
    replayed = kind.ask(patient, replay=path, faults=faults, clock=FakeClock())
    assert replayed.model_dump() == answer.model_dump()
    streamed = kind.stream(live(upstream), faults=Faults(cut={1: 500}))
    assert isinstance(streamed.error, APIConnectionError)
    assert streamed.chunks


@BOTH
def test_a_replay_keeps_the_recorded_pace_when_asked(
    kind: Kind, upstream: Upstream, tmp_path: Path
) -> None:
    path = tmp_path / "chat.json"
    kind.stream(live(upstream), record=path)
    recorded = json.loads(path.read_text())
    recorded["exchanges"][0]["head_ms"] = 4_000
    path.write_text(json.dumps(recorded))
    clock = FakeClock()
    kind.stream(FORGETFUL, replay=path, replay_speed=2, clock=clock)
    assert clock.sleeps[0] == 2.0
    clock = FakeClock()
    kind.stream(FORGETFUL, replay=path, clock=clock)
    assert clock.sleeps == []


@given(cuts=st.lists(st.integers(1, 1_500), max_size=8))
def test_a_replay_gives_the_chunks_of_the_original_however_they_were_cut(
    tmp_path_factory: pytest.TempPathFactory, cuts: list[int]
) -> None:
    path = tmp_path_factory.getbasetemp() / "cut.json"
    frames = [
        f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n" for chunk in text_chunks(("ü🦙", "b"))
    ]
    whole = "".join([*frames, "data: [DONE]\n\n"]).encode()
    places = [0, *sorted({min(cut, len(whole)) for cut in cuts}), len(whole)]
    pieces = [whole[a:b] for a, b in pairwise(places)]
    played = Recorded(200, {"content-type": "text/event-stream"}, pieces)

    kind = SyncKind()
    settings = replace(FORGETFUL, environ={**FORGETFUL.environ, "LLAMA_API_KEY": KEY})
    original = kind.stream(settings, transport=ReplayTransport(lambda _: played), record=path)
    replayed = kind.stream(FORGETFUL, replay=path)
    assert original.text == "ü🦙b"
    assert replayed.chunks == original.chunks


def test_a_stream_that_was_left_ends_where_it_was_left(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "left.json"
    upstream.plays(Reply.endless())
    with (
        Client(live(upstream), record=path) as client,
        client.completion(MODEL, HI, stream=True) as stream,
    ):
        next(stream)
    assert exchanges_of(path)[0]["end"] == "left"
    streamed = SyncKind().stream(FORGETFUL, replay=path)
    assert streamed.chunks
    assert "The recording ends here" in str(streamed.error)


def test_closing_the_client_writes_what_is_under_way(upstream: Upstream, tmp_path: Path) -> None:
    path = tmp_path / "open.json"
    upstream.plays(Reply.endless())
    client = Client(live(upstream), record=path)
    stream = client.completion(MODEL, HI, stream=True)
    assert exchanges_of(path) == []
    client.close()
    assert exchanges_of(path)[0]["end"] == "left"
    stream.close()


def test_a_client_is_not_made_with_what_makes_no_sense(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    with pytest.raises(BadRequestError, match="at once"):
        Client(record=path, replay=path)
    with pytest.raises(BadRequestError, match="`replay_speed`"):
        AsyncClient(replay=path, replay_speed=-1)
    with pytest.raises(ConfigError, match="record it first"):
        Client(replay=path)
    with pytest.raises(ConfigError, match="a folder that is there"):
        Client(record=tmp_path / "no" / "a.json")
    with Client(ClientSettings(environ={})) as client, pytest.raises(AuthenticationError):
        client.completion(MODEL, HI)
