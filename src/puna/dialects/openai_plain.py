"""Parses the most frequent stream event directly to a chunk, without a dict in between.

That is an event that only adds text to the only choice. All others are parsed by
`OpenAIStreamReader.read_frame`; for this one both give the same chunk, by property test.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from puna.dialects.openai_replies import mend_logprobs
from puna.types.chat import ChatCompletionChunk, ChunkChoice

_NOTHING: tuple[Any, ...] = (None, "", [])
# What `model_validate_json` calls; it is called for every event, so without the step in between.
_read: Callable[[bytes], ChatCompletionChunk] = (
    ChatCompletionChunk.__pydantic_validator__.validate_json
)
_CONTENT_ALONE = {"content"}
_CHOICE_FIELDS = ("index", "finish_reason")
_NULLS = {"role": None, "tool_calls": None, "function_call": None}


def read_plain_chunk(frame: bytes, envelope: Mapping[str, Any]) -> ChatCompletionChunk | None:
    """Parse an event that needs no correction to a chunk; None for any other event.

    `envelope` holds what all chunks of the stream share: id, object, created and model. The choice
    must have had its role already.
    """
    try:
        chunk = _read(frame)
    except ValidationError:
        return None
    choices = chunk.choices
    # An index that is missing, or no whole number, means the choice's place: 0 again.
    if len(choices) != 1 or choices[0].index != 0 or not _is_plain(chunk, choices[0]):
        return None
    _mend(chunk, choices[0], envelope)
    return chunk


def has_values(values: Mapping[str, Any]) -> bool:
    """Whether a delta has any field with a value, besides null and empty ones."""
    return any(value not in _NOTHING for value in values.values())


def _is_plain(chunk: ChatCompletionChunk, choice: ChunkChoice) -> bool:
    """Whether a parsed chunk only adds text to its choice, so that no other code must read it."""
    delta, extra, more = choice.delta, chunk.__pydantic_extra__, choice.__pydantic_extra__
    if (
        choice.finish_reason is not None
        or chunk.usage is not None
        or delta.tool_calls
        or delta.function_call is not None
        or chunk.object == "error"
        or (extra and (extra.get("error") or extra.get("type") == "error"))
        or (more and more.get("error"))
    ):
        return False
    if delta.content or delta.refusal or choice.logprobs:
        return True
    beside = delta.__pydantic_extra__
    return beside is not None and has_values(beside)


def _mend(chunk: ChatCompletionChunk, choice: ChunkChoice, envelope: Mapping[str, Any]) -> None:
    """Set the stream's envelope on the chunk, and unset fields that count as not sent."""
    # Past the checks of setattr: an envelope was checked when the stream's first chunk was read.
    vars(chunk).update(envelope)
    sent = chunk.__pydantic_fields_set__
    sent.add("object")
    if chunk.system_fingerprint is None:
        sent.discard("system_fingerprint")
    sent.discard("usage")
    if choice.logprobs:
        mend_logprobs(choice.logprobs)
    choice.__pydantic_fields_set__.update(_CHOICE_FIELDS)
    delta = choice.delta
    sent = delta.__pydantic_fields_set__
    if sent != _CONTENT_ALONE:
        vars(delta).update(_NULLS)
        sent.difference_update(_NULLS)
