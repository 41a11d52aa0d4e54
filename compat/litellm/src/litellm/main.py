"""`completion` and its siblings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal, NoReturn, cast, overload

from litellm.answers import answer_of, hidden_params_of, puna_chunk_of, text_answer_of
from litellm.calls import PreparedCall, async_client_of, client_of, prepare_call
from litellm.error_translation import litellm_exception_of
from litellm.litellm_core_utils.streaming_handler import (
    CustomStreamWrapper,
    TextCompletionStreamWrapper,
    fold_text,
)
from litellm.types.utils import (
    Choices,
    Delta,
    Message,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
    TextCompletionResponse,
    Usage,
)
from puna.api.models import token_counter as count_tokens
from puna.engine.streams import AsyncStream, Stream
from puna.types.chat import ChatCompletion, ChatCompletionChunk
from puna.types.completions import TextCompletion
from puna.wire.fold import fold


@overload
def completion(
    model: str, messages: Sequence[Any] = ..., *, stream: Literal[True], **kwargs: Any
) -> CustomStreamWrapper: ...
@overload
def completion(
    model: str,
    messages: Sequence[Any] = ...,
    *,
    stream: Literal[False] | None = None,
    **kwargs: Any,
) -> ModelResponse: ...
@overload
def completion(
    model: str, messages: Sequence[Any] = ..., *, stream: bool | None = None, **kwargs: Any
) -> ModelResponse | CustomStreamWrapper: ...
def completion(
    model: str, messages: Sequence[Any] = (), **kwargs: Any
) -> ModelResponse | CustomStreamWrapper:
    """Ask a model: `provider/model`, messages as in the OpenAI API, and LiteLLM's keywords.

    OpenAI's parameters and unknown keywords go to the host; LiteLLM's own are read or swallowed
    here (`litellm.calls`). The module's globals, such as `litellm.drop_params`, are read at every
    call. `client=` takes a `puna.Client`; any other object there is ignored.

    Returns:
        The answer, or with `stream=True` an iterator of chunks. With
        `stream_options={"include_usage": True}` the last chunk carries `usage` and one choice with
        an empty delta, as in LiteLLM.

    Raises:
        litellm.exceptions: also catchable as the `openai` package's classes when it is loaded.
    """
    call = prepare_call("completion", model, messages, kwargs, is_async=False)
    call.record.begin()
    if call.ready_answer is not None:
        ready = call.ready_answer
        call.record.succeed(ready, ready._hidden_params)  # noqa: SLF001 - LiteLLM's public name
        return ready
    try:
        answer = client_of(call).completion(
            call.model, messages, stream=call.stream, **call.keywords
        )
    except Exception as error:  # noqa: BLE001 - it is raised again, under LiteLLM's name
        _raise_translated(call, error)
    if isinstance(answer, Stream):
        return _stream_of(call, answer)
    whole = _whole_of(call, answer)
    call.record.succeed(whole, whole._hidden_params)  # noqa: SLF001 - LiteLLM's public name
    return whole


@overload
async def acompletion(
    model: str, messages: Sequence[Any] = ..., *, stream: Literal[True], **kwargs: Any
) -> CustomStreamWrapper: ...
@overload
async def acompletion(
    model: str,
    messages: Sequence[Any] = ...,
    *,
    stream: Literal[False] | None = None,
    **kwargs: Any,
) -> ModelResponse: ...
@overload
async def acompletion(
    model: str, messages: Sequence[Any] = ..., *, stream: bool | None = None, **kwargs: Any
) -> ModelResponse | CustomStreamWrapper: ...
async def acompletion(
    model: str, messages: Sequence[Any] = (), **kwargs: Any
) -> ModelResponse | CustomStreamWrapper:
    """`completion` for asyncio; a stream is iterated with `async for`."""
    call = prepare_call("acompletion", model, messages, kwargs, is_async=True)
    call.record.begin()
    if call.ready_answer is not None:
        ready = call.ready_answer
        await call.record.asucceed(ready, ready._hidden_params)  # noqa: SLF001 - LiteLLM's name
        return ready
    try:
        answer = await async_client_of(call).completion(
            call.model, messages, stream=call.stream, **call.keywords
        )
    except Exception as error:  # noqa: BLE001 - it is raised again, under LiteLLM's name
        await _araise_translated(call, error)
    if isinstance(answer, AsyncStream):
        return _stream_of(call, answer)
    whole = _whole_of(call, answer)
    await call.record.asucceed(whole, whole._hidden_params)  # noqa: SLF001 - LiteLLM's public name
    return whole


@overload
def text_completion(
    prompt: Any, model: str | None = None, *, stream: Literal[True], **kwargs: Any
) -> TextCompletionStreamWrapper: ...
@overload
def text_completion(
    prompt: Any,
    model: str | None = None,
    *,
    stream: Literal[False] | None = None,
    **kwargs: Any,
) -> TextCompletionResponse: ...
@overload
def text_completion(
    prompt: Any, model: str | None = None, *, stream: bool | None = None, **kwargs: Any
) -> TextCompletionResponse | TextCompletionStreamWrapper: ...
def text_completion(
    prompt: Any, model: str | None = None, **kwargs: Any
) -> TextCompletionResponse | TextCompletionStreamWrapper:
    """Continue a text, or each of a list of texts. The host sees chat calls only."""
    call = prepare_call("text_completion", model, prompt, kwargs, is_async=False)
    call.record.begin()
    try:
        answer = client_of(call).text_completion(
            call.model, prompt, stream=call.stream, **call.keywords
        )
    except Exception as error:  # noqa: BLE001 - it is raised again, under LiteLLM's name
        _raise_translated(call, error)
    if isinstance(answer, Stream):
        return _text_stream_of(call, answer)
    whole = _whole_text_of(call, answer)
    call.record.succeed(whole, whole._hidden_params)  # noqa: SLF001 - LiteLLM's public name
    return whole


@overload
async def atext_completion(
    prompt: Any, model: str | None = None, *, stream: Literal[True], **kwargs: Any
) -> TextCompletionStreamWrapper: ...
@overload
async def atext_completion(
    prompt: Any,
    model: str | None = None,
    *,
    stream: Literal[False] | None = None,
    **kwargs: Any,
) -> TextCompletionResponse: ...
@overload
async def atext_completion(
    prompt: Any, model: str | None = None, *, stream: bool | None = None, **kwargs: Any
) -> TextCompletionResponse | TextCompletionStreamWrapper: ...
async def atext_completion(
    prompt: Any, model: str | None = None, **kwargs: Any
) -> TextCompletionResponse | TextCompletionStreamWrapper:
    """`text_completion` for asyncio."""
    call = prepare_call("atext_completion", model, prompt, kwargs, is_async=True)
    call.record.begin()
    try:
        answer = await async_client_of(call).text_completion(
            call.model, prompt, stream=call.stream, **call.keywords
        )
    except Exception as error:  # noqa: BLE001 - it is raised again, under LiteLLM's name
        await _araise_translated(call, error)
    if isinstance(answer, AsyncStream):
        return _text_stream_of(call, answer)
    whole = _whole_text_of(call, answer)
    await call.record.asucceed(whole, whole._hidden_params)  # noqa: SLF001 - LiteLLM's public name
    return whole


def stream_chunk_builder(
    chunks: Sequence[Any],
    messages: Sequence[Mapping[str, Any]] | None = None,
    **kwargs: Any,
) -> ModelResponse | TextCompletionResponse | None:
    """The chunks of a stream as the whole answer; None for no chunks.

    `usage` is the stream's own where it came, else counted here: the prompt from `messages`. The
    other keywords of LiteLLM's function are taken and not needed.
    """
    del kwargs
    if not chunks:
        return None
    if isinstance(chunks[0], TextCompletionResponse):
        return fold_text(list(cast("Sequence[TextCompletionResponse]", chunks)))
    answer = answer_of(fold(puna_chunk_of(chunk) for chunk in chunks))
    if not hasattr(answer, "usage"):
        answer.usage = _count_usage(answer, messages)
    first = chunks[0]
    if isinstance(first, ModelResponseStream):
        answer.note_call(dict(first._hidden_params), None)  # noqa: SLF001 - LiteLLM's public name
    return answer


def _count_usage(answer: ModelResponse, messages: Sequence[Mapping[str, Any]] | None) -> Usage:
    name = answer.model or ""
    prompt = count_tokens(name, messages=messages) if messages else 0
    said: list[str] = []
    for choice in answer.choices:
        said.append(choice.message.content or "")
        said += (call.function.arguments for call in choice.message.tool_calls or ())
    completion_tokens = count_tokens(name, said)
    return Usage(
        prompt_tokens=prompt,
        completion_tokens=completion_tokens,
        total_tokens=prompt + completion_tokens,
    )


def _translated(call: PreparedCall, error: Exception) -> Exception:
    record = call.record
    return litellm_exception_of(error, model=record.model, provider=record.provider)


def _raise_translated(call: PreparedCall, error: Exception) -> NoReturn:
    raised = _translated(call, error)
    call.record.fail(raised)
    if raised is error:
        raise error
    raise raised from error


async def _araise_translated(call: PreparedCall, error: Exception) -> NoReturn:
    raised = _translated(call, error)
    await call.record.afail(raised)
    if raised is error:
        raise error
    raise raised from error


def _whole_of(call: PreparedCall, completion: ChatCompletion) -> ModelResponse:
    answer = answer_of(completion)
    _note_call(call, answer, completion)
    return answer


def _whole_text_of(call: PreparedCall, completion: TextCompletion) -> TextCompletionResponse:
    answer = text_answer_of(completion)
    _note_call(call, answer, completion)
    return answer


def _note_call(
    call: PreparedCall,
    answer: ModelResponse | TextCompletionResponse,
    completion: ChatCompletion | TextCompletion,
) -> None:
    report = completion.report
    if report is not None:
        hidden = hidden_params_of(report, call_id=call.record.call_id, is_mock=call.is_mock)
        answer.note_call(hidden, None if call.is_mock else dict(report.headers))


def _stream_of(
    call: PreparedCall, stream: Stream[ChatCompletionChunk] | AsyncStream[ChatCompletionChunk]
) -> CustomStreamWrapper:
    wrapper = CustomStreamWrapper(
        stream,
        call.model,
        call.record,
        call.record.provider,
        call.keywords.get("stream_options"),
    )
    return wrapper.without_headers() if call.is_mock else wrapper


def _text_stream_of(
    call: PreparedCall, stream: Stream[TextCompletion] | AsyncStream[TextCompletion]
) -> TextCompletionStreamWrapper:
    wrapper = TextCompletionStreamWrapper(
        stream,
        call.model,
        call.record,
        call.record.provider,
        call.keywords.get("stream_options"),
    )
    return wrapper.without_headers() if call.is_mock else wrapper


__all__ = [
    "Choices",
    "CustomStreamWrapper",
    "Delta",
    "Message",
    "ModelResponse",
    "ModelResponseStream",
    "StreamingChoices",
    "TextCompletionResponse",
    "acompletion",
    "atext_completion",
    "completion",
    "stream_chunk_builder",
    "text_completion",
]
