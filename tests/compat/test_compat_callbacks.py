"""Listeners: each hears of a call once, with what LiteLLM tells, and cannot break it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import pytest
from tests.support.drop_in import BOTH, FACES, HI, KEY, MODEL, NAME, DropIn, raised_by
from tests.support.upstream import TEXT, Reply, Upstream, text_chunks

import litellm
from litellm.integrations.custom_logger import CustomLogger

SYNC, ASYNC = FACES


class Function:
    """A callback function that keeps what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[dict[str, Any], Any, datetime, datetime]] = []

    def __call__(self, kwargs: dict[str, Any], answer: Any, start: datetime, end: datetime) -> None:
        self.told.append((kwargs, answer, start, end))


class Everything(CustomLogger):
    """Overrides all that is told."""

    def __init__(self) -> None:
        super().__init__("anything", goes=True)
        self.heard: list[str] = []

    def log_pre_api_call(self, model: str, messages: Any, kwargs: dict[str, Any]) -> None:
        assert kwargs["messages"] == messages
        self.heard.append(f"pre {model}")

    def log_post_api_call(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        del kwargs, response_obj, start_time, end_time
        self.heard.append("post")

    def log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        del kwargs, response_obj, start_time, end_time
        self.heard.append("success")

    def log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        del kwargs, response_obj, start_time, end_time
        self.heard.append("failure")

    async def async_log_success_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        del kwargs, response_obj, start_time, end_time
        await asyncio.sleep(0)
        self.heard.append("async success")

    async def async_log_failure_event(
        self, kwargs: dict[str, Any], response_obj: Any, start_time: Any, end_time: Any
    ) -> None:
        del kwargs, response_obj, start_time, end_time
        self.heard.append("async failure")


class Duck:
    """No `CustomLogger`, and one method only, as some frameworks put into `callbacks`."""

    def __init__(self) -> None:
        self.answers: list[Any] = []

    def log_success_event(self, kwargs: Any, answer: Any, start: Any, end: Any) -> None:
        del kwargs, start, end
        self.answers.append(answer)


class _Keeper(logging.Handler):
    def __init__(self, records: list[logging.LogRecord]) -> None:
        super().__init__()
        self._records = records

    def emit(self, record: logging.LogRecord) -> None:
        self._records.append(record)


@contextmanager
def hearing() -> Generator[list[logging.LogRecord]]:
    """The records of LiteLLM's logger."""
    records: list[logging.LogRecord] = []
    handler = _Keeper(records)
    logger = logging.getLogger("LiteLLM")
    logger.addHandler(handler)
    try:
        yield records
    finally:
        logger.removeHandler(handler)


@pytest.mark.case(18, 173)
@BOTH
def test_a_function_hears_of_a_success_once(face: DropIn, upstream: Upstream) -> None:
    hear, started = Function(), list[dict[str, Any]]()
    litellm.success_callback = [hear]
    litellm.callbacks = [hear]
    litellm.input_callback = [started.append]

    answer = face.ask(
        upstream,
        metadata={"a": 1, "tags": ["t"]},
        temperature=0.5,
        user="u",
        litellm_trace_id="trace",
        litellm_call_id="id-1",
    )

    ((kwargs, told, start, end),) = hear.told
    assert told is answer
    assert start <= end
    assert kwargs["model"] == NAME
    assert kwargs["messages"] == kwargs["input"] == HI
    assert kwargs["stream"] is False
    assert kwargs["user"] == "u"
    assert kwargs["optional_params"] == {"temperature": 0.5, "user": "u"}
    assert kwargs["litellm_params"]["metadata"] == {"a": 1, "tags": ["t"]}
    assert kwargs["response_cost"] is None
    assert kwargs["custom_llm_provider"] == "meta_llama"
    assert kwargs["litellm_call_id"] == "id-1"
    assert kwargs["litellm_trace_id"] == "trace"
    assert kwargs["call_type"] == ("completion" if face is SYNC else "acompletion")
    assert "complete_streaming_response" not in kwargs
    record = kwargs["standard_logging_object"]
    assert record["id"] == "cmpl-up-1"
    assert record["status"] == "success"
    assert (record["prompt_tokens"], record["completion_tokens"], record["total_tokens"]) == (
        11,
        4,
        15,
    )
    assert record["response_cost"] is None
    assert record["startTime"] <= record["completionStartTime"] <= record["endTime"]
    assert record["messages"] == HI
    assert record["response"]["choices"][0]["message"]["content"] == TEXT
    assert record["model_parameters"] == {"temperature": 0.5, "user": "u"}
    assert record["metadata"] == {"a": 1, "tags": ["t"]}
    assert record["request_tags"] == ["t"]
    assert record["end_user"] == "u"
    assert record["api_base"] == upstream.url
    assert record["hidden_params"] == answer._hidden_params
    assert record["error_str"] is None
    assert [one["model"] for one in started] == [NAME]
    assert KEY not in repr(kwargs)
    assert "metadata" not in upstream.requests[0].json


@pytest.mark.case(173)
@BOTH
def test_a_function_hears_of_a_failure_once(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.error(429))
    hear, success = Function(), Function()
    litellm.failure_callback = [hear]
    litellm.success_callback = [success]

    error = raised_by(lambda: face.ask(upstream, max_retries=0))

    ((kwargs, told, _, _),) = hear.told
    assert told is None
    assert kwargs["exception"] is error
    assert "RateLimitError" in kwargs["traceback_exception"]
    record = kwargs["standard_logging_object"]
    assert record["status"] == "failure"
    assert record["error_str"] == str(error)
    assert record["error_information"]["error_code"] == "429"
    assert record["error_information"]["error_class"] == "RateLimitError"
    assert record["response"] == {}
    assert success.told == []
    assert KEY not in repr(kwargs)


@pytest.mark.case(173)
@BOTH
def test_a_stream_is_told_at_its_end_with_the_whole_answer(
    face: DropIn, upstream: Upstream
) -> None:
    hear = Function()
    litellm.success_callback = [hear]

    streamed = face.stream(upstream)
    if face is SYNC:
        assert list(streamed.wrapper) == []

    ((kwargs, told, _, _),) = hear.told
    assert told.choices[0].message.content == TEXT
    assert told.choices[0].finish_reason == "stop"
    assert told.usage.total_tokens > 0
    assert told.model == MODEL
    assert kwargs["complete_streaming_response"] is told
    assert kwargs["stream"] is True
    assert kwargs["completion_start_time"] is not None
    assert kwargs["standard_logging_object"]["total_tokens"] == told.usage.total_tokens
    assert told._hidden_params["litellm_call_id"] == kwargs["litellm_call_id"]


@BOTH
def test_a_streams_own_usage_is_told(face: DropIn, upstream: Upstream) -> None:
    hear = Function()
    litellm.success_callback = [hear]

    face.stream(upstream, stream_options={"include_usage": True})

    assert hear.told[0][1].usage.total_tokens == 15


@pytest.mark.case(173)
@BOTH
def test_a_broken_stream_is_told_as_a_failure(face: DropIn, upstream: Upstream) -> None:
    upstream.plays(Reply.sse(*text_chunks()[:3], is_done=False, end="close"))
    hear, success = Function(), Function()
    litellm.failure_callback = [hear]
    litellm.success_callback = [success]

    streamed = face.stream(upstream)

    assert [kwargs["exception"] for kwargs, *_ in hear.told] == [streamed.error]
    assert success.told == []


def test_a_stream_that_is_left_is_told_to_nobody(upstream: Upstream) -> None:
    hear = Function()
    litellm.callbacks = [hear]

    with litellm.completion(MODEL, HI, api_base=upstream.url, stream=True) as stream:
        next(stream)

    assert hear.told == []


@pytest.mark.case(173)
def test_a_logger_hears_by_the_kind_of_the_call(upstream: Upstream) -> None:
    logger = Everything()
    litellm.callbacks = [logger]
    litellm.success_callback = [logger]

    SYNC.ask(upstream)
    assert logger.heard == [f"pre {NAME}", "post", "success"]
    logger.heard.clear()
    ASYNC.ask(upstream)
    assert logger.heard == [f"pre {NAME}", "post", "async success"]
    logger.heard.clear()
    SYNC.stream(upstream)
    ASYNC.stream(upstream)
    assert logger.heard == [f"pre {NAME}", "success", f"pre {NAME}", "async success"]
    logger.heard.clear()
    for face in FACES:
        raised_by(lambda face=face: face.ask(upstream, messages=[]))  # type: ignore[misc]
    assert logger.heard == [f"pre {NAME}", "failure", f"pre {NAME}", "async failure"]


@BOTH
def test_an_object_with_one_method_is_enough(face: DropIn, upstream: Upstream) -> None:
    duck, plain, nothing = Duck(), CustomLogger(), object()
    litellm.callbacks = [duck, plain, nothing]

    answer = face.ask(upstream)
    raised_by(lambda: face.ask(upstream, messages=[]))

    assert duck.answers == [answer]


@pytest.mark.case(173)
@BOTH
def test_a_callback_that_raises_breaks_nothing(face: DropIn, upstream: Upstream) -> None:
    def bad(*args: Any) -> None:
        raise KeyError(len(args))

    async def badly(*args: Any) -> None:
        raise KeyError(len(args))

    hear = Function()
    litellm.callbacks = [bad, badly, hear]
    litellm.input_callback = [bad]

    with hearing() as records:
        answer = face.ask(upstream)
        error = raised_by(lambda: face.ask(upstream, messages=[]))

    assert answer.choices[0].message.content == TEXT
    assert isinstance(error, litellm.BadRequestError)
    assert len(hear.told) == 2
    assert "A callback failed; the call is not affected" in {r.getMessage() for r in records}


@pytest.mark.case(173)
@BOTH
def test_async_functions_are_awaited(face: DropIn, upstream: Upstream) -> None:
    heard: list[Any] = []

    async def hear(kwargs: Any, answer: Any, start: Any, end: Any) -> None:
        del kwargs, start, end
        await asyncio.sleep(0)
        heard.append(answer)

    litellm.success_callback = [hear]

    assert heard == [face.ask(upstream)]


def test_the_async_lists_are_for_async_calls(upstream: Upstream) -> None:
    hear, failed = Function(), Function()
    litellm._async_success_callback = [hear]
    litellm._async_failure_callback = [failed]

    for face in FACES:
        face.ask(upstream)
        raised_by(lambda face=face: face.ask(upstream, messages=[]))  # type: ignore[misc]

    assert [kwargs["call_type"] for kwargs, *_ in hear.told] == ["acompletion"]
    assert len(failed.told) == 1


@BOTH
def test_a_call_can_bring_its_own_callbacks(face: DropIn, upstream: Upstream) -> None:
    mine = Function()

    face.ask(upstream, success_callback=[mine])
    face.ask(upstream)

    assert len(mine.told) == 1


def test_the_name_of_a_service_is_warned_of_once(upstream: Upstream) -> None:
    litellm.success_callback = ["langfuse"]
    litellm.callbacks = ["langfuse"]

    with hearing() as records:
        for _ in range(2):
            litellm.completion(MODEL, HI, api_base=upstream.url)

    (record,) = records
    assert "`langfuse` is not built yet" in record.getMessage()


@BOTH
def test_prompts_and_answers_can_be_kept_from_listeners(face: DropIn, upstream: Upstream) -> None:
    hear = Function()
    litellm.callbacks = [hear]
    litellm.turn_off_message_logging = True

    answer = face.ask(upstream)
    litellm.text_completion("hi", model=MODEL, api_base=upstream.url, api_key=KEY)

    assert answer.choices[0].message.content == TEXT
    assert len(hear.told) == 2
    for kwargs, told, *_ in hear.told:
        assert told is not answer
        text = repr((kwargs, told))
        assert TEXT not in text
        assert "'hi'" not in text
        assert told.usage.total_tokens == 15


@pytest.mark.case(173)
@pytest.mark.parametrize("stream", [True, False])
def test_text_completions_are_told_too(upstream: Upstream, *, stream: bool) -> None:
    hear = Function()
    litellm.callbacks = [hear]
    ask: dict[str, Any] = {"model": MODEL, "api_base": upstream.url, "stream": stream}

    async def aask() -> None:
        answer = await litellm.atext_completion("Once", **ask)
        if stream:
            async for _ in answer:
                pass

    answer = litellm.text_completion("Once", **ask)
    if stream:
        list(answer)
    asyncio.run(aask())

    assert [kwargs["call_type"] for kwargs, *_ in hear.told] == [
        "text_completion",
        "atext_completion",
    ]
    for kwargs, told, *_ in hear.told:
        assert told.choices[0].text == TEXT
        assert told.usage.total_tokens > 0
        assert kwargs["messages"] == "Once"
