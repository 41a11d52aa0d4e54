"""Parses replies and stream chunks that can be passed on to the client as they are.

A reply or chunk is *plain* when every client understands it in the same way, so that its bytes can
be passed on. The functions here give None for any other one, valid or not: then the dialect's
reader corrects it, or explains the error. Where a type allows further fields, these are passed on
unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder, Encoder, decode

from puna.types.counts import MOST_TOKENS
from puna.wire.octets import BACKSLASH, brackets_in

T = TypeVar("T")

_MOST_BRACKETS = 150
"""A body with more brackets may be nested too deeply, and goes to the dialect's reader."""

_LETTER = re.compile(rb"\\u00(?:6[1-9a-fA-F]|7[0-9aA]|5[fF])")
"""Matches an escaped letter or `_`: no encoder writes one, and a search for a key misses it."""

_MOST_CALLS = 1_024
"""An answer with more tool calls goes to the dialect's reader."""

_Text = str | UnsetType
_NonEmptyText = Annotated[str, Meta(min_length=1)]
_NotBlankText = Annotated[str, Meta(pattern=r"\S")]
_TextOrNull = str | UnsetType | None
_Tokens = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
_Never = Literal["\0"] | UnsetType
"""The type of a field that makes a value not plain, whatever it holds."""


class _PromptDetails(Struct):
    cached_tokens: _Tokens | UnsetType = UNSET
    audio_tokens: _Tokens | UnsetType = UNSET
    cache_creation_tokens: Literal[0] | UnsetType = UNSET  # others are priced by the reader


class _CompletionDetails(Struct):
    reasoning_tokens: _Tokens | UnsetType = UNSET
    audio_tokens: _Tokens | UnsetType = UNSET
    accepted_prediction_tokens: _Tokens | UnsetType = UNSET
    rejected_prediction_tokens: _Tokens | UnsetType = UNSET


class PlainUsage(Struct):
    """The tokens of an answer; the three counts are required."""

    prompt_tokens: _Tokens
    completion_tokens: _Tokens
    total_tokens: _Tokens
    prompt_tokens_details: _PromptDetails | UnsetType | None = UNSET
    completion_tokens_details: _CompletionDetails | UnsetType | None = UNSET
    estimated: _Never = UNSET

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that came from the host's cache."""
        details = self.prompt_tokens_details
        return details.cached_tokens or 0 if details else 0


class _PlainFunction(Struct):
    """The function of a call of a whole answer."""

    name: _NonEmptyText
    arguments: _NonEmptyText


class _PlainCall(Struct):
    """A tool call of a whole answer."""

    id: _NotBlankText
    type: Literal["function"]
    function: _PlainFunction


class PlainMessage(Struct):
    """The message of one choice of a whole answer."""

    role: str
    content: str | None
    refusal: str | UnsetType | None = UNSET
    annotations: list[Any] | UnsetType | None = UNSET
    tool_calls: list[_PlainCall] | UnsetType | None = UNSET
    function_call: UnsetType | None = UNSET


_PlainEnd = Literal["stop", "length", "content_filter", "tool_calls"]
"""The finish reasons of plain answers. Any other reason goes to the dialect's reader."""
TOOL_CALLS = "tool_calls"
"""The finish reason of an answer with tool calls."""

_Word = Annotated[str, Meta(pattern=r"^(stop|length|completed?|STOP|MAX_TOKENS|end_turn)$")]


class _PlainChoice(Struct):
    """A choice of a whole answer."""

    index: int
    message: PlainMessage
    finish_reason: _PlainEnd
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: _Word | UnsetType | None = UNSET

    @property
    def has_plain_calls(self) -> bool:
        """Whether the choice ended with tool calls, each of which has an id of its own."""
        calls = self.message.tool_calls
        return bool(
            calls
            and self.finish_reason == TOOL_CALLS
            and self.message.content != ""
            and len({call.id for call in calls}) == len(calls) <= _MOST_CALLS
        )


class PlainReply(Struct):
    """A whole answer that needs no mending."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion"]
    created: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    model: str
    choices: Annotated[list[_PlainChoice], Meta(min_length=1)]
    usage: PlainUsage
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET
    type: _Never = UNSET

    @property
    def nulls(self) -> int:
        """How many null or empty fields the reply has that OpenAI's answers lack.

        They are removed.
        """
        usage, nulls = self.usage, int(self.system_fingerprint is None)
        nulls += usage.prompt_tokens_details is None
        nulls += usage.completion_tokens_details is None
        for choice in self.choices:
            message = choice.message
            nulls += message.annotations is None
            nulls += message.function_call is None
            nulls += message.tool_calls is not UNSET and not message.tool_calls
        return nulls


class _PlainDelta(Struct, forbid_unknown_fields=True):
    """A delta that only adds text."""

    content: str | None
    role: _Text = UNSET
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
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET
    type: _Never = UNSET

    @property
    def nulls(self) -> int:
        """How many fields are null; such fields are removed."""
        return (self.usage is None) + (self.system_fingerprint is None)


class PlainChunk(Chunk, kw_only=True):
    """A chunk that only adds text to one choice."""

    choices: Annotated[list[PlainChunkChoice], Meta(min_length=1, max_length=1)]


class _FunctionPiece(Struct, forbid_unknown_fields=True):
    """The function in a piece of a call."""

    name: _NonEmptyText | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallPiece(Struct, forbid_unknown_fields=True):
    """A piece of a streamed tool call: its beginning, or more of its arguments."""

    index: Annotated[int, Meta(ge=0, lt=_MOST_CALLS)]
    function: _FunctionPiece
    id: _NotBlankText | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class _CallDelta(Struct, forbid_unknown_fields=True):
    """A delta with one piece of a call."""

    tool_calls: Annotated[list[CallPiece], Meta(min_length=1, max_length=1)]
    role: _Text = UNSET
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
    role: _TextOrNull = UNSET


class _FinishChoice(Struct):
    """A choice that only ends the answer."""

    index: Literal[0]
    delta: _EmptyDelta
    finish_reason: _PlainEnd
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: _Word | UnsetType | None = UNSET


class PlainFinish(Struct):
    """A chunk that only holds the finish reason of the only choice, and perhaps the usage."""

    id: str
    object: Literal["chat.completion.chunk"]
    created: int
    model: str
    choices: Annotated[list[_FinishChoice], Meta(min_length=1, max_length=1)]
    usage: PlainUsage | UnsetType | None = UNSET
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET
    type: _Never = UNSET


class PlainUsageChunk(Struct):
    """A chunk that only holds the usage."""

    object: Literal["chat.completion.chunk"]
    choices: Annotated[list[None], Meta(max_length=0)]
    usage: PlainUsage
    error: _Never = UNSET
    type: _Never = UNSET


_reply_decoder = Decoder(PlainReply)
_chunk_decoder = Decoder(PlainChunk)
_call_decoder = Decoder(CallChunk)
_finish_decoder = Decoder(PlainFinish)
_usage_decoder = Decoder(PlainUsageChunk)
_encoder = Encoder()


def read_reply(body: bytes) -> PlainReply | None:
    """Parse the body of a whole reply; None where it is not plain."""
    reply = _read(_reply_decoder.decode, body)
    if reply is None:
        return None
    for choice in reply.choices:
        message = choice.message
        if (message.content is None or message.tool_calls) and not choice.has_plain_calls:
            return None
    return reply


def read_chunk(data: bytes) -> PlainChunk | None:
    """Parse an event's data; None where it does more than add text to one choice."""
    return _read(_chunk_decoder.decode, data)


def read_checked_chunk(data: bytes) -> PlainChunk | None:
    """Parse like `read_chunk` what was checked before: without the checks of UTF-8 and depth."""
    try:
        return _chunk_decoder.decode(data)
    except MsgspecError:
        return None


def read_call_chunk(data: bytes) -> CallChunk | None:
    """Parse an event's data; None where it does more than begin or continue one tool call."""
    return _read(_call_decoder.decode, data)


def read_checked_call(data: bytes) -> CallChunk | None:
    """Parse like `read_call_chunk` what was checked before: as in `read_checked_chunk`."""
    try:
        return _call_decoder.decode(data)
    except MsgspecError:
        return None


def read_finish(data: bytes) -> PlainFinish | None:
    """Parse an event's data; None where it does more than end the only choice."""
    return _read(_finish_decoder.decode, data)


def read_usage_chunk(data: bytes) -> PlainUsageChunk | None:
    """Parse an event's data; None where it holds more than the usage."""
    return _read(_usage_decoder.decode, data)


def finish_event(data: bytes, head: Chunk, public_name: str) -> bytes:
    """Write the event with the finish reason, as the client gets it.

    `data` is what `read_finish` accepted, `head` the first chunk of the stream, whose id and time
    the event gets. The event has an empty delta and no usage.
    """
    chunk = _renamed(data, head, public_name)
    chunk["choices"][0]["delta"] = {}
    return b"data: %b\n\n" % _encoder.encode(chunk)


def with_arguments(data: bytes, head: Chunk, public_name: str) -> bytes:
    """Write the event that begins a tool call, with empty `arguments`, as OpenAI sends it.

    `data` is what `read_call_chunk` accepted, without `arguments`; `head` as in `finish_event`.
    """
    chunk = _renamed(data, head, public_name)
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


def _renamed(data: bytes, head: Chunk, public_name: str) -> dict[str, Any]:
    """A chunk as a value, with the stream's id and time, without usage and empty fingerprint."""
    chunk: dict[str, Any] = decode(data)
    chunk.pop("usage", None)
    if chunk.get("system_fingerprint", "") is None:
        del chunk["system_fingerprint"]
    chunk.update(id=head.id, created=head.created, model=public_name)
    return chunk


def _read(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """Parse; None where the bytes do not fit the type."""
    # The decoder skips fields without a type. The dialect's reader refuses them where they are
    # nested too deeply or not UTF-8, so both are checked here.
    if brackets_in(data) > _MOST_BRACKETS or (BACKSLASH in data and _LETTER.search(data)):
        return None
    try:
        if not data.isascii():
            data.decode()
        return decode(data)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
