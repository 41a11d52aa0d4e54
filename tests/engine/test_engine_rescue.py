"""The rescue of a stream, where hosts and readers differ from what they usually do."""

from __future__ import annotations

import json
from typing import Any

import pytest
from tests.support.contexts import context_for, request_for, target_for
from tests.support.rescue import known, tools_named

from puna.dialects.quirks import Quirks
from puna.engine.rescue import StreamRescue, rescue_failure
from puna.rescue.failed_generation import FailedGeneration
from puna.types.chat import ChatCompletionChunk
from puna.types.common import Usage
from puna.types.report import CallReport
from puna.wire.fold import fold
from puna.wire.http import HTTPReply

CALL = '{"name": "f", "parameters": {}}'
REFUSAL = FailedGeneration(400, "cannot_read", "said")


def chunk(delta: dict[str, Any], finish_reason: str | None = None) -> ChatCompletionChunk:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    return ChatCompletionChunk.model_validate(
        {"id": "chatcmpl-1", "created": 1, "model": "m", "choices": [choice]}
    )


def new() -> tuple[StreamRescue, CallReport]:
    report = CallReport.begin("c", "m", 0.0)
    return StreamRescue(known("f"), "chatcmpl-our-1", report), report


@pytest.mark.parametrize("text", [CALL, f"Well.\n{CALL}", f"{CALL}\nSo.", "Well."])
def test_text_and_finish_may_come_in_one_chunk(text: str) -> None:
    rescue, report = new()
    chunks = [
        *rescue.feed([chunk({"role": "assistant", "content": text}, "stop")]),
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
    assert rescue.feed([chunk({"content": CALL})]) == []
    (last,) = rescue.close()
    assert last.choices[0].delta.tool_calls is not None
    assert last.choices[0].finish_reason is None
    assert rescue.release() == rescue.close() == []
    assert report.rescued_calls == 1


def test_what_comes_with_held_text_goes_on() -> None:
    rescue, _ = new()
    (first,) = rescue.feed([chunk({"role": "assistant", "content": "{", "reasoning": "hm"})])
    assert first.choices[0].delta.to_dict() == {"role": "assistant", "reasoning": "hm"}
    (second,) = rescue.feed([chunk({"function_call": {"name": "f", "arguments": ""}})])[:1]
    assert second.choices[0].delta.content == "{"


def rescued(*texts: str, **fields: Any) -> list[ChatCompletionChunk]:
    """The chunks of a stream in which these texts come, and their envelope says more."""
    rescue, _ = new()
    given = [chunk({"content": text}) for text in texts] + [chunk({}, "stop")]
    told = [one.model_copy(update=fields) for one in given]
    return [*rescue.feed(told), *rescue.close()]


def test_texts_around_a_call_come_once_and_in_their_order() -> None:
    chunks = rescued(CALL[:9], CALL[9:], "\nThree.", " Four.")
    said = [c.delta.content for made in chunks for c in made.choices if c.delta.content]
    assert "".join(said) == "\nThree. Four."
    calls = [c.delta.tool_calls for made in chunks for c in made.choices if c.delta.tool_calls]
    assert [[one.index for one in each] for each in calls] == [[0]]
    # In the middle of a text it is an example, and no call.
    whole = ("One. ", "Two.\n", CALL[:9], CALL[9:], "\nThree.", " Four.")
    message = fold(rescued(*whole)).choices[0].message
    assert (message.content, message.tool_calls) == ("".join(whole), None)


def test_two_texts_that_were_held_back_in_vain_come_as_they_were() -> None:
    chunks = rescued("{", '"name"', ": 1", "} and more")
    assert fold(chunks).choices[0].message.content == '{"name": 1} and more'
    assert fold(chunks).choices[0].finish_reason == "stop"


@pytest.mark.parametrize("texts", [(CALL,), ("Well. ", CALL), (f"Well.\n{CALL}",), ("Well.",)])
def test_what_the_envelope_says_stays_on_every_chunk_under_rescue(texts: tuple[str, ...]) -> None:
    usage = Usage(prompt_tokens=3, completion_tokens=4, total_tokens=7)
    chunks = rescued(*texts, system_fingerprint="fp", service_tier="flex", usage=usage)
    for made in chunks:
        assert made.system_fingerprint == "fp"
        assert (made.model_extra or {})["service_tier"] == "flex"
        assert made.usage == usage
    answer = fold(chunks)
    assert answer.usage == usage
    assert answer.system_fingerprint == "fp"


def refusal(text: Any) -> bytes:
    return json.dumps({"error": {"code": "cannot_read", "said": text}}).encode()


def refused(reply: HTTPReply, told: FailedGeneration | None = REFUSAL) -> int:
    """How many calls are rescued of an error, where the host's errors look like this."""
    report = CallReport.begin("c", "m", 0.0)
    target = target_for(quirks=Quirks(failed_generation=told))
    context = context_for(target=target, request=request_for(tools=tools_named("f")))
    answer = rescue_failure(reply, context, report)
    assert (answer is not None) is bool(report.rescued_calls)
    return report.rescued_calls


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"error": {"code": "cannot_read"}}'])
def test_another_refusal_holds_no_answer(body: bytes) -> None:
    assert refused(HTTPReply(400, {}, body)) == 0


def test_a_row_says_where_refused_calls_are() -> None:
    body = refusal(CALL)
    assert refused(HTTPReply(400, {}, body)) == 1
    assert refused(HTTPReply(422, {}, body)) == 0
    assert refused(HTTPReply(400, {}, refusal("no call"))) == 0
    assert refused(HTTPReply(400, {}, body), FailedGeneration(400, "other", "said")) == 0
    assert refused(HTTPReply(400, {}, body), FailedGeneration(400, "cannot_read", "text")) == 0
    assert refused(HTTPReply(400, {}, body), None) == 0
