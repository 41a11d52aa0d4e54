"""Streams: chunks, their ends, and what breaks them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from typing import Any

import pytest
from tests.support.drop_in import BOTH, HI, KEY, MODEL, DropIn, raised_by
from tests.support.upstream import TEXT, Reply, Upstream, chunk, text_chunks, usage_chunk

import litellm
from litellm.types.utils import Delta, ModelResponseStream, StreamingChoices, TextCompletionResponse
from litellm.utils import CustomStreamWrapper

TOOLS = [{"type": "function", "function": {"name": "get_weather", "parameters": {}}}]


@pytest.mark.case(41, 44, 45, 46, 64)
@BOTH
def test_chunks_say_one_thing_of_the_answer_and_end_once(face: DropIn, upstream: Upstream) -> None:
    streamed = face.stream(upstream)

    chunks = streamed.chunks
    assert streamed.error is None
    assert streamed.text == TEXT
    assert all(isinstance(one, ModelResponseStream) for one in chunks)
    assert {(one.id, one.model, one.created) for one in chunks} == {
        ("cmpl-up-1", MODEL, 1747000000)
    }
    assert {one.object for one in chunks} == {"chat.completion.chunk"}
    assert [one.choices[0].delta.role for one in chunks] == ["assistant"] + [None] * (
        len(chunks) - 1
    )
    assert streamed.finish_reasons == [None] * (len(chunks) - 1) + ["stop"]
    assert face.ask(upstream).model == chunks[0].model
    for one in chunks:
        assert hasattr(one.choices[0], "delta")
        assert not hasattr(one, "usage")
        assert one._hidden_params["custom_llm_provider"] == "meta_llama"


@pytest.mark.case(41)
def test_a_chunk_prints_as_litellm_prints_it(upstream: Upstream) -> None:
    first = next(litellm.completion(MODEL, HI, api_base=upstream.url, stream=True))

    assert str(first) == repr(first)
    assert repr(first) == (
        "ModelResponseStream(id='cmpl-up-1', created=1747000000, "
        "model='meta_llama/Llama-3.3-8B-Instruct', object='chat.completion.chunk', "
        "system_fingerprint='fp_x', choices=[StreamingChoices(finish_reason=None, index=0, "
        "delta=Delta(provider_specific_fields=None, content='', role='assistant', "
        "function_call=None, tool_calls=None, audio=None), logprobs=None)], "
        "provider_specific_fields=None, citations=None)"
    )


@pytest.mark.case(47)
@BOTH
def test_usage_that_was_asked_for_is_the_last_chunk_with_one_empty_choice(
    face: DropIn, upstream: Upstream
) -> None:
    streamed = face.stream(upstream, stream_options={"include_usage": True})

    last = streamed.chunks[-1]
    assert last.usage is not None
    assert last.usage.total_tokens == 15
    (choice,) = last.choices
    assert choice.delta.content is None
    assert choice.finish_reason is None
    assert streamed.finish_reasons[-2:] == ["stop", None]
    assert [hasattr(one, "usage") for one in streamed.chunks].count(True) == 1
    assert upstream.requests[0].json["stream_options"] == {"include_usage": True}


@pytest.mark.case(48)
@BOTH
def test_usage_that_nobody_asked_for_makes_no_chunk(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks(), usage_chunk()))

    streamed = face.stream(upstream)

    assert not any(hasattr(one, "usage") for one in streamed.chunks)
    assert all(len(one.choices) == 1 for one in streamed.chunks)


@pytest.mark.case(42)
def test_chunks_arrive_as_they_are_made(upstream: Upstream) -> None:
    upstream.plays(Reply.endless())

    stream = litellm.completion(MODEL, HI, api_base=upstream.url, stream=True)

    assert next(stream).choices[0].delta.content == "on and "
    stream.close()
    assert upstream.sees(lambda: upstream.disconnects == 1)


@pytest.mark.case(43)
def test_the_first_chunk_waits_for_no_tokenizer(upstream: Upstream) -> None:
    program = (
        "import sys, litellm\n"
        "model, url = sys.argv[1:]\n"
        "hi = [{'role': 'user', 'content': 'hi'}]\n"
        "next(litellm.completion(model, hi, api_base=url, api_key='k', stream=True))\n"
        "assert 'tiktoken' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program, MODEL, upstream.url], check=True)


@pytest.mark.case(57)
def test_a_stream_that_is_left_closes_its_connection(upstream: Upstream) -> None:
    upstream.plays_always(Reply.endless())

    with litellm.completion(MODEL, HI, api_base=upstream.url, stream=True) as stream:
        next(stream)
    assert upstream.sees(lambda: upstream.disconnects == 1)
    next(litellm.completion(MODEL, HI, api_base=upstream.url, stream=True))
    assert upstream.sees(lambda: upstream.disconnects == 2)

    async def leave() -> None:
        stream = await litellm.acompletion(MODEL, HI, api_base=upstream.url, stream=True)
        async with stream:
            await anext(stream)

    asyncio.run(leave())
    assert upstream.sees(lambda: upstream.disconnects == 3)


@pytest.mark.case(51)
@BOTH
def test_a_cut_stream_is_a_connection_error_after_its_good_chunks(
    face: DropIn, upstream: Upstream
) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="reset"))

    streamed = face.stream(upstream)

    error = streamed.error
    assert isinstance(error, litellm.APIConnectionError)
    assert isinstance(error, litellm.MidStreamFallbackError)
    assert isinstance(error, litellm.ServiceUnavailableError)
    assert error.generated_content == streamed.text == "Hello"
    assert error.original_exception is error.__cause__
    assert error.message.startswith("litellm.MidStreamFallbackError: ")
    assert error.is_pre_first_chunk is False


@pytest.mark.case(49)
@BOTH
def test_a_stream_that_ends_too_early_is_an_error(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))

    streamed = face.stream(upstream)

    assert isinstance(streamed.error, litellm.APIConnectionError)
    assert streamed.finish_reasons == [None] * 3


@pytest.mark.case(52)
@BOTH
def test_an_error_frame_is_an_error_with_the_hosts_text(face: DropIn, upstream: Upstream) -> None:
    frame = {"error": {"message": "the GPU is on fire", "code": 503}}
    upstream.plays(Reply.sse(chunk({"content": "a"}), frame))

    streamed = face.stream(upstream)

    assert streamed.text == "a"
    assert isinstance(streamed.error, litellm.ServiceUnavailableError)
    assert "the GPU is on fire" in str(streamed.error)


@pytest.mark.case(61)
@BOTH
def test_an_error_status_is_raised_before_any_chunk(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.error(401))

    error = raised_by(lambda: face.stream(upstream))

    assert isinstance(error, litellm.AuthenticationError)


@pytest.mark.case(63)
def test_an_exhausted_stream_stays_at_its_end(upstream: Upstream) -> None:
    stream = litellm.completion(MODEL, HI, api_base=upstream.url, stream=True)

    assert len(list(stream)) == 6
    assert list(stream) == []


@pytest.mark.case(70)
@BOTH
def test_a_streamed_tool_call_comes_in_pieces(face: DropIn, upstream: Upstream) -> None:
    streamed = face.stream(upstream, tools=TOOLS)

    pieces = [call for one in streamed.chunks for call in one.choices[0].delta.tool_calls or ()]
    assert pieces[0].id == "call_1"
    assert pieces[0].function.name == "get_weather"
    assert {piece.type for piece in pieces} == {"function"}
    assert "".join(p.function.arguments for p in pieces) == '{"location":"San Francisco, CA"}'
    assert streamed.finish_reasons[-1] == "tool_calls"


@BOTH
def test_old_function_calls_and_refusals_come_in_pieces(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(
        Reply.sse(
            chunk({"role": "assistant", "refusal": "no"}),
            chunk({"function_call": {"name": "f", "arguments": "{}"}}),
            chunk({}, "stop"),
        )
    )

    first, second, _ = face.stream(upstream).chunks

    assert first.choices[0].delta.provider_specific_fields == {"refusal": "no"}
    assert second.choices[0].delta.function_call is not None
    assert second.choices[0].delta.function_call.name == "f"


@BOTH
def test_the_wrapper_tells_what_it_has_seen(face: DropIn, upstream: Upstream) -> None:
    streamed = face.stream(upstream)

    wrapper = streamed.wrapper
    assert isinstance(wrapper, CustomStreamWrapper)
    assert isinstance(wrapper, litellm.CustomStreamWrapper)
    assert wrapper.chunks == streamed.chunks
    assert wrapper.response_uptil_now == TEXT
    assert wrapper.received_finish_reason == "stop"
    assert wrapper.model == MODEL
    assert wrapper.custom_llm_provider == "meta_llama"
    assert wrapper._hidden_params["response_cost"] is None
    assert wrapper._hidden_params["_response_ms"] > 0
    assert wrapper._response_headers is not None
    assert wrapper._response_headers["x-request-id"] == "req_up_1"


def test_a_wrapper_can_hold_chunks_of_ones_own() -> None:
    mine = [ModelResponseStream(choices=[StreamingChoices(delta=Delta(content="x"))])]

    wrapper = CustomStreamWrapper(iter(mine), "m")

    assert list(wrapper) == mine
    wrapper.close()
    asyncio.run(wrapper.aclose())

    def broken() -> Any:
        yield mine[0]
        raise KeyError("mine")

    with pytest.raises(KeyError):
        list(CustomStreamWrapper(broken(), "m"))

    async def broken_later() -> Any:
        yield mine[0]
        raise KeyError("mine")

    async def read() -> None:
        async for _ in CustomStreamWrapper(broken_later(), "m"):
            pass

    with pytest.raises(KeyError):
        asyncio.run(read())


def test_chunks_take_attributes_of_the_caller(upstream: Upstream) -> None:
    one: Any = next(litellm.completion(MODEL, HI, api_base=upstream.url, stream=True))

    one.predict_id = 7

    assert one.predict_id == 7
    assert one["choices"][0]["delta"]["content"] == ""


@pytest.mark.case(60)
@BOTH
def test_chunks_can_be_built_into_the_answer(face: DropIn, upstream: Upstream) -> None:
    chunks = face.stream(upstream).chunks
    for one in chunks:
        one.predict_id = 7  # type: ignore[attr-defined]

    built = litellm.stream_chunk_builder(chunks, messages=HI)

    assert isinstance(built, litellm.ModelResponse)
    assert built.choices[0].message.content == TEXT
    assert built.choices[0].finish_reason == "stop"
    assert built.usage is not None
    assert built.usage.prompt_tokens > 0
    assert built.usage.completion_tokens > 0
    assert built.model == MODEL
    assert built.id == "cmpl-up-1"
    assert built._hidden_params["custom_llm_provider"] == "meta_llama"
    assert "predict_id" not in built


@pytest.mark.case(60)
def test_chunks_with_usage_or_tools_are_built_too(upstream: Upstream) -> None:
    ask: dict[str, Any] = {"api_base": upstream.url, "stream": True, "api_key": KEY}
    options = {"include_usage": True}
    chunks = list(litellm.completion(MODEL, HI, tools=TOOLS, stream_options=options, **ask))

    built = litellm.stream_chunk_builder([one.model_dump() for one in chunks])

    assert isinstance(built, litellm.ModelResponse)
    assert built.usage is not None
    assert built.usage.total_tokens == 15
    assert built.choices[0].finish_reason == "tool_calls"
    assert built.choices[0].message.content is None
    calls = built.choices[0].message.tool_calls or []
    assert len(calls) == 1
    assert calls[0].function.arguments == '{"location":"San Francisco, CA"}'
    counted = litellm.stream_chunk_builder(chunks[:-1])
    assert isinstance(counted, litellm.ModelResponse)
    assert counted.usage is not None
    assert counted.usage.prompt_tokens == 0
    assert counted.usage.completion_tokens > 0
    assert litellm.stream_chunk_builder([]) is None


@pytest.mark.case(60, 86)
def test_text_chunks_are_built_into_a_text_completion() -> None:
    chunks = list(
        litellm.text_completion(
            ["a", "b"],
            model=MODEL,
            mock_response="hello",
            stream=True,
            stream_options={"include_usage": True},
        )
    )

    built = litellm.stream_chunk_builder(chunks)

    assert isinstance(built, TextCompletionResponse)
    assert [choice.text for choice in built.choices] == ["hello", "hello"]
    assert [choice.finish_reason for choice in built.choices] == ["stop", "stop"]
    assert built.usage.total_tokens == 60
