"""Calls to the hosts in `litellm.custom_provider_map`.

They are asked in this process, so Puna's engine has no part in them: `num_retries` repeats a call
at once after errors of status 408, 429, 500 and above, `fallbacks` are refused.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast

import litellm
from litellm.exceptions import APIConnectionError, BadRequestError, LiteLLMUnknownProvider
from litellm.model_table import find_entry
from litellm.types.utils import EmbeddingResponse, ModelResponse
from puna import errors
from puna.types.chat import ChatCompletionChunk
from puna.types.option_scopes import CALL_OPTIONS

if TYPE_CHECKING:
    from litellm.calls import PreparedCall

_METHODS = {
    "completion": ("completion", "streaming"),
    "acompletion": ("acompletion", "astreaming"),
    "embedding": ("embedding", None),
    "aembedding": ("aembedding", None),
}
"""The method of `CustomLLM` for each kind of call: for a whole answer, for a stream."""

_TIMEOUT_S = 600.0
_SERVER_ERRORS = 500
_RETRIED = (408, 429)


def find_custom(model: Any, named: Any = None) -> tuple[str, str, Any] | None:
    """The provider, the model without it, and the handler; None for a model of no such provider.

    `named` is the call's `custom_llm_provider`.
    """
    if not litellm.custom_provider_map or not isinstance(model, str):
        return None
    prefix, slash, rest = model.partition("/")
    for item in litellm.custom_provider_map:
        provider, handler = item.get("provider"), item.get("custom_handler")
        if not provider or handler is None or isinstance(handler, type):
            raise BadRequestError(
                "Each item of `litellm.custom_provider_map` needs a `provider` and an instance of "
                f"its handler as `custom_handler`; this one has `{provider}` and `{handler}`.",
                model,
                str(provider),
            )
        if provider == named:
            return provider, model.removeprefix(f"{provider}/"), handler
        if named is None and slash and provider == prefix:
            return provider, rest, handler
    return None


def ask_custom(call: PreparedCall, asked: Any) -> Any:
    """One synchronous call: what the handler gives, a stream as Puna's chunks."""
    method, keywords = _prepare(call, asked)
    for left in reversed(range(_tries(call))):
        try:
            answer = method(**keywords)
        except Exception as error:
            if left and _is_worth_another(error):
                continue
            raise _translated(call, error) from error
        return _read_answer(call, answer)
    raise AssertionError("there is at least one try")


async def aask_custom(call: PreparedCall, asked: Any) -> Any:
    """`ask_custom` for asyncio."""
    method, keywords = _prepare(call, asked)
    for left in reversed(range(_tries(call))):
        try:
            answer = method(**keywords)
            if hasattr(answer, "__await__"):
                answer = await answer
        except Exception as error:
            if left and _is_worth_another(error):
                continue
            raise _translated(call, error) from error
        return _read_answer(call, answer)
    raise AssertionError("there is at least one try")


def _read_answer(call: PreparedCall, answer: Any) -> Any:
    if call.stream:
        return _Chunks(call, answer)
    if not hasattr(answer, "note_call"):
        raise APIConnectionError(
            f"The handler of `{call.record.provider}` returned `{type(answer).__name__}`; it must "
            "return a `litellm.ModelResponse`, or for embeddings an `EmbeddingResponse`.",
            call.record.provider,
            call.record.model,
        )
    return answer


def custom_hidden_params(call: PreparedCall, answer: Any) -> dict[str, Any]:
    """`_hidden_params` of a handler's answer: its own, and what is known of the call.

    `response_cost` is the handler's, or what the model table's price makes of the answer's usage.
    """
    record = call.record
    known = dict(getattr(answer, "_hidden_params", None) or {})
    took = datetime.now() - record.start_time  # noqa: DTZ005 - as the record's
    return {
        "additional_headers": {},
        "response_cost": _cost_of(call, answer),
        **known,
        "custom_llm_provider": record.provider,
        "litellm_call_id": record.call_id,
        "litellm_model_name": call.model,
        "model_id": None,
        "_response_ms": max(took.total_seconds() * 1000, 0.001),
    }


def _cost_of(call: PreparedCall, answer: Any) -> float | None:
    from litellm.cost_calculator import completion_cost

    if find_entry(call.model, call.record.provider) is None or not hasattr(answer, "usage"):
        return None
    provider = call.record.provider
    return completion_cost(answer, model=call.model, custom_llm_provider=provider)


def _prepare(call: PreparedCall, asked: Any) -> tuple[Any, dict[str, Any]]:
    """The handler's method, and what it is called with."""
    record, given = call.record, call.keywords
    whole, streamed = _METHODS.get(record.call_type, (None, None))
    name = streamed if call.stream else whole
    if name is None:
        raise LiteLLMUnknownProvider(record.model, record.provider)
    if given.get("fallbacks") or given.get("context_window_fallbacks"):
        raise BadRequestError(
            "`fallbacks` are not followed from a custom provider: catch its error, and call the "
            "next model.",
            record.model,
            record.provider,
        )
    optional = {k: v for k, v in given.items() if k not in CALL_OPTIONS}
    common = {
        "model": record.model,
        "api_base": given.get("api_base") or given.get("base_url"),
        "api_key": given.get("api_key"),
        "timeout": given.get("timeout", _TIMEOUT_S),
        "optional_params": {**optional, **({"stream": True} if call.stream else {})},
        "litellm_params": {**record.litellm_params, "custom_llm_provider": record.provider},
        "logging_obj": record,
        "print_verbose": _ignore,
    }
    method = getattr(call.custom, name)
    if whole in {"embedding", "aembedding"}:
        return method, {**common, "input": asked, "model_response": EmbeddingResponse()}
    return method, {
        **common,
        "messages": asked,
        "headers": {**given.get("headers", {}), **given.get("extra_headers", {})},
        "model_response": ModelResponse(),
        "acompletion": record.call_type == "acompletion",
        "client": call.client,
        "custom_prompt_dict": {},
        "encoding": None,
        "logger_fn": None,
    }


def _ignore(*_texts: object) -> None:
    """LiteLLM's `print_verbose`: handlers may call it, nothing is printed."""


def _tries(call: PreparedCall) -> int:
    wish = call.keywords.get("max_retries", call.keywords.get("num_retries", 0))
    return 1 + (wish if isinstance(wish, int) and wish > 0 else 0)


def _is_worth_another(error: Exception) -> bool:
    status = getattr(error, "status_code", None)
    return isinstance(status, int) and (status >= _SERVER_ERRORS or status in _RETRIED)


def _translated(call: PreparedCall, error: Exception) -> Exception:
    """LiteLLM's exception of a handler's error, by its status if it has one."""
    from litellm.error_translation import litellm_exception_of

    record = call.record
    if type(error).__module__.partition(".")[0] == "litellm" and hasattr(error, "llm_provider"):
        return error
    status = getattr(error, "status_code", None)
    message = str(getattr(error, "message", "")) or str(error) or type(error).__name__
    if not isinstance(status, int):
        return APIConnectionError(message, record.provider, record.model)
    made = errors.class_for_status(status)(message, model=record.model, provider=record.provider)
    made.status_code = status
    return litellm_exception_of(made, model=record.model, provider=record.provider)


class _Chunks:
    """A handler's stream as Puna's chunks: for `for` or for `async for`, as the handler's is."""

    def __init__(self, call: PreparedCall, given: Any) -> None:
        self._call = call
        self._given = given
        self._head = {
            "id": f"chatcmpl-{uuid.uuid4()}",
            "created": int(time.time()),
            "model": call.record.model,
        }
        options = call.keywords.get("stream_options") or {}
        self._tells_usage = bool(options.get("include_usage"))
        self._usage: Any = None
        self._has_begun = False
        self._is_finished: dict[int, bool] = {}
        self._chunks: Iterator[Any] | None = None
        self._achunks: AsyncIterator[Any] | None = None

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        if self._chunks is None:
            self._chunks = self._read()
        return next(self._chunks)

    def __aiter__(self) -> AsyncIterator[Any]:
        return self

    async def __anext__(self) -> Any:
        if self._achunks is None:
            self._achunks = self._aread()
        return await anext(self._achunks)

    def close(self) -> None:
        """End the handler's stream."""
        close = getattr(self._given, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        """End the handler's stream."""
        close = getattr(self._given, "aclose", None)
        if close is not None:
            await close()

    def _read(self) -> Iterator[Any]:
        try:
            for piece in self._given:
                yield from self._chunks_of(piece)
        except Exception as error:
            raise _translated(self._call, error) from error
        yield from self._last()

    async def _aread(self) -> AsyncIterator[Any]:
        try:
            async for piece in self._given:
                for chunk in self._chunks_of(piece):
                    yield chunk
        except Exception as error:
            raise _translated(self._call, error) from error
        for chunk in self._last():
            yield chunk

    def _chunks_of(self, piece: Any) -> Iterator[ChatCompletionChunk]:
        """A `GenericStreamingChunk`: what it says, and then, if it is the last, how it ended."""
        if not isinstance(piece, Mapping):
            from litellm.answers import puna_chunk_of

            yield puna_chunk_of(piece)
            return
        said = cast("Mapping[str, Any]", piece)
        delta: dict[str, Any] = {"content": said["text"]} if said.get("text") else {}
        if said.get("tool_use"):
            call = dict(said["tool_use"])
            delta["tool_calls"] = [{"index": 0, **call}]
        if said.get("provider_specific_fields"):
            delta["provider_specific_fields"] = said["provider_specific_fields"]
        self._usage = said.get("usage") or self._usage
        index = said.get("index") or 0
        self._is_finished.setdefault(index, False)
        if delta:
            yield self._chunk(index, delta)
        if said.get("is_finished"):
            self._is_finished[index] = True
            yield self._chunk(index, {}, said.get("finish_reason") or "stop")

    def _last(self) -> Iterator[ChatCompletionChunk]:
        """The ends that the handler left out, as LiteLLM adds them, and the usage."""
        for index, is_finished in self._is_finished.items():
            if not is_finished:
                yield self._chunk(index, {}, "stop")
        if self._usage is not None and self._tells_usage:
            usage = self._usage
            told = usage if isinstance(usage, Mapping) else usage.model_dump(exclude_none=True)
            yield ChatCompletionChunk.model_validate({**self._head, "choices": [], "usage": told})

    def _chunk(
        self, index: int, delta: dict[str, Any], finish_reason: str | None = None
    ) -> ChatCompletionChunk:
        if not self._has_begun:
            self._has_begun = True
            delta = {"role": "assistant", **delta}
        choice = {"index": index, "delta": delta, "finish_reason": finish_reason}
        return ChatCompletionChunk.model_validate({**self._head, "choices": [choice]})
