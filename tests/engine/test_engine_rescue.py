"""The rescue of a stream, where hosts and readers differ from what they usually do."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.contexts import context_for, request_for
from tests.support.rescue import known, tools_named

from puna.engine.rescue import StreamRescue, rescue_failure
from puna.types.chat import ChatCompletionChunk
from puna.types.report import CallReport
from puna.wire.fold import fold
from puna.wire.http import HTTPReply

CALL = '{"name": "f", "parameters": {}}'


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "chatcmpl-1", "created": 1, "model": "m", "choices": [choice]}
    )


def new() -> tuple[StreamRescue, CallReport]:
    report = CallReport.begin("c", "m", 0.0)
    return StreamRescue(known("f"), report), report


@pytest.mark.parametrize("text", [CALL, f"Well.\n{CALL}", f"{CALL}\nSo.", "Well."])
def test_text_and_finish_may_come_in_one_chunk(text: str) -> None:
    rescue, report = new()
    chunks = [
        *rescue.take([chunk({"role": "assistant", "content": text}, "stop")]),
        *rescue.close(),
    ]
    answer = fold(chunks)
    calls = answer.choices[0].message.tool_calls or []
    assert len(calls) == report.rescued_calls == (1 if "{" in text else 0)
    assert (answer.choices[0].message.content or "") == text.replace(CALL, "")
    expected = "tool_calls" if calls else "stop"
    assert answer.choices[0].finish_reason == rescue.finish_reason("stop") == expected
    assert [bool(one.choices[0].finish_reason) for one in chunks] == [False] * (len(chunks) - 1) + [
        True
    ]


def test_a_stream_without_chunks_ends() -> None:
    rescue, _ = new()
    assert rescue.close() == []
    assert rescue.release() == []
    assert rescue.finish_reason("stop") == "stop"


def test_an_end_without_finish_gives_what_was_held_back() -> None:
    rescue, report = new()
    assert rescue.take([chunk({"content": CALL})]) == []
    (last,) = rescue.close()
    assert last.choices[0].delta.tool_calls is not None
    assert last.choices[0].finish_reason is None
    assert rescue.release() == rescue.close() == []
    assert report.rescued_calls == 1


def test_what_comes_with_held_text_goes_on() -> None:
    rescue, _ = new()
    (first,) = rescue.take([chunk({"role": "assistant", "content": "{", "reasoning": "hm"})])
    assert first.choices[0].delta.to_dict() == {"role": "assistant", "reasoning": "hm"}
    (second,) = rescue.take([chunk({"function_call": {"name": "f", "arguments": ""}})])[:1]
    assert second.choices[0].delta.content == "{"


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": {"code": "tool_use_failed"}}'])
def test_another_refusal_holds_no_answer(body: bytes) -> None:
    report = CallReport.begin("c", "m", 0.0)
    context = context_for(request=request_for(tools=tools_named("f")))
    assert rescue_failure(HTTPReply(400, {}, body), context, report) is None
    assert report.rescued_calls == 0
