"""Streams over real connections, from both clients. Section B of the acceptance cases."""

from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path
from typing import Any

import pytest
from tests.support.faces import BOTH, HI, MODEL, ONCE, Face, settings_for
from tests.support.upstream import (
    PIECES,
    TEXT,
    USAGE,
    Reply,
    Upstream,
    chunk,
    completion_body,
    event,
    text_chunks,
    tool_chunks,
    usage_chunk,
)

from puna import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncClient,
    AuthenticationError,
    Client,
    InternalServerError,
    MalformedReplyError,
    RateLimitError,
    StreamInterruptedError,
    fold,
)


@pytest.mark.case(41, 44, 45, 46, 48)
@BOTH
def test_a_stream_is_well_formed(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), usage_chunk()))
    streamed = face.stream(settings_for(upstream))
    whole = face.ask(settings_for(upstream))

    assert upstream.requests[0].json["stream"] is True
    assert set(upstream.requests[0].json) == {"model", "messages", "stream"}
    assert upstream.requests[0].headers["accept"] == "text/event-stream"
    chunks = streamed.chunks
    assert streamed.error is None
    assert streamed.text == TEXT == whole.choices[0].message.content
    assert all(hasattr(c.choices[0], "delta") for c in chunks)
    assert [c.choices[0].delta.role for c in chunks] == ["assistant"] + [None] * (len(chunks) - 1)
    assert {(c.id, c.created, c.model) for c in chunks} == {("cmpl-up-1", 1747000000, whole.model)}
    assert [c.choices[0].finish_reason for c in chunks] == [None] * (len(chunks) - 1) + ["stop"]
    assert streamed.report is not None
    assert (streamed.report.prompt_tokens, streamed.report.completion_tokens) == (11, 4)
    assert (streamed.report.cached_tokens, streamed.report.cache_creation_tokens) == (0, 0)
    assert streamed.report.finish_reason == "stop"
    assert streamed.report.first_chunk_s is not None


@pytest.mark.case(42, 43)
def test_chunks_arrive_as_they_are_produced(upstream: Upstream) -> None:
    upstream.plays(Reply.text_stream(*PIECES, pause_s=0.1))
    arrived: list[float] = []
    began_at = time.monotonic()
    with Client(settings_for(upstream)) as client:
        for _ in client.completion(MODEL, HI, stream=True):
            arrived.append(time.monotonic() - began_at)  # noqa: PERF401 - the instant counts
    assert arrived[0] < arrived[-1] - 0.3


@pytest.mark.case(47)
@BOTH
def test_one_usage_chunk_ends_the_stream_when_it_is_asked_for(
    face: Face, upstream: Upstream
) -> None:
    upstream.plays(Reply.sse(*text_chunks(), usage_chunk()), Reply.sse(*text_chunks()))
    told, counted = (
        face.stream(settings_for(upstream), stream_options={"include_usage": True})
        for _ in range(2)
    )
    for streamed in (told, counted):
        *others, last = streamed.chunks
        assert all(c.choices and c.usage is None for c in others)
        assert last.choices == []
        assert last.usage is not None
        assert (last.id, last.model) == (others[0].id, others[0].model)
    assert told.chunks[-1].usage is not None
    assert told.chunks[-1].usage.prompt_tokens == USAGE["prompt_tokens"]
    assert not told.chunks[-1].usage.is_estimate
    assert counted.chunks[-1].usage is not None
    assert counted.chunks[-1].usage.is_estimate
    assert counted.report is not None
    assert counted.report.is_usage_estimated


@pytest.mark.case(49)
@BOTH
def test_a_stream_that_ends_too_early_is_an_error(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:-1], is_done=False, end="close"))
    streamed = face.stream(settings_for(upstream))
    assert streamed.text == TEXT
    assert streamed.finish_reasons == []
    assert isinstance(streamed.error, StreamInterruptedError)
    assert len(upstream.requests) == 1


@pytest.mark.case(50)
@BOTH
def test_a_missing_done_frame_is_fine_after_a_finish_reason(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), is_done=False))
    streamed = face.stream(settings_for(upstream))
    assert (streamed.text, streamed.finish_reasons, streamed.error) == (TEXT, ["stop"], None)


@pytest.mark.case(51)
@BOTH
@pytest.mark.parametrize("end", ["close", "reset"])
def test_a_cut_stream_delivers_what_came_and_then_fails(
    face: Face, end: Any, upstream: Upstream
) -> None:
    steps = [*Reply.sse(*text_chunks()[:-1], is_done=False).steps, 0.1]
    upstream.plays(
        Reply(200, {"content-type": "text/event-stream"}, steps, is_chunked=True, end=end)
    )
    streamed = face.stream(settings_for(upstream))
    assert streamed.text == TEXT
    assert isinstance(streamed.error, StreamInterruptedError | APIConnectionError)
    assert streamed.error.provider == "meta_llama"
    assert streamed.error.model == MODEL
    assert len(upstream.requests) == 1


@pytest.mark.case(52)
@BOTH
@pytest.mark.parametrize(
    ("frame", "kind", "text"),
    [
        (event({"error": {"message": "melted", "code": 500}}), InternalServerError, "melted"),
        (event({"error": {"message": "slow", "code": 429}}), RateLimitError, "slow"),
        (b'event: error\ndata: {"message": "gone mad"}\n\n', InternalServerError, "gone mad"),
        (b"event: error\ndata: plain words\n\n", InternalServerError, "plain words"),
    ],
)
def test_an_error_frame_ends_the_stream_with_the_upstreams_words(
    face: Face, frame: bytes, kind: type[APIError], text: str, upstream: Upstream
) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], frame))
    streamed = face.stream(settings_for(upstream))
    assert streamed.text == "Hello"
    assert isinstance(streamed.error, kind)
    assert text in str(streamed.error)


@pytest.mark.case(52, 141)
@BOTH
def test_an_error_frame_before_any_content_is_tried_again(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse({"error": {"message": "overloaded", "code": 503}}))
    assert face.stream(settings_for(upstream)).text == TEXT
    assert len(upstream.requests) == 2


@pytest.mark.case(53)
@BOTH
def test_a_frame_that_is_not_json_is_an_error(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], b"data: {broken\n\n", end="hang"))
    streamed = face.stream(settings_for(upstream))
    assert streamed.text == "Hello"
    assert isinstance(streamed.error, MalformedReplyError)
    assert "not JSON" in str(streamed.error)
    assert upstream.sees(lambda: upstream.disconnects == 1)


@pytest.mark.case(54, 55)
@BOTH
def test_odd_but_lawful_framing_is_read(face: Face, upstream: Upstream) -> None:
    split = event(chunk({"content": "é🦙"}))
    at = split.index("é".encode() if "é".encode() in split else b"\\u00e9") + 1
    upstream.plays(
        Reply.sse(
            b"\xef\xbb\xbf: hello\r\n\r\n",
            event(chunk({"role": "assistant"})).replace(b"\n", b"\r\n"),
            event(chunk({"content": "a"})).replace(b"data: ", b"data:"),
            b"id: 7\nretry: 10\nevent: message\n" + event(chunk({"content": "b"})),
            event({**chunk({}), "choices": []}),
            event(chunk(None)) + event(chunk({})) + event(chunk({"content": "c"})),
            b'data: {"id": "cmpl-up-1",'
            b'\ndata: "choices": [{"index": 0, "delta": {"content": "d"}}]}\n\n',
            split[:at],
            split[at:],
            chunk({}, "stop"),
            pause_s=0.005,
        )
    )
    streamed = face.stream(settings_for(upstream))
    assert streamed.error is None
    assert streamed.text == "abcdé🦙"
    assert all(c.choices for c in streamed.chunks)


@pytest.mark.case(56)
def test_forty_thousand_chunks_stream_with_constant_memory(upstream: Upstream) -> None:
    frame = event(chunk({"content": "x"}))
    steps = [event(chunk({"role": "assistant"})), *[frame * 1000] * 40, event(chunk({}, "stop"))]
    upstream.plays(Reply(200, {"content-type": "text/event-stream"}, steps, is_chunked=True))
    with Client(settings_for(upstream)) as client:
        before = _resident_kb()
        count = sum(1 for _ in client.completion(MODEL, HI, stream=True))
    assert count == 40_002
    assert _resident_kb() - before < 30_000


def _resident_kb() -> int:
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") // 1024


@pytest.mark.case(59)
@BOTH
def test_a_pause_that_is_too_long_is_a_timeout(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="hang"))
    began_at = time.monotonic()
    streamed = face.stream(settings_for(upstream), stream_timeout=0.5)
    assert 0.4 < time.monotonic() - began_at < 10
    assert streamed.text == "Hello"
    assert isinstance(streamed.error, APITimeoutError)
    assert "stream_timeout" in str(streamed.error)


@BOTH
def test_an_upstream_that_stays_open_after_its_end_does_not_hold_the_caller(
    face: Face, upstream: Upstream
) -> None:
    upstream.plays(Reply.sse(*text_chunks(), end="hang"))
    began_at = time.monotonic()
    streamed = face.stream(settings_for(upstream))
    assert time.monotonic() - began_at < 30
    assert (streamed.text, streamed.error) == (TEXT, None)


@pytest.mark.case(60)
@BOTH
def test_folded_chunks_are_the_whole_answer(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), usage_chunk()), Reply.sse(*tool_chunks()))
    text = fold(face.stream(settings_for(upstream), stream_options={"include_usage": True}).chunks)
    assert text.choices[0].message.content == TEXT
    assert text.usage is not None
    assert text.usage.total_tokens == 15
    tool = fold(face.stream(settings_for(upstream)).chunks)
    assert tool.choices[0].finish_reason == "tool_calls"
    assert tool.choices[0].message.tool_calls is not None
    assert tool.choices[0].message.tool_calls[0].function.arguments.endswith('CA"}')


@pytest.mark.case(61)
@BOTH
@pytest.mark.parametrize(("status", "kind"), [(401, AuthenticationError), (429, RateLimitError)])
def test_a_status_error_before_the_first_byte_has_its_class(
    face: Face, status: int, kind: type[APIError], upstream: Upstream
) -> None:
    upstream.plays(Reply.error(status))
    with pytest.raises(kind, match=f"detail for {status}") as caught:
        face.stream(settings_for(upstream), **ONCE)
    assert caught.value.status_code == status


@pytest.mark.case(62)
@BOTH
def test_a_whole_answer_to_a_stream_request_comes_as_chunks(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.json(completion_body()), Reply.json(completion_body()))
    streamed = face.stream(settings_for(upstream))
    assert (streamed.text, streamed.finish_reasons, streamed.error) == (TEXT, ["stop"], None)
    assert all(c.choices for c in streamed.chunks)
    told = face.stream(settings_for(upstream), stream_options={"include_usage": True})
    assert told.chunks[-1].usage is not None
    assert told.report is not None
    assert told.report.completion_tokens == 4


@pytest.mark.case(62)
@BOTH
def test_a_web_page_in_place_of_a_stream_is_an_error(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.html("Welcome"))
    with pytest.raises(APIError, match="Welcome"):
        face.stream(settings_for(upstream), **ONCE)


@pytest.mark.case(63)
@BOTH
def test_a_stream_without_any_content_is_an_error(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(), Reply.sse(is_done=False))
    for kind in (MalformedReplyError, StreamInterruptedError):
        with pytest.raises(kind, match="without any content"):
            face.stream(settings_for(upstream), **ONCE)


@pytest.mark.case(63)
def test_an_exhausted_stream_stays_ended(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        stream = client.completion(MODEL, HI, stream=True)
        assert list(stream)
        assert list(stream) == []
        assert [c.id for c in client.completion(MODEL, HI, stream=True).map(lambda c: c)]


@pytest.mark.case(63)
@pytest.mark.anyio
async def test_an_exhausted_async_stream_stays_ended(upstream: Upstream) -> None:
    async with AsyncClient(settings_for(upstream)) as client:
        stream = await client.completion(MODEL, HI, stream=True)
        assert [c async for c in stream]
        assert [c async for c in stream] == []
        mapped = (await client.completion(MODEL, HI, stream=True)).map(lambda c: c.id)
        assert {name async for name in mapped} == {"cmpl-up-1"}


@pytest.mark.case(64)
@BOTH
def test_the_usual_guard_works_on_every_chunk(face: Face, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*tool_chunks()), Reply.sse(*text_chunks()))
    for expected in ("", TEXT):
        said = ""
        for part in face.stream(settings_for(upstream)).chunks:
            if hasattr(part.choices[0], "delta") and part.choices[0].delta.content is not None:
                said += part.choices[0].delta.content
        assert said == expected


@pytest.mark.case(57)
def test_a_finished_streams_connection_serves_again(upstream: Upstream) -> None:
    with Client(settings_for(upstream)) as client:
        for _ in range(5):
            assert list(client.completion(MODEL, HI, stream=True))
    assert upstream.connections == 1
    assert upstream.disconnects == 0


@pytest.mark.case(128)
@pytest.mark.anyio
async def test_two_hundred_streams_share_a_loop(upstream: Upstream) -> None:
    upstream.plays_always(Reply.text_stream(*PIECES, pause_s=0.02))

    async with AsyncClient(settings_for(upstream)) as client:

        async def read() -> str:
            stream = await client.completion(MODEL, HI, stream=True)
            return "".join([c.choices[0].delta.content or "" async for c in stream])

        assert await asyncio.gather(*(read() for _ in range(200))) == [TEXT] * 200
