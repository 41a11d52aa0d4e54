"""Puna's answers as LiteLLM's, and LiteLLM's chunks as Puna's."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from litellm.cost_calculator import billed
from litellm.types.llms.openai import OpenAIModerationResponse, ResponsesAPIResponse
from litellm.types.usage import Usage
from litellm.types.utils import (
    Delta,
    EmbeddingResponse,
    ModelResponse,
    ModelResponseStream,
    StreamingChoices,
    TextCompletionResponse,
)
from puna.catalog.prices import dollars
from puna.types.chat import ChatCompletion, ChatCompletionChunk, ChunkChoice, DeltaToolCall
from puna.types.chat import Delta as PunaDelta
from puna.types.completions import TextCompletion
from puna.types.embeddings import EmbeddingResponse as PunaEmbeddingResponse
from puna.types.moderations import ModerationResponse
from puna.types.report import CallReport
from puna.types.responses import Response


def answer_of(completion: ChatCompletion) -> ModelResponse:
    """A whole answer. A `refusal` that the host sent stands in `provider_specific_fields`."""
    data = completion.model_dump(exclude_unset=True)
    for choice in data["choices"]:
        message = choice["message"]
        if "refusal" in message:
            message["provider_specific_fields"] = {"refusal": message.pop("refusal")}
    return ModelResponse.model_validate(data)


def chunk_of(
    chunk: ChatCompletionChunk,
    hidden_params: dict[str, Any] | None = None,
    headers: dict[str, str] | None = None,
) -> ModelResponseStream:
    """A chunk. The usage chunk has one choice with an empty delta, as LiteLLM's has.

    Puna's chunk was checked when it was read, so this one is made without checking again.
    """
    extra = dict(chunk.model_extra or {})
    values: dict[str, Any] = {
        "id": chunk.id,
        "created": chunk.created,
        "model": chunk.model,
        "object": "chat.completion.chunk",
        "system_fingerprint": chunk.system_fingerprint,
        "choices": [_choice_of(choice) for choice in chunk.choices] or [StreamingChoices()],
        "provider_specific_fields": extra.pop("provider_specific_fields", None),
    }
    if chunk.usage is not None:
        values["usage"] = Usage.model_validate(chunk.usage.model_dump(exclude_unset=True))
    else:
        extra.setdefault("citations", None)
    private = {"_hidden_params": hidden_params or {}, "_response_headers": headers}
    return ModelResponseStream.trusted(values, extra, private)


def _choice_of(choice: ChunkChoice) -> StreamingChoices:
    return StreamingChoices.trusted(
        {
            "finish_reason": choice.finish_reason,
            "index": choice.index,
            "delta": _delta_of(choice.delta),
            "logprobs": choice.logprobs,
        },
        dict(choice.model_extra or {}),
    )


def _delta_of(delta: PunaDelta) -> Delta:
    values: dict[str, Any] = {
        "provider_specific_fields": None,
        "content": delta.content,
        "role": delta.role,
        "function_call": None,
        "tool_calls": None,
        "audio": None,
    }
    if not (delta.model_extra or delta.tool_calls or delta.function_call or delta.refusal):
        return Delta.trusted(values)
    values |= delta.model_extra or {}
    if delta.refusal is not None:
        values["provider_specific_fields"] = {"refusal": delta.refusal}
    if delta.tool_calls is not None:
        values["tool_calls"] = [_call_of(call) for call in delta.tool_calls]
    if delta.function_call is not None:
        values["function_call"] = delta.function_call.model_dump(exclude_unset=True)
    return Delta.model_validate(values)


def _call_of(call: DeltaToolCall) -> dict[str, Any]:
    function = call.function
    return {
        **(call.model_extra or {}),
        "id": call.id,
        "index": call.index,
        "type": call.type or "function",
        "function": function.model_dump(exclude_unset=True) if function is not None else {},
    }


def text_answer_of(completion: TextCompletion) -> TextCompletionResponse:
    """A text completion, or a chunk of one."""
    return TextCompletionResponse.model_validate(completion.model_dump(exclude_none=True))


def vectors_of(response: PunaEmbeddingResponse) -> EmbeddingResponse:
    """Vectors; each in a plain dict, and the usage with the tokens that were not made."""
    return EmbeddingResponse.model_validate(response.model_dump(exclude_unset=True))


def verdicts_of(response: ModerationResponse) -> OpenAIModerationResponse:
    """Moderations."""
    return OpenAIModerationResponse.model_validate(response.to_dict())


def response_answer_of(response: Response) -> ResponsesAPIResponse:
    """A response."""
    return ResponsesAPIResponse.model_validate(response.to_dict())


def puna_chunk_of(chunk: ModelResponseStream | Mapping[str, Any]) -> ChatCompletionChunk:
    """A chunk that the caller kept, as Puna folds it; fields that the caller set are left out."""
    given = chunk if isinstance(chunk, Mapping) else chunk.model_dump(exclude_none=True)
    data = cast("Mapping[str, Any]", given)
    kept = ("id", "created", "model", "choices", "usage", "system_fingerprint")
    fields = {name: data[name] for name in kept if data.get(name) is not None}
    return ChatCompletionChunk.model_validate(
        {"id": "", "created": 0, "model": "", "choices": [], **fields}
    )


def cost_of(report: CallReport) -> float | None:
    """What a call cost in US dollars, as `litellm.cost_calculator.billed`; None for unknown."""
    cost = None if report.cost_picos is None else dollars(report.cost_picos)
    return billed(cost, report.provider)


def hidden_params_of(report: CallReport, *, call_id: str, is_mock: bool = False) -> dict[str, Any]:
    """`_hidden_params`: how the call went, in LiteLLM's words.

    `response_cost` is US dollars, None where no price is known. `additional_headers` are the host's
    reply headers with the prefix `llm_provider-`, and its rate limits also without.
    """
    headers: dict[str, str] = {}
    if not is_mock:
        for name, value in report.headers.items():
            if name.startswith("x-ratelimit-"):
                headers[name] = value
            headers[f"llm_provider-{name}"] = value
    return {
        "custom_llm_provider": report.provider,
        "region_name": None,
        "additional_headers": headers,
        "_response_ms": max(report.duration_s * 1000, 0.001),
        "callback_duration_ms": 0.0,
        "litellm_call_id": call_id or report.call_id,
        "api_base": report.api_base,
        "model_id": None,
        "response_cost": cost_of(report),
        "litellm_model_name": report.model,
        "provider_response_model": report.upstream_model,
    }
