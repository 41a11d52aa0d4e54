"""Whole answers and errors of Bedrock's Converse API."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.converse import answer, read

from puna.errors import (
    APIError,
    APITimeoutError,
    InternalServerError,
    MalformedReplyError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
    ServiceUnavailableError,
)

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
