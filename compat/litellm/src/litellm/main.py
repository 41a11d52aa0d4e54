"""`completion` and its siblings."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, TypeVar, cast, overload

from litellm.answers import (
    answer_of,
    hidden_params_of,
    response_answer_of,
    text_answer_of,
    vectors_of,
    verdicts_of,
)
from litellm.call_checks import check_request, note_cost
from litellm.calls import PreparedCall, async_client_of, client_of, prepare_call
from litellm.chunk_building import stream_chunk_builder
from litellm.custom_providers import aask_custom, ask_custom, custom_hidden_params
from litellm.error_translation import litellm_exception_of
from litellm.litellm_core_utils.streaming_handler import (
    CustomStreamWrapper,
    TextCompletionStreamWrapper,
)
from litellm.released import getattr_of
from litellm.response_streams import ResponsesStream
from litellm.types.llms.openai import OpenAIModerationResponse, ResponsesAPIResponse
from litellm.types.utils import (
    Choices,
    Delta,
    EmbeddingResponse,
    Message,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
    TextCompletionResponse,
)
from puna.engine.streams import AsyncStream, Stream

Whole = TypeVar(
    "Whole",
    bound=ModelResponse
    | TextCompletionResponse
    | EmbeddingResponse
    | OpenAIModerationResponse
    | ResponsesAPIResponse,
)
ChunkWrapper = TypeVar("ChunkWrapper", bound=CustomStreamWrapper)
Wrapper = TypeVar("Wrapper", bound=CustomStreamWrapper | ResponsesStream)


@dataclass(frozen=True, slots=True)
class _Kind(Generic[Whole, Wrapper]):
    """What sets chat, text completions, embeddings, moderations and responses apart.

    Attributes:
        name: of the function, which is also the name of the clients' method.
        read: a whole answer of Puna's as LiteLLM's.
        wrap: a stream of Puna's as LiteLLM's.
    """

    name: str
    read: Callable[[Any], Whole]
    wrap: Callable[[PreparedCall, Any], Wrapper]

    def given(self, call: PreparedCall, answer: Any) -> Whole | Wrapper:
        """What the caller gets for a client's answer or stream."""
        if isinstance(answer, Stream | AsyncStream):
            return self.wrap(call, answer)
        whole = self.read(answer)
        report = answer.report
        if report is not None:
            hidden = hidden_params_of(report, call_id=call.record.call_id, is_mock=call.is_mock)
            if call.own_client is not None and call.model in call.own_client.settings.routes:
                hidden["model_id"] = report.deployment_id
            whole.note_call(hidden, None if call.is_mock else dict(report.headers))
        return whole

    def custom(self, call: PreparedCall, answer: Any) -> Whole | Wrapper:
        """What the caller gets from a provider of its own: its answer, or its wrapped stream."""
        if call.stream:
            return self.wrap(call, answer)
        answer.note_call(custom_hidden_params(call, answer), None)
        return cast("Whole", answer)


def _wrap_with(
    cls: type[ChunkWrapper],
) -> Callable[[PreparedCall, Any], ChunkWrapper]:
    def wrap(call: PreparedCall, stream: Any) -> ChunkWrapper:
        options = call.keywords.get("stream_options")
        wrapper = cls(stream, call.model, call.record, call.record.provider, options)
        return wrapper.without_headers() if call.is_mock else wrapper

    return wrap


def _wrap_events(call: PreparedCall, stream: Any) -> ResponsesStream:
    return ResponsesStream(stream, call)


_CHAT = _Kind("completion", answer_of, _wrap_with(CustomStreamWrapper))
_TEXT = _Kind("text_completion", text_answer_of, _wrap_with(TextCompletionStreamWrapper))
_RESPONSES = _Kind("responses", response_answer_of, _wrap_events)
_VECTORS = _Kind("embedding", vectors_of, _wrap_with(CustomStreamWrapper))
_VERDICTS = _Kind("moderation", verdicts_of, _wrap_with(CustomStreamWrapper))
_MODERATOR = "omni-moderation-latest"


def _run(
    kind: _Kind[Whole, Wrapper], model: Any, asked: Any, keywords: Mapping[str, Any]
) -> Whole | Wrapper:
    """One synchronous call, and its listeners told; a stream tells them at its end."""
    call = prepare_call(kind.name, model, asked, keywords, is_async=False)
    call.record.begin()
    try:
        check_request(asked, call.record.model, call.record.provider)
        given: Whole | Wrapper | None = call.ready_answer
        if given is None and call.custom is not None:
            given = kind.custom(call, ask_custom(call, asked))
        elif given is None:
            ask = getattr(client_of(call), kind.name)
            answer = ask(call.model, asked, stream=call.stream, **call.keywords)
            given = kind.given(call, answer)
        call.check(given)
    except Exception as error:
        raised = _translated(call, error)
        call.record.fail(raised)
        if raised is error:
            raise
        raise raised from error
    if not isinstance(given, CustomStreamWrapper | ResponsesStream):
        note_cost(given._hidden_params, call.record.model)  # noqa: SLF001 - as below
        call.record.succeed(given, given._hidden_params)  # noqa: SLF001 - LiteLLM's public name
    return given


async def _arun(
    kind: _Kind[Whole, Wrapper], model: Any, asked: Any, keywords: Mapping[str, Any]
) -> Whole | Wrapper:
    """`_run` for asyncio."""
    call = prepare_call(f"a{kind.name}", model, asked, keywords, is_async=True)
    call.record.begin()
    try:
        check_request(asked, call.record.model, call.record.provider)
        given: Whole | Wrapper | None = call.ready_answer
        if given is None and call.custom is not None:
            given = kind.custom(call, await aask_custom(call, asked))
        elif given is None:
            ask = getattr(async_client_of(call), kind.name)
            answer = await ask(call.model, asked, stream=call.stream, **call.keywords)
            given = kind.given(call, answer)
        call.check(given)
    except Exception as error:
        raised = _translated(call, error)
        await call.record.afail(raised)
        if raised is error:
            raise
        raise raised from error
    if not isinstance(given, CustomStreamWrapper | ResponsesStream):
        note_cost(given._hidden_params, call.record.model)  # noqa: SLF001 - as below
        await call.record.asucceed(given, given._hidden_params)  # noqa: SLF001 - as above
    return given


def _translated(call: PreparedCall, error: Exception) -> Exception:
    record = call.record
    return litellm_exception_of(error, model=record.model, provider=record.provider)


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
    return _run(_CHAT, model, messages, kwargs)


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
    return await _arun(_CHAT, model, messages, kwargs)


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
    """Continue a text, or each of a list of texts: at hosts with the endpoint, else over chat."""
    return _run(_TEXT, model, prompt, kwargs)


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
    return await _arun(_TEXT, model, prompt, kwargs)


def embedding(model: str, input: Any = (), **kwargs: Any) -> EmbeddingResponse:  # noqa: A002 - LiteLLM's name
    """Turn a text, texts or token ids into vectors: `.data[0]["embedding"]`.

    Vectors are never streamed; keywords, globals and errors are those of `completion`.
    """
    return cast("EmbeddingResponse", _run(_VECTORS, model, input, kwargs))


async def aembedding(model: str, input: Any = (), **kwargs: Any) -> EmbeddingResponse:  # noqa: A002 - as above
    """`embedding` for asyncio."""
    return cast("EmbeddingResponse", await _arun(_VECTORS, model, input, kwargs))


def moderation(
    input: Any,  # noqa: A002 - LiteLLM's name
    model: str | None = None,
    **kwargs: Any,
) -> OpenAIModerationResponse:
    """Verdicts: `.results[0].flagged`. A model without a provider is one of OpenAI's.

    A Llama Guard 3 or 4 at any host is asked over chat.
    """
    return cast("OpenAIModerationResponse", _run(_VERDICTS, _moderator(model), input, kwargs))


async def amoderation(
    input: Any,  # noqa: A002 - LiteLLM's name
    model: str | None = None,
    **kwargs: Any,
) -> OpenAIModerationResponse:
    """`moderation` for asyncio."""
    answer = await _arun(_VERDICTS, _moderator(model), input, kwargs)
    return cast("OpenAIModerationResponse", answer)


def _moderator(model: str | None) -> str:
    name = model or _MODERATOR
    return name if "/" in name else f"openai/{name}"


def responses(
    input: Any,  # noqa: A002 - LiteLLM's name
    model: str | None = None,
    **kwargs: Any,
) -> ResponsesAPIResponse | ResponsesStream:
    """Make a response as in OpenAI's Responses API; `stream=True` gives its events.

    A host that is known to speak that API is asked there, any other over chat.
    `previous_response_id` goes on from a response of this program.
    """
    return _run(_RESPONSES, model, input, kwargs)


async def aresponses(
    input: Any,  # noqa: A002 - LiteLLM's name
    model: str | None = None,
    **kwargs: Any,
) -> ResponsesAPIResponse | ResponsesStream:
    """`responses` for asyncio."""
    return await _arun(_RESPONSES, model, input, kwargs)


__all__ = [
    "Choices",
    "CustomStreamWrapper",
    "Delta",
    "EmbeddingResponse",
    "Message",
    "ModelResponse",
    "ModelResponseStream",
    "StreamingChoices",
    "TextCompletionResponse",
    "acompletion",
    "aembedding",
    "amoderation",
    "aresponses",
    "atext_completion",
    "completion",
    "embedding",
    "moderation",
    "responses",
    "stream_chunk_builder",
    "text_completion",
]

__getattr__ = getattr_of(__name__)
