"""Hosts that send anything: every node of a reply replaced, removed or doubled; broken streams."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.contexts import NOW, context_for, request_for, target_for
from tests.support.event_stream import encode_event, encode_message
from tests.support.mutations import mutated
from tests.support.provider_suite import FIXTURES, bytes_of, load, target_of

from puna.dialects.base import ReadContext, StreamReader
from puna.dialects.openai_embeddings import OpenAIEmbeddings
from puna.dialects.openai_responses import OpenAIResponses
from puna.dialects.table import DIALECTS
from puna.errors import APIError, BadRequestError, MalformedReplyError
from puna.providers.table import PROVIDERS
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.common import Usage
from puna.types.counts import MOST_TOKENS
from puna.types.embeddings import make_embedding_request
from puna.types.response_request import make_responses_request
from puna.wire.event_stream import EventStreamDecoder
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts

ROWS = ("anthropic", "bedrock", "llama_api_native", "meta_llama", "ollama")
NAMES = ("chat", "chat_cached", "stream", "stream_thinking", "tool_call", "tool_call_stream")
PATHS = [FIXTURES / row / f"{name}.json" for row in ROWS for name in NAMES]
GIVEN = [path for path in PATHS if path.exists()]
WHOLE = [path for path in GIVEN if "stream" not in path.stem]
STREAMS = [path for path in GIVEN if "stream" in path.stem]
RESPONSES = sorted((FIXTURES / "openai" / "responses").glob("*.json"))


def name_of(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def context_of(path: Path) -> ReadContext:
    row = PROVIDERS[path.parent.name]
    is_stream = path in STREAMS
    fields = {"stream_options": {"include_usage": True}} if is_stream else {}
    request = request_for(f"{row.name}/m", stream=is_stream, **fields)
    return context_for(target=target_of(row), request=request)


def check_usage(usage: Usage | None) -> None:
    """It can be billed: no count is below zero or beyond belief, nor any part of one."""
    if usage is None:
        return
    read, written = 0, (0, 0)
    if usage.prompt_tokens_details is not None:
        read = usage.prompt_tokens_details.cached_tokens or 0
        written = usage.prompt_tokens_details.written_tokens
    thought = usage.completion_tokens_details
    counts = (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens, read, *written)
    assert all(0 <= count <= 4 * MOST_TOKENS for count in counts)
    assert thought is None or 0 <= (thought.reasoning_tokens or 0) <= MOST_TOKENS


def check_answer(answer: ChatCompletion) -> None:
    assert json.loads(answer.model_dump_json())
    check_usage(answer.usage)
    for choice in answer.choices:
        assert choice.finish_reason is None or isinstance(choice.finish_reason, str)
        for call in choice.message.tool_calls or ():
            assert call.type != "function" or call.function.name


def read_all(reader: StreamReader, data: bytes) -> list[ChatCompletionChunk]:
    """The chunks of a stream, which ends whole or with an error."""
    chunks = [*reader.feed(data), *reader.close()]
    assert reader.is_done
    assert reader.finish_reason is None or isinstance(reader.finish_reason, str)
    check_usage(reader.usage)
    if reader.error is None:
        check_answer(fold(chunks))
    else:
        assert str(reader.error).encode()
    return chunks


def frames_of(path: Path) -> list[tuple[Any, bytes]]:
    """A stream's frames: what is around each payload, and the payload."""
    whole = b"".join(map(bytes_of, load(path)["pieces"]))
    if path.parent.name == "bedrock":
        return [(one.headers, one.payload) for one in EventStreamDecoder().feed(whole)]
    lines = whole.split(b"\n")
    starts = [b"data: " if line.startswith(b"data: ") else b"" for line in lines]
    return [(s, line.removeprefix(s)) for s, line in zip(starts, lines, strict=True)]


def joined(frames: Iterable[tuple[Any, bytes]]) -> bytes:
    parts = [
        (encode_message(dict(around), payload), b"")
        if not isinstance(around, bytes)
        else (around + payload, b"\n")
        for around, payload in frames
    ]
    return b"".join(part + end for part, end in parts)


def objects_in(frames: list[tuple[Any, bytes]]) -> Iterator[tuple[int, Any]]:
    for index, (_, payload) in enumerate(frames):
        if payload.startswith(b"{"):
            yield index, json.loads(payload)


@pytest.mark.parametrize("path", WHOLE, ids=name_of)
def test_whatever_stands_in_a_reply_it_is_an_answer_or_a_typed_error(path: Path) -> None:
    context = context_of(path)
    dialect = DIALECTS[context.target.dialect]
    for body in mutated(load(path)["body"]):
        reply = HTTPReply(200, {}, json.dumps(body).encode())
        try:
            answer = dialect.read_reply(reply, context)
        except APIError as error:
            assert str(error).encode()  # noqa: PT017 - an answer is as good
        else:
            check_answer(answer)


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_whatever_stands_in_an_event_the_stream_ends_whole_or_with_a_typed_error(
    path: Path,
) -> None:
    context, frames = context_of(path), frames_of(path)
    dialect = DIALECTS[context.target.dialect]
    known: set[bytes] = set()
    for index, event in objects_in(frames):
        around = frames[index][0]
        for other in mutated(event):
            payload = json.dumps(other).encode()
            if payload not in known:  # most events are alike
                known.add(payload)
                data = joined([*frames[:index], (around, payload), *frames[index + 1 :]])
                read_all(dialect.stream_reader(context), data)


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_frames_that_are_lost_doubled_moved_or_garbage_raise_nothing(path: Path) -> None:
    context, frames = context_of(path), frames_of(path)
    dialect = DIALECTS[context.target.dialect]
    for index, (around, _) in enumerate(frames):
        before, this, after = frames[:index], frames[index : index + 1], frames[index + 1 :]
        for changed in (
            before + after,
            [*before, *this, *this, *after],
            before + after[:1] + this + after[1:],
            [*before, (around, b"\xff\x00{"), *this, *after],
            frames + this,
        ):
            read_all(dialect.stream_reader(context), joined(changed))
    read_all(dialect.stream_reader(context), joined(frames + frames))


@pytest.mark.parametrize("path", STREAMS, ids=name_of)
def test_a_stream_that_is_cut_anywhere_keeps_what_came_whole(path: Path) -> None:
    context, whole = context_of(path), joined(frames_of(path))
    dialect = DIALECTS[context.target.dialect]
    chunks = read_all(dialect.stream_reader(context), whole)
    said = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    for length in range(len(whole)):
        reader = dialect.stream_reader(context)
        cut = [one.choices[0].delta for one in read_all(reader, whole[:length]) if one.choices]
        if reader.error is not None:
            assert cut == said[: len(cut)]


@pytest.mark.parametrize("row", ROWS)
def test_the_words_of_an_error_are_text_whatever_json_can_spell(row: str) -> None:
    context = context_for(target=target_of(PROVIDERS[row]))
    body = rb'{"error":{"message":"no \ud800 here","type":"\udfff","code":"c\ud800"}}'
    error = DIALECTS[context.target.dialect].read_error(HTTPReply(400, {}, body), context)
    assert "no ? here" in error.message
    assert (error.code or "").encode() == b"c?"


@pytest.mark.parametrize("path", RESPONSES, ids=lambda path: path.stem)
def test_whatever_stands_in_a_response_it_is_one_or_a_typed_error(path: Path) -> None:
    fixture, dialect = load(path), OpenAIResponses()
    request = make_responses_request("gpt", {"input": "hi"})
    context = ReadContext(target_for(), "gpt", "resp_made", NOW, request)
    if "pieces" in fixture:
        lines = "".join(fixture["pieces"]).encode().split(b"\n")
        *_, (last, event) = (
            (at, json.loads(line.removeprefix(b"data: ")))
            for at, line in enumerate(lines)
            if line.startswith(b"data: {")
        )
        for other in mutated(event):
            reader = dialect.stream_reader(context)
            changed = [*lines[:last], b"data: " + json.dumps(other).encode(), b"", b""]
            reader.feed(b"\n".join(changed))
            reader.close()
            assert reader.is_done
            check_usage(reader.usage)
        return
    for body in mutated(fixture["body"]):
        try:
            response = dialect.read_reply(HTTPReply(200, {}, json.dumps(body).encode()), context)
        except APIError as error:
            assert str(error).encode()  # noqa: PT017 - a response is as good
        else:
            check_usage(dialect.read_usage(response))


@pytest.mark.parametrize("form", ["float", "base64"])
def test_whatever_stands_among_vectors_they_are_finite_or_a_typed_error(form: str) -> None:
    body = {
        "data": [{"index": 0, "embedding": [0.5, 1]}, {"index": 1, "embedding": "AAAAPwAAgL4="}],
        "usage": {"prompt_tokens": 3, "total_tokens": 3, "prompt_tokens_details": {"a": 1}},
    }
    request = make_embedding_request("m", ["a", "b"], {"encoding_format": form})
    context = ReadContext(target_for(), "m", "made", NOW, request)
    for other in mutated(body):
        reply = HTTPReply(200, {}, json.dumps(other).encode())
        try:
            answer = OpenAIEmbeddings().read_reply(reply, context)
        except APIError as error:
            assert str(error).encode()  # noqa: PT017 - vectors are as good
        else:
            assert "null" not in json.dumps(
                [item["embedding"] for item in answer.to_dict()["data"]]
            )


def test_what_converse_wrote_to_a_cache_is_billed_as_written_and_once() -> None:
    context = context_for(target=target_of(PROVIDERS["bedrock"]))
    usage = {
        "inputTokens": 10, "outputTokens": 7, "totalTokens": 1127,
        "cacheReadInputTokens": 1000, "cacheWriteInputTokens": 110,
    }  # fmt: skip
    body = {"output": {"message": {"content": [{"text": "Hi"}]}}, "usage": usage}
    reply = HTTPReply(200, {}, json.dumps(body).encode())
    read = DIALECTS["bedrock_converse"].read_reply(reply, context).usage
    assert read is not None
    assert read.prompt_tokens_details is not None
    details = read.prompt_tokens_details
    assert (read.prompt_tokens, read.total_tokens) == (1120, 1127)
    assert (details.cached_tokens, details.written_tokens) == (1000, (110, 0))


def test_blocks_of_converse_that_share_a_number_are_calls_of_their_own() -> None:
    def begin(name: str) -> bytes:
        start = {"toolUse": {"toolUseId": name, "name": name}}
        return encode_event("contentBlockStart", {"contentBlockIndex": 1, "start": start})

    def piece(text: str) -> bytes:
        delta = {"toolUse": {"input": text}}
        return encode_event("contentBlockDelta", {"contentBlockIndex": 1, "delta": delta})

    end = encode_event("contentBlockStop", {"contentBlockIndex": 1})
    stop = encode_event("messageStop", {"stopReason": "tool_use"})
    context = context_for(target=target_of(PROVIDERS["bedrock"]))
    reader = DIALECTS["bedrock_converse"].stream_reader(context)
    data = [begin("f"), piece('{"a":1}'), end, begin("g"), piece('{"b":2}'), end, stop]
    calls = fold(read_all(reader, b"".join(data))).choices[0].message.tool_calls
    assert calls is not None
    assert [(one.function.name, one.function.arguments) for one in calls] == [
        ("f", '{"a":1}'),
        ("g", '{"b":2}'),
    ]
    assert len({one.id for one in calls}) == 2


ENDLESS = {
    "anthropic": b"x" * 65_536,
    "llama_api_native": b"data: " + b"x" * 65_530,
    "meta_llama": (b"data: " + b"x" * 1_017 + b"\n") * 64,
    "ollama": b"x" * 65_536,
}


@pytest.mark.parametrize("row", ENDLESS)
def test_an_event_without_an_end_is_given_up_before_it_fills_the_memory(row: str) -> None:
    path = FIXTURES / row / "stream.json"
    context = context_of(path)
    reader = DIALECTS[context.target.dialect].stream_reader(context)
    reader.feed(joined(frames_of(path)[:1]))
    pieces = 0
    while not reader.is_done:
        assert reader.feed(ENDLESS[row]) == []
        pieces += 1
        assert pieces < 1_000
    assert pieces > 300  # a large event is none without an end
    assert isinstance(reader.error, MalformedReplyError)
    assert "24 MiB" in str(reader.error)
    assert reader.feed(b"\n\n") == reader.close() == []


@pytest.mark.parametrize("row", ["meta_llama", "ollama"])
def test_heartbeats_without_an_end_are_no_event(row: str) -> None:
    path = FIXTURES / row / "stream.json"
    context = context_of(path)
    reader = DIALECTS[context.target.dialect].stream_reader(context)
    beat = b"\n" * 65_536 if row == "ollama" else b": still here\n\n" * 4_096
    for _ in range(600):
        assert reader.feed(beat) == []
    assert fold(read_all(reader, joined(frames_of(path)))).choices[0].message.content


@pytest.mark.parametrize("row", ["azure", "bedrock"])
@pytest.mark.parametrize("model", [".", ".."])
def test_a_model_that_would_be_another_path_of_the_host_is_refused(row: str, model: str) -> None:
    target = target_of(PROVIDERS[row], model)
    with pytest.raises(BadRequestError) as raised:
        DIALECTS[target.dialect].build_request(request_for(), target, Timeouts())
    assert raised.value.param == "model"


@pytest.mark.parametrize("row", ["azure", "bedrock"])
def test_a_model_of_any_other_name_is_one_part_of_the_path(row: str) -> None:
    target = target_of(PROVIDERS[row], "../a:b%2F/ü?c#d")
    url = DIALECTS[target.dialect].build_request(request_for(), target, Timeouts()).http.url
    assert "/..%2Fa%3Ab%252F%2F%C3%BC%3Fc%23d/" in url
