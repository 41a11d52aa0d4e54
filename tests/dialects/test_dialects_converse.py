from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.contexts import context_for, request_for, target_for
from tests.support.event_stream import encode_event, encode_exception, encode_message

from puna.dialects.base import BuiltRequest, ReadContext
from puna.dialects.bedrock_converse import BedrockConverse
from puna.dialects.quirks import Quirks
from puna.errors import (
    APIError,
    APITimeoutError,
    BadRequestError,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
    StreamInterruptedError,
    UnsupportedParamsError,
)
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.wire.fold import fold
from puna.wire.http import HTTPReply, Timeouts

DIALECT = BedrockConverse()
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "f", "parameters": {"type": "object"}},
}
CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
CALLED: list[dict[str, Any]] = [
    {"role": "user", "content": "a"},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "tool", "tool_call_id": "c1", "content": "b"},
]
JSON = {"content-type": "application/json"}


def build(quirks: Quirks = Quirks(), *, drop_params: bool = False, **fields: Any) -> BuiltRequest:  # noqa: B008 - frozen
    request = replace(request_for(**fields), drop_params=drop_params)
    return DIALECT.build_request(request, target_for(quirks=quirks), Timeouts())


def body_of(**fields: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(build(**fields).http.body)
    return body


def read(body: Any, status: int = 200, **headers: str) -> ChatCompletion:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    reply = HTTPReply(status, {**JSON, **named}, raw)
    if status >= 400:
        raise DIALECT.read_error(reply, context_for())
    return DIALECT.read_reply(reply, context_for())


def answer(*blocks: Any, **fields: Any) -> dict[str, Any]:
    message = {"role": "assistant", "content": list(blocks)}
    return {"output": {"message": message}, "stopReason": "end_turn", **fields}


def stream(
    pieces: Iterable[bytes], context: ReadContext | None = None
) -> tuple[list[ChatCompletionChunk], APIError | None]:
    reader = DIALECT.stream_reader(context or context_for(request=request_for(stream=True)))
    chunks = [chunk for piece in pieces for chunk in reader.feed(piece)]
    return chunks + reader.close(), reader.error


BEGIN = encode_event("messageStart", {"role": "assistant"})
STOP = encode_event("messageStop", {"stopReason": "end_turn"})


def text(said: str, block: int = 0) -> bytes:
    return encode_event("contentBlockDelta", {"contentBlockIndex": block, "delta": {"text": said}})


# Requests


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        (
            [
                {
                    "role": "user",
                    "content": [{"type": "image_url", "image_url": {"url": "https://h/a.png"}}],
                }
            ],
            "messages[0].content[0].image_url.url",
        ),
        (
            [
                {
                    "role": "user",
                    "content": [
                        {"type": "image_url", "image_url": {"url": "data:image/tiff;base64,AAAA"}}
                    ],
                }
            ],
            "messages[0].content[0].image_url.url",
        ),
        (
            [{"role": "user", "content": [{"type": "input_audio", "input_audio": {}}]}],
            "messages[0].content[0]",
        ),
        ([{"role": "function", "name": "f", "content": "x"}], "messages[0].role"),
    ],
)
def test_what_converse_has_no_place_for_is_refused_by_its_path(messages: Any, param: str) -> None:
    with pytest.raises(BadRequestError) as raised:
        build(messages=messages)
    assert raised.value.param == param
    assert param.rpartition(".")[2] in str(raised.value)
    assert (raised.value.provider, raised.value.model) == ("meta_llama", "meta_llama/m")


def test_tools_of_other_kinds_are_refused() -> None:
    with pytest.raises(BadRequestError) as raised:
        build(tools=[{"type": "web_search"}])
    assert raised.value.param == "tools[0]"
    with pytest.raises(BadRequestError) as raised:
        build(tools=[TOOL], tool_choice={"type": "allowed_tools"})
    assert raised.value.param == "tool_choice"


def test_nothing_is_left_out_in_silence() -> None:
    part = {"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}
    strict = {**TOOL, "function": {**TOOL["function"], "strict": True}, "cache_control": {}}
    messages = [
        {"role": "user", "content": [part]},
        {"role": "assistant", "content": "b", "refusal": "no"},
        {"role": "user", "content": "c", "name": "ann"},
    ]
    built = build(messages=messages, tools=[strict], stream_options={"include_usage": True})
    assert set(built.dropped_params) == {
        "messages[].content[].cache_control",
        "messages[].name",
        "messages[].refusal",
        "stream_options",
        "tools[].cache_control",
        "tools[].function.strict",
    }


def test_a_choice_of_no_tool_leaves_the_tools_out_but_for_a_history_with_calls() -> None:
    assert "toolConfig" not in body_of(tools=[TOOL], tool_choice="none")
    with pytest.raises(UnsupportedParamsError) as raised:
        build(tools=[TOOL], tool_choice="none", messages=CALLED)
    assert raised.value.param == "tool_choice"
    built = build(tools=[TOOL], tool_choice="none", messages=CALLED, drop_params=True)
    assert built.dropped_params == ("tool_choice",)
    assert "toolChoice" not in json.loads(built.http.body)["toolConfig"]


def test_a_stream_is_asked_for_as_an_event_stream() -> None:
    built = build(stream=True)
    assert built.http.headers["accept"] == "application/vnd.amazon.eventstream"
    assert built.http.is_stream
    assert build().http.headers["accept"] == "application/json"


def test_a_stream_with_tools_is_asked_for_whole_where_the_host_streams_none() -> None:
    quirks = Quirks(lacks_tool_streaming=True)
    whole = build(quirks, stream=True, tools=[TOOL])
    assert whole.http.url.endswith("/model/m/converse")
    assert whole.http.headers["accept"] == "application/json"
    assert not whole.http.is_stream
    assert build(quirks, stream=True).http.url.endswith("/converse-stream")


@pytest.mark.parametrize("model", ["arn:aws:bedrock:us-east-1:1:inference-profile/p", "a/b?c#d%"])
def test_a_models_name_is_one_part_of_the_path(model: str) -> None:
    target = target_for(model=model)
    built = DIALECT.build_request(request_for(), target, Timeouts())
    path = built.http.url.removeprefix("http://up.test/v1/model/")
    assert path.count("/") == 1
    assert not set(path) & set("?#:")


def test_own_fields_of_converse_pass_and_others_are_for_the_model() -> None:
    body = body_of(top_k=4, requestMetadata={"a": "b"}, additionalModelRequestFields={"c": 1})
    assert body["requestMetadata"] == {"a": "b"}
    assert body["additionalModelRequestFields"] == {"c": 1, "top_k": 4}
    with pytest.raises(BadRequestError) as raised:
        build(top_k=4, additionalModelRequestFields=[1])
    assert raised.value.param == "additionalModelRequestFields"


# Replies


@pytest.mark.parametrize(
    ("reason", "finish"),
    [
        ("end_turn", "stop"),
        ("stop_sequence", "stop"),
        ("max_tokens", "length"),
        ("guardrail_intervened", "content_filter"),
        ("content_filtered", "content_filter"),
        ("model_context_window_exceeded", "length"),
        ("a_new_one", "a_new_one"),
        (None, None),
    ],
)
def test_a_stop_reason_becomes_a_finish_reason(reason: Any, finish: str | None) -> None:
    completion = read(answer({"text": "a"}, stopReason=reason))
    assert completion.choices[0].finish_reason == finish


def test_thoughts_stand_beside_the_text() -> None:
    thought = {"reasoningContent": {"reasoningText": {"text": "hm", "signature": "s"}}}
    message = read(answer(thought, {"text": "a"}, {"reasoningContent": {"redactedContent": "x"}}))
    assert message.choices[0].message["reasoning_content"] == "hm"
    assert message.choices[0].message.content == "a"


def test_a_call_without_an_id_gets_one() -> None:
    completion = read(answer({"toolUse": {"name": "f", "input": {"a": "é"}}}))
    (call,) = completion.choices[0].message.tool_calls or []
    assert call.id == "call_00000000000000000000000000000001_0_0"
    assert call.function.arguments == '{"a": "é"}'
    assert completion.choices[0].finish_reason == "tool_calls"


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"inputTokens": 1, "outputTokens": 2}, [1, 2, 3]),
        ({"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 4}, [5, 2, 7]),
        ({"outputTokens": 2.0}, [0, 2, 2]),
        ({"inputTokens": 1, "outputTokens": 2, "cacheReadInputTokens": 10**30}, None),
        ({}, None),
        (None, None),
        ("many", None),
    ],
)
def test_usage_counts_what_a_cache_held(usage: Any, counts: list[int] | None) -> None:
    told = read(answer({"text": "a"}, usage=usage)).usage
    assert (list(told.model_dump().values())[:3] if told is not None else None) == counts
    if counts == [5, 2, 7]:
        assert told is not None
        assert told.prompt_tokens_details is not None
        assert told.prompt_tokens_details.cached_tokens == 4


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"output": None},
        {"output": {"message": {"content": "text"}}},
        answer("text"),
        answer({"toolUse": {"toolUseId": "a", "name": 5}}),
        b"",
        b"[1]",
        b"{",
    ],
)
def test_a_success_without_a_message_is_malformed(body: Any) -> None:
    with pytest.raises(MalformedReplyError) as raised:
        read(body)
    assert raised.value.provider == "meta_llama"


@pytest.mark.parametrize(
    ("status", "kind", "cls"),
    [
        (403, "AccessDeniedException", PermissionDeniedError),
        (404, "ResourceNotFoundException", NotFoundError),
        (408, "ModelTimeoutException", APITimeoutError),
        (424, "ModelErrorException", InternalServerError),
        (429, "ModelNotReadyException", RateLimitError),
        (503, "ServiceUnavailableException", ServiceUnavailableError),
    ],
)
def test_an_error_has_its_class(status: int, kind: str, cls: type[APIError]) -> None:
    with pytest.raises(APIError) as raised:
        read({"message": "Words"}, status, x_amzn_errortype=f"{kind}:http://x/")
    assert type(raised.value) is cls
    assert raised.value.status_code == status
    assert "Words" in str(raised.value)


def test_a_model_that_failed_may_be_asked_again() -> None:
    with pytest.raises(InternalServerError) as raised:
        read({"message": "Words"}, 424)
    assert raised.value.is_retryable


# Streams


@pytest.mark.parametrize(
    ("kind", "cls"),
    [
        ("throttlingException", RateLimitError),
        ("modelStreamErrorException", InternalServerError),
        ("internalServerException", InternalServerError),
        ("serviceUnavailableException", ServiceUnavailableError),
        ("validationException", BadRequestError),
        ("somethingNew", InternalServerError),
    ],
)
def test_an_exception_in_a_stream_is_its_error_after_what_came_whole(
    kind: str, cls: type[APIError]
) -> None:
    whole = BEGIN + text("Hel") + encode_exception(kind, "Words") + text("never") + STOP
    for pieces in ([whole], [whole[i : i + 1] for i in range(len(whole))]):
        chunks, error = stream(pieces)
        assert type(error) is cls
        assert "Words" in str(error)
        assert fold(chunks).choices[0].message.content == "Hel"
        assert fold(chunks).choices[0].finish_reason is None


def test_a_fault_without_a_shape_says_its_words() -> None:
    headers = {":message-type": "error", ":error-code": "InternalError", ":error-message": "Words"}
    _, error = stream([BEGIN, encode_message(headers, b"")])
    assert type(error) is InternalServerError
    assert "Words" in str(error)


@pytest.mark.parametrize(
    ("pieces", "cls", "says"),
    [
        ([], StreamInterruptedError, "without any content"),
        ([BEGIN], StreamInterruptedError, "before the answer was finished"),
        ([BEGIN, text("a")[:-1]], StreamInterruptedError, "in the middle of a frame"),
        ([BEGIN, encode_event("metadata", {})], StreamInterruptedError, "no `messageStop`"),
        ([BEGIN, text("a")[:-1] + b"\x00"], MalformedReplyError, "checksum"),
        ([BEGIN, encode_event("messageStop", {})], MalformedReplyError, "without a reason"),
        ([encode_message({":event-type": "x"}, b"{")], MalformedReplyError, "broken JSON"),
        ([encode_message({":event-type": "x"}, b"[]")], MalformedReplyError, "no object"),
        (
            [
                encode_event(
                    "contentBlockDelta",
                    {"contentBlockIndex": 0, "delta": {"toolUse": {"input": "{}"}}},
                )
            ],
            MalformedReplyError,
            "did not begin",
        ),
        (
            [
                encode_event(
                    "contentBlockStart",
                    {"contentBlockIndex": 0, "start": {"toolUse": {"toolUseId": "a", "name": 5}}},
                )
            ],
            MalformedReplyError,
            "names no function",
        ),
        (b"data: {}\n\n" * 9, MalformedReplyError, "checksum"),
    ],
)
def test_a_stream_that_is_none_is_an_error(pieces: Any, cls: type[APIError], says: str) -> None:
    _, error = stream([pieces] if isinstance(pieces, bytes) else pieces)
    assert type(error) is cls
    assert says in str(error)


def test_events_that_nobody_knows_pass_by() -> None:
    odd = [
        encode_event("somethingNew", {}),
        encode_event("contentBlockStart", {"contentBlockIndex": 0, "start": {}}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0, "delta": {"new": 1}}),
        encode_event("contentBlockDelta", {"contentBlockIndex": 0}),
        BEGIN,
    ]
    chunks, error = stream([BEGIN, *odd, text("a"), STOP])
    assert error is None
    assert fold(chunks).choices[0].message.content == "a"


def test_nothing_is_read_behind_the_end() -> None:
    chunks, error = stream([BEGIN, text("a"), STOP, encode_event("metadata", {}), text("b")])
    assert error is None
    assert fold(chunks).choices[0].message.content == "a"
    assert chunks[-1].choices[0].finish_reason == "stop"


def test_an_answer_without_any_event_of_a_message_is_empty_and_has_a_role() -> None:
    chunks, error = stream([STOP])
    assert error is None
    (chunk,) = chunks
    assert chunk.choices[0].delta.role == "assistant"
    assert fold(chunks).choices[0].message.content == ""


NAMES = st.text("abcdef_", min_size=1, max_size=8)
BLOCKS = st.lists(
    st.one_of(
        st.builds(lambda said: {"text": said}, st.text(max_size=12)),
        st.builds(
            lambda name, put: {
                "toolUse": {"toolUseId": f"tooluse_{name}", "name": name, "input": put}
            },
            NAMES,
            st.dictionaries(NAMES, st.one_of(st.integers(), st.text(max_size=6)), max_size=3),
        ),
        st.builds(
            lambda said: {"reasoningContent": {"reasoningText": {"text": said}}},
            st.text(min_size=1, max_size=12),
        ),
    ),
    max_size=5,
)


def events_of(body: Mapping[str, Any], size: int) -> bytes:
    """The stream that says the same as a whole reply, in pieces of so many characters."""
    events = [BEGIN]

    def cut(said: str) -> list[str]:
        return [said[i : i + size] for i in range(0, len(said), size)]

    for index, block in enumerate(body["output"]["message"]["content"]):
        deltas: list[dict[str, Any]]
        if "toolUse" in block:
            call = block["toolUse"]
            start = {"toolUse": {"toolUseId": call["toolUseId"], "name": call["name"]}}
            events.append(
                encode_event("contentBlockStart", {"contentBlockIndex": index, "start": start})
            )
            written = json.dumps(call["input"], ensure_ascii=False) if call["input"] else ""
            deltas = [{"toolUse": {"input": piece}} for piece in cut(written)]
        elif "text" in block:
            deltas = [{"text": piece} for piece in cut(block["text"])]
        else:
            said = block["reasoningContent"]["reasoningText"]["text"]
            deltas = [{"reasoningContent": {"text": piece}} for piece in cut(said)]
        events += [
            encode_event("contentBlockDelta", {"contentBlockIndex": index, "delta": delta})
            for delta in deltas
        ]
        events.append(encode_event("contentBlockStop", {"contentBlockIndex": index}))
    events.append(encode_event("messageStop", {"stopReason": body["stopReason"]}))
    events.append(encode_event("metadata", {name: body[name] for name in ("usage", "metrics")}))
    return b"".join(events)


@given(
    blocks=BLOCKS,
    reason=st.sampled_from(["end_turn", "tool_use", "max_tokens", "odd"]),
    size=st.integers(1, 5),
    cuts=st.lists(st.integers(0, 5_000), max_size=8),
)
def test_a_folded_stream_equals_the_whole_answer_however_it_is_cut(
    blocks: list[dict[str, Any]], reason: str, size: int, cuts: list[int]
) -> None:
    usage = {"inputTokens": 3, "outputTokens": 4, "totalTokens": 7}
    body = answer(*blocks, stopReason=reason, usage=usage, metrics={"latencyMs": 9})
    raw = events_of(body, size)
    ends = sorted({0, len(raw), *(cut for cut in cuts if cut < len(raw))})
    pieces = [raw[begin:end] for begin, end in pairwise(ends)]
    request = request_for(stream=True, stream_options={"include_usage": True})
    chunks, error = stream(pieces, context_for(request=request))
    assert error is None
    assert (chunks, error) == stream([raw], context_for(request=request))
    whole = read(body)
    assert fold(chunks).model_dump() == whole.model_dump()
    assert [c.choices[0].finish_reason for c in chunks if c.choices][:-1] == [None] * (
        len(chunks) - 2
    )


def test_a_call_that_a_host_sends_in_two_blocks_is_one_and_a_stray_piece_is_the_open_ones() -> None:
    def begin(block: int, call_id: str) -> bytes:
        start = {"toolUse": {"toolUseId": call_id, "name": "f"}}
        return encode_event("contentBlockStart", {"contentBlockIndex": block, "start": start})

    def piece(block: int, text: str) -> bytes:
        delta = {"toolUse": {"input": text}}
        return encode_event("contentBlockDelta", {"contentBlockIndex": block, "delta": delta})

    stop = encode_event("messageStop", {"stopReason": "tool_use"})
    twice = [begin(0, "a"), piece(0, '{"x":1}'), begin(1, "a"), piece(1, '{"x"'), piece(1, ":1}")]
    moved = [begin(0, "a"), piece(0, '{"x"'), piece(1, ":1}")]
    for frames in (twice, moved):
        chunks, error = stream([*frames, stop], context_for(request=request_for(stream=True)))
        assert error is None
        calls = fold(chunks).choices[0].message.tool_calls or []
        assert [(one.id, one.function.arguments) for one in calls] == [("a", '{"x":1}')]
