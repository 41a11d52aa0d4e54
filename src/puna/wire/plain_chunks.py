"""Parses chunks of streams that can be passed on to the client as they are.

`plain_replies.py` says what is plain. Each function gives None for any other chunk.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder, Encoder, decode

from puna.types.counts import MOST_TOKENS
from puna.wire.plain_replies import (
    MOST_CALLS,
    FinishReason,
    KnownWord,
    Never,
    NonEmptyText,
    NotBlankText,
    PlainUsage,
    TextOrNull,
    parse_plain,
)


class _PlainDelta(Struct, forbid_unknown_fields=True):
    """A delta that only adds text."""

    content: str | None
    role: str | UnsetType = UNSET
    refusal: UnsetType | None = UNSET


class _ChunkChoice(Struct, forbid_unknown_fields=True):
    """A choice of a chunk that does not end it."""

    finish_reason: None
    logprobs: UnsetType | None = UNSET
    stop_reason: UnsetType | None = UNSET  # self-hosted servers add this and `token_ids`
    token_ids: UnsetType | None = UNSET


class PlainChunkChoice(_ChunkChoice, kw_only=True):
    """The choice of a `PlainChunk`: the text that is added to it."""

    index: int
    delta: _PlainDelta


class Chunk(Struct):
    """The fields around the choice that every plain chunk has."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion.chunk"]
    created: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    model: str
    usage: UnsetType | None = UNSET
    system_fingerprint: TextOrNull = UNSET
    error: Never = UNSET
    type: Never = UNSET

    @property
    def nulls(self) -> int:
        """How many fields are null. Such fields are removed from the bytes for the client."""
        return (self.usage is None) + (self.system_fingerprint is None)


class PlainChunk(Chunk, kw_only=True):
    """A chunk that only adds text to one choice."""

    choices: Annotated[list[PlainChunkChoice], Meta(min_length=1, max_length=1)]


class _FunctionPiece(Struct, forbid_unknown_fields=True):
    """The function in a piece of a call."""

    name: NonEmptyText | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallPiece(Struct, forbid_unknown_fields=True):
    """A piece of a streamed tool call: its beginning, or more of its arguments."""

    index: Annotated[int, Meta(ge=0, lt=MOST_CALLS)]
    function: _FunctionPiece
    id: NotBlankText | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class _CallDelta(Struct, forbid_unknown_fields=True):
    """A delta with one piece of a call."""

    tool_calls: Annotated[list[CallPiece], Meta(min_length=1, max_length=1)]
    role: str | UnsetType = UNSET
    content: UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class _CallChoice(_ChunkChoice, kw_only=True):
    """A choice with one piece of a call."""

    index: Literal[0]
    delta: _CallDelta


class CallChunk(Chunk, kw_only=True):
    """A chunk that only begins a tool call of the first choice, or adds to its arguments."""

    choices: Annotated[list[_CallChoice], Meta(min_length=1, max_length=1)]

    @property
    def more_arguments(self) -> CallPiece | None:
        """The piece of a call, where it only adds to the arguments of one that has begun."""
        piece = self.choices[0].delta.tool_calls[0]
        return piece if piece.function.arguments and piece.function.name is UNSET else None


class _EmptyDelta(Struct, forbid_unknown_fields=True):
    """A delta that adds nothing: no text, at most a role."""

    content: Literal[""] | UnsetType | None = UNSET
    role: TextOrNull = UNSET


class _FinishChoice(Struct):
    """A choice that only ends the answer."""

    index: Literal[0]
    delta: _EmptyDelta
    finish_reason: FinishReason
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: KnownWord | UnsetType | None = UNSET


class PlainFinish(Struct):
    """A chunk that only holds the finish reason of the only choice, and perhaps the usage."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: Annotated[list[_FinishChoice], Meta(min_length=1, max_length=1)]
    usage: PlainUsage | UnsetType | None = UNSET
    system_fingerprint: TextOrNull = UNSET
    error: Never = UNSET
    type: Never = UNSET


class PlainUsageChunk(Struct):
    """A chunk that only holds the usage."""

    object: Literal["chat.completion.chunk"]
    choices: Annotated[list[None], Meta(max_length=0)]
    usage: PlainUsage
    error: Never = UNSET
    type: Never = UNSET


_chunk_decoder = Decoder(PlainChunk)
_call_decoder = Decoder(CallChunk)
_finish_decoder = Decoder(PlainFinish)
_usage_decoder = Decoder(PlainUsageChunk)
_encoder = Encoder()


def read_chunk(data: bytes) -> PlainChunk | None:
    """Parse an event's data; None where it does more than add text to one choice."""
    return parse_plain(_chunk_decoder.decode, data)


def read_checked_chunk(data: bytes) -> PlainChunk | None:
    """As `read_chunk`, for data that it has accepted before.

    UTF-8 and depth are not checked again.
    """
    try:
        return _chunk_decoder.decode(data)
    except MsgspecError:
        return None


def read_call_chunk(data: bytes) -> CallChunk | None:
    """Parse an event's data; None where it does more than begin or continue one tool call."""
    return parse_plain(_call_decoder.decode, data)


def read_checked_call(data: bytes) -> CallChunk | None:
    """As `read_call_chunk`, for data that it has accepted before."""
    try:
        return _call_decoder.decode(data)
    except MsgspecError:
        return None


def read_finish(data: bytes) -> PlainFinish | None:
    """Parse an event's data; None where it does more than end the only choice."""
    return parse_plain(_finish_decoder.decode, data)


def read_usage_chunk(data: bytes) -> PlainUsageChunk | None:
    """Parse an event's data; None where it holds more than the usage."""
    return parse_plain(_usage_decoder.decode, data)


def finish_event(data: bytes, head: Chunk, public_name: str) -> bytes:
    """Write the event with the finish reason, as the client gets it.

    `data` is what `read_finish` accepted, `head` the first chunk of the stream, whose id and time
    the event gets. The event has an empty delta and no usage.
    """
    chunk = _prepare_chunk(data, head, public_name)
    chunk["choices"][0]["delta"] = {}
    return b"data: %b\n\n" % _encoder.encode(chunk)


def with_arguments(data: bytes, head: Chunk, public_name: str) -> bytes:
    """Write the event that begins a tool call, with empty `arguments`, as OpenAI sends it.

    `data` is what `read_call_chunk` accepted, without `arguments`; `head` as in `finish_event`.
    """
    chunk = _prepare_chunk(data, head, public_name)
    chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = ""
    return b"data: %b\n\n" % _encoder.encode(chunk)


def usage_event(data: bytes, head: Chunk, public_name: str) -> bytes:
    """Write the usage chunk of a stream from the usage in `data`; `head` as in `finish_event`."""
    usage: dict[str, Any] = decode(data)["usage"]
    for name in ("prompt_tokens_details", "completion_tokens_details"):
        if usage.get(name, "") is None:
            del usage[name]
    chunk = {
        "id": head.id,
        "object": head.object,
        "created": head.created,
        "model": public_name,
        "choices": [],
        "usage": usage,
    }
    return b"data: %b\n\n" % _encoder.encode(chunk)


def _prepare_chunk(data: bytes, head: Chunk, public_name: str) -> dict[str, Any]:
    """A chunk as a dict, with the stream's id and time, without usage and empty fingerprint."""
    chunk: dict[str, Any] = decode(data)
    chunk.pop("usage", None)
    if chunk.get("system_fingerprint", "") is None:
        del chunk["system_fingerprint"]
    chunk.update(id=head.id, created=head.created, model=public_name)
    return chunk
