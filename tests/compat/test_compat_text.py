"""Text completions: the host sees chat calls only."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.support.drop_in import KEY, MODEL, NAME, raised_by
from tests.support.upstream import PIECES, TEXT, Reply, Upstream, text_chunks

import litellm
from litellm.utils import TextCompletionStreamWrapper


def _ask(*, is_async: bool, **keywords: Any) -> Any:
    """Either function, a stream as a list."""
    if not is_async:
        answer = litellm.text_completion(**keywords)
        return list(answer) if keywords.get("stream") else answer

    async def ask() -> Any:
        answer = await litellm.atext_completion(**keywords)
        return [chunk async for chunk in answer] if keywords.get("stream") else answer

    return asyncio.run(ask())


BOTH = pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])


@pytest.mark.case(85, 91)
@BOTH
def test_a_prompt_is_continued(upstream: Upstream, *, is_async: bool) -> None:
    answer = _ask(
        is_async=is_async, prompt="Once", model=MODEL, api_base=upstream.url, api_key=KEY, user="u"
    )

    (sent,) = upstream.requests
    assert sent.path.endswith("/chat/completions")
    assert sent.json == {
        "model": NAME,
        "messages": [{"role": "user", "content": "Once"}],
        "user": "u",
    }
    assert answer.choices[0].text == answer["choices"][0]["text"] == TEXT
    assert answer.object == "text_completion"
    assert answer.model == MODEL
    assert answer.usage.total_tokens == 15
    assert answer._hidden_params["custom_llm_provider"] == "meta_llama"
    assert answer._response_ms > 0
    assert answer._response_headers["x-request-id"] == "req_up_1"


@pytest.mark.case(87)
@BOTH
def test_a_list_of_prompts_gives_choices_in_order(upstream: Upstream, *, is_async: bool) -> None:
    answer = _ask(is_async=is_async, prompt=["a", "b"], model=MODEL, api_base=upstream.url)

    assert [choice.index for choice in answer.choices] == [0, 1]
    assert answer.usage.total_tokens == 30


@pytest.mark.case(86)
@BOTH
def test_a_stream_has_text_and_an_end(upstream: Upstream, *, is_async: bool) -> None:
    chunks = _ask(is_async=is_async, prompt="Once", model=MODEL, api_base=upstream.url, stream=True)

    assert "".join(chunk.choices[0].text or "" for chunk in chunks) == "".join(PIECES)
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert {type(chunk) for chunk in chunks} == {litellm.TextCompletionResponse}
    assert len({(chunk.id, chunk.model, chunk.created) for chunk in chunks}) == 1


def test_the_stream_of_a_mock_keeps_no_headers() -> None:
    stream = litellm.text_completion("Once", model=MODEL, mock_response="hello", stream=True)

    assert isinstance(stream, TextCompletionStreamWrapper)
    assert "".join(chunk.choices[0].text or "" for chunk in stream) == "hello"
    assert stream.response_uptil_now == "hello"
    assert stream._response_headers is None


@pytest.mark.case(88)
@BOTH
def test_token_ids_are_refused(upstream: Upstream, *, is_async: bool) -> None:
    error = raised_by(
        lambda: _ask(is_async=is_async, prompt=[1, 2], model=MODEL, api_base=upstream.url)
    )

    assert isinstance(error, litellm.BadRequestError)
    assert not upstream.requests


@BOTH
def test_a_broken_stream_of_text_is_litellms_exception(
    upstream: Upstream, *, is_async: bool
) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))

    error = raised_by(
        lambda: _ask(
            is_async=is_async, prompt="Once", model=MODEL, api_base=upstream.url, stream=True
        )
    )

    assert isinstance(error, litellm.APIConnectionError)
