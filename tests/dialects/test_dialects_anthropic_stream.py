"""Streams of Anthropic's API, against the whole answers that they spell."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.anthropic_messages import Event, answers, encoded, event_streams
from tests.support.contexts import context_for, request_for, target_for

from puna.bridges.messages.reply import message_of, usage_of
from puna.bridges.messages.request import MessagesRequest
from puna.bridges.messages.stream import MessageStream
from puna.dialects.anthropic_messages import AnthropicMessages
from puna.dialects.base import ReadContext
from puna.dialects.openai_chat import OpenAIChat
from puna.errors import (
    APIError,
    MalformedReplyError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
)
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.wire.fold import fold, unfold
from puna.wire.http import HTTPReply

ASKED = MessagesRequest([], stop_sequences=("END",))
CONTEXT = context_for(
    target=target_for(dialect="anthropic_messages"),
    request=request_for(stream=True, stream_options={"include_usage": True}),
)
PLAIN = context_for(request=request_for(stream=True))


def read(
    *pieces: bytes, context: ReadContext = CONTEXT
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    reader = AnthropicMessages().stream_reader(context)
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


def whole(message: dict[str, Any]) -> ChatCompletion:
    reply = HTTPReply(200, {}, json.dumps(message).encode())
    return AnthropicMessages().read_reply(reply, CONTEXT)


def folded(events: list[Event]) -> dict[str, Any]:
    """The message that a client puts together; blocks never overlap."""
    message: dict[str, Any] = {**events[0]["message"], "content": []}
    is_open, texts = False, list[str]()
    for event in events[2:-2]:
        match event["type"]:
            case "content_block_start":
                assert not is_open
                is_open, texts = True, []
                assert event["index"] == len(message["content"])
                message["content"].append(dict(event["content_block"]))
            case "content_block_stop":
                assert is_open
                is_open = False
                if message["content"][-1]["type"] == "tool_use":
                    message["content"][-1]["input"] = json.loads("".join(texts))
            case _:
                assert is_open
                delta = event["delta"]
                name = {"input_json_delta": "partial_json"}.get(
                    delta["type"], delta["type"].removesuffix("_delta")
                )
                texts.append(delta[name])
                if name != "partial_json":
                    message["content"][-1][name] += delta[name]
    assert not is_open
    return {**message, **events[-2]["delta"], "usage": events[-2]["usage"]}


def to_events(chunks: list[ChatCompletionChunk]) -> list[Event]:
    stream = MessageStream(ASKED)
    return [event for one in chunks for event in stream.add(one)] + stream.finish()


# The laws


@given(st.data())
def test_folding_the_chunks_gives_what_the_whole_message_says(data: st.DataObject) -> None:
    message = data.draw(answers())
    chunks, error = read(encoded(data.draw(event_streams(message))))
    assert error is None
    assert fold(chunks).to_dict() == whole(message).to_dict()


@given(st.data())
def test_however_the_bytes_are_cut_the_chunks_are_the_same(data: st.DataObject) -> None:
    stream = encoded(data.draw(event_streams(data.draw(answers()))))
    stream = stream[: data.draw(st.integers(0, len(stream)) | st.just(len(stream)))]
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=6)))
    pieces = [stream[i:j] for i, j in zip([0, *cuts], [*cuts, len(stream)], strict=True)]
    chunks, error = read(stream)
    again, same_error = read(*pieces)
    assert again == chunks
    assert repr(same_error) == repr(error)


@given(st.data())
def test_chunks_are_in_order(data: st.DataObject) -> None:
    chunks, _ = read(encoded(data.draw(event_streams(data.draw(answers())))))
    *body, usage = chunks
    assert usage.choices == []
    assert [one.choices[0].delta.role for one in body] == ["assistant"] + [None] * (len(body) - 1)
    finishes = [one.choices[0].finish_reason for one in body]
    assert finishes[:-1] == [None] * (len(body) - 1)
    assert finishes[-1] is not None
    assert {(one.id, one.created, one.model) for one in chunks} == {
        ("msg_1", int(CONTEXT.now), CONTEXT.model)
    }


@given(answers())
def test_a_message_comes_back_as_it_was_from_chat(message: dict[str, Any]) -> None:
    again = message_of(ASKED, whole(message))
    assert again["content"] == message["content"]
    assert (again["stop_reason"], again["stop_sequence"]) == (
        message["stop_reason"],
        message["stop_sequence"],
    )
    assert {name: again["usage"][name] for name in message["usage"]} == message["usage"]


@given(st.data())
def test_a_stream_comes_back_as_it_was_from_chat(data: st.DataObject) -> None:
    message = data.draw(answers())
    chunks, _ = read(encoded(data.draw(event_streams(message))))
    again = folded(to_events(chunks))
    assert again == message_of(ASKED, fold(chunks))
    assert again["content"] == message["content"]


@given(answers())
def test_a_whole_answer_as_one_chunk_comes_back_too(message: dict[str, Any]) -> None:
    chunks = list(unfold(whole(message), wants_usage=True))
    assert folded(to_events(chunks))["content"] == message["content"]


def test_calls_that_waited_come_before_a_thought_that_followed_them() -> None:
    calls = [
        {"type": "tool_use", "id": f"toolu_{i}", "name": "f", "input": {"i": i}} for i in range(3)
    ]
    content = [*calls, {"type": "thinking", "thinking": "", "signature": "sealed"}]
    events: list[Event] = [START]
    for index, block in enumerate(content):
        about: Event = {"index": index}
        events.append({**about, "type": "content_block_start", "content_block": block})
        events.append({**about, "type": "content_block_stop"})
    chunks, _ = read(encoded([*events, FINISH, END]))
    again = folded(to_events(chunks))["content"]
    assert [block["type"] for block in again] == ["tool_use"] * 3 + ["thinking"]
    assert [block["input"] for block in again[:3]] == [{"i": 0}, {"i": 1}, {"i": 2}]


# What goes wrong


START: Event = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 3}}}
BLOCK: Event = {"type": "content_block_start", "index": 0, "content_block": {"type": "text"}}
HI: Event = {
    "type": "content_block_delta",
    "index": 0,
    "delta": {"type": "text_delta", "text": "Hi"},
}
FINISH: Event = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 2},
}
END: Event = {"type": "message_stop"}


def text_of(chunks: list[ChatCompletionChunk]) -> str:
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


@pytest.mark.parametrize(
    ("events", "said"),
    [
        ([], "without any content"),
        ([START, BLOCK, HI], "before the answer was finished"),
        ([START], "before the answer was finished"),
    ],
)
def test_an_end_that_comes_too_early_is_an_error(events: list[Event], said: str) -> None:
    chunks, error = read(encoded(events))
    assert isinstance(error, StreamInterruptedError)
    assert said in str(error)
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks)


def test_a_frame_that_was_cut_is_an_interruption() -> None:
    chunks, error = read(encoded([START, BLOCK, HI]) + b'event: x\ndata: {"type":')
    assert text_of(chunks) == "Hi"
    assert isinstance(error, StreamInterruptedError)
    assert "in the middle of a frame" in str(error)


def test_a_stream_without_its_last_event_is_complete_once_the_reason_is_known() -> None:
    chunks, error = read(encoded([START, BLOCK, HI, FINISH]))
    assert error is None
    answer = fold(chunks)
    assert answer.choices[0].finish_reason == "stop"
    assert answer.usage is not None
    assert (answer.usage.prompt_tokens, answer.usage.completion_tokens) == (3, 2)


def test_no_reason_is_invented() -> None:
    chunks, error = read(encoded([START, BLOCK, HI, END]))
    assert error is None
    assert fold(chunks).choices[0].finish_reason is None


def test_tokens_that_the_beginning_tells_are_no_sum() -> None:
    reader = AnthropicMessages().stream_reader(CONTEXT)
    reader.feed(encoded([START, BLOCK, HI]))
    assert (reader.usage, reader.finish_reason, reader.is_done) == (None, None, False)
    reader.feed(encoded([FINISH, END]))
    assert (reader.finish_reason, reader.is_done) == ("stop", True)
    assert reader.feed(encoded([HI])) == []


def test_usage_comes_only_where_it_was_asked_for() -> None:
    chunks, _ = read(encoded([START, BLOCK, HI, FINISH, END]), context=PLAIN)
    assert all(chunk.choices for chunk in chunks)


@pytest.mark.parametrize(
    ("kind", "cls", "status"),
    [
        ("overloaded_error", ServiceUnavailableError, 529),
        ("rate_limit_error", RateLimitError, 429),
        ("new_error", APIError, 500),
    ],
)
def test_an_error_event_is_kept_after_what_came_before(
    kind: str, cls: type[APIError], status: int
) -> None:
    broken = {"type": "error", "error": {"type": kind, "message": "No more"}}
    chunks, error = read(encoded([START, BLOCK, HI, broken, HI]))
    assert text_of(chunks) == "Hi"
    assert isinstance(error, cls)
    assert error.status_code == status
    assert "No more" in str(error)


def test_an_error_event_may_hold_a_text() -> None:
    _, error = read(encoded([START]), b"event: error\ndata: no JSON at all\n\n")
    assert "no JSON at all" in str(error)


@pytest.mark.parametrize(
    ("frame", "said"),
    [
        (b"data: {\n\n", "not JSON"),
        (b"data: [1]\n\n", "no event"),
        (b'data: {"a": 1}\n\n', "no event"),
        (encoded([HI]), "not what its type says"),
        (encoded([{"type": "content_block_start", "index": 0}]), "not what its type says"),
        (encoded([{"type": "message_start", "message": 7}]), "not what its type says"),
        (
            encoded([BLOCK, {**HI, "delta": {"type": "text_delta", "text": [1]}}]),
            "wrong kind",
        ),
        (
            encoded([{**BLOCK, "content_block": {"type": "tool_use", "id": 7, "name": "f"}}]),
            "wrong kind",
        ),
        (encoded([END]), "an end without a message"),
    ],
)
def test_what_is_no_stream_of_messages_is_malformed(frame: bytes, said: str) -> None:
    _, error = read(frame, encoded([START, FINISH, END]))
    assert isinstance(error, MalformedReplyError)
    assert said in str(error)


def test_events_and_deltas_that_nobody_knows_say_nothing() -> None:
    odd: list[Event] = [
        {"type": "new_event", "x": 1},
        {**HI, "delta": {"type": "new_delta", "x": 1}},
    ]
    chunks, error = read(
        b": a comment\n\ndata: \n\n", encoded([START, BLOCK, *odd, HI, FINISH, END])
    )
    assert error is None
    assert fold(chunks).choices[0].message.content == "Hi"


def test_a_block_may_begin_with_what_it_says() -> None:
    thought = {"type": "thinking", "thinking": "hm", "signature": "s"}
    text = {"type": "text", "text": "Hi"}
    events: list[Event] = [START]
    for index, block in enumerate((thought, text)):
        events.append({"type": "content_block_start", "index": index, "content_block": block})
        events.append({"type": "content_block_stop", "index": index})
    chunks, error = read(encoded([*events, FINISH, END]))
    assert error is None
    message = fold(chunks).choices[0].message
    assert (message["reasoning_content"], message.content) == ("hm", "Hi")
    assert message["thinking_blocks"] == [thought]


def test_what_chat_has_no_place_for_is_kept_at_the_end() -> None:
    search = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {}}
    citation = {"type": "char_location", "cited_text": "x"}
    events: list[Event] = [
        START,
        {"type": "content_block_start", "index": 0, "content_block": search},
        {
            "type": "content_block_delta",
            "index": 0,
            "delta": {"type": "input_json_delta", "partial_json": '{"query":"x"}'},
        },
        {"type": "content_block_stop", "index": 0},
        {**BLOCK, "index": 1},
        {**HI, "index": 1},
        {
            "type": "content_block_delta",
            "index": 1,
            "delta": {"type": "citations_delta", "citation": citation},
        },
        {"type": "content_block_stop", "index": 1},
        FINISH,
        END,
    ]
    chunks, error = read(encoded(events))
    assert error is None
    streamed = fold(chunks).choices[0].message
    content = [
        {**search, "input": {"query": "x"}},
        {"type": "text", "text": "Hi", "citations": [citation]},
    ]
    told = whole({"id": "msg_1", "content": content, "stop_reason": "end_turn"})
    assert streamed == told.choices[0].message
    assert streamed["provider_specific_fields"] == {
        "citations": [[citation]],
        "blocks": [content[0]],
    }


def test_a_host_of_chat_is_not_sent_the_blocks_of_another() -> None:
    said = whole({"id": "m", "content": [
        {"type": "thinking", "thinking": "hm", "signature": "s"},
        {"type": "tool_use", "id": "t", "name": "f", "input": {}},
        {"type": "text", "text": "Hi"},
    ], "stop_reason": "end_turn"}).choices[0].message  # fmt: skip
    assert said["block_order"] == ["thinking", "tool_use", 2]
    tool = {"role": "tool", "tool_call_id": "t", "content": "4"}
    body, left_out = OpenAIChat().build_body(request_for(messages=[said, tool]), target_for())
    assert set(body["messages"][0]) == {"role", "content", "tool_calls"}
    assert left_out == ("messages.thinking",)


def test_an_unknown_usage_is_none() -> None:
    answer = whole({"id": "m", "content": [], "stop_reason": "end_turn"})
    assert (answer.usage, answer.choices[0].message.content) == (None, "")
    assert usage_of(answer.usage)["input_tokens"] == 0


def test_a_call_that_comes_in_two_blocks_is_one_and_a_stray_piece_is_the_open_calls() -> None:
    def begin(index: int) -> Event:
        block = {"type": "tool_use", "id": "a", "name": "f", "input": {}}
        return {"type": "content_block_start", "index": index, "content_block": block}

    def piece(index: int, text: str) -> Event:
        delta = {"type": "input_json_delta", "partial_json": text}
        return {"type": "content_block_delta", "index": index, "delta": delta}

    def end(index: int) -> Event:
        return {"type": "content_block_stop", "index": index}

    start = {"type": "message_start", "message": {"id": "msg_1", "usage": {"input_tokens": 1}}}
    last = {"type": "message_delta", "delta": {"stop_reason": "tool_use"}, "usage": {}}
    both = [begin(0), piece(0, '{"x":1}'), end(0), begin(1), piece(1, '{"x"'), piece(1, ":1}")]
    moved = [begin(0), piece(0, '{"x"'), piece(1, ":1}")]
    for events in ([*both, end(1)], [*moved, end(0)]):
        chunks, error = read(encoded([start, *events, last, {"type": "message_stop"}]))
        assert error is None
        calls = fold(chunks).choices[0].message.tool_calls or []
        assert [(one.id, one.function.arguments) for one in calls] == [("a", '{"x":1}')]


def test_a_block_that_a_whole_message_has_twice_is_one_call() -> None:
    block = {"type": "tool_use", "id": "a", "name": "f", "input": {"x": 1}}
    message = {"id": "msg_1", "content": [block, block], "stop_reason": "tool_use", "usage": {}}
    assert len(whole(message).choices[0].message.tool_calls or []) == 1
