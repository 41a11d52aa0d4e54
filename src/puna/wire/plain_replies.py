"""What is read of replies and chunks that need no mending.

A reply is *plain* when it means the same to every reader, so that its bytes can be passed on.
Anything else, right or wrong, reads as None: the dialect's reader mends it, or explains it. Fields
that these types do not name are passed on unread.
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
"""Nesting is at most so deep; a text that holds as many brackets is no worse off the long way."""

_LETTER = re.compile(rb"\\u00(?:[67]|5[fF])")
"""A letter or `_` that is escaped, as no encoder does: no search finds a key that is spelled so."""

_MOST_CALLS = 1_024
"""No model means more calls in one answer."""

_Text = str | UnsetType
_Said = Annotated[str, Meta(min_length=1)]
_Visible = Annotated[str, Meta(pattern=r"\S")]
_TextOrNull = str | UnsetType | None
_Tokens = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
_Never = Literal["\0"] | UnsetType
"""A field that no plain value has."""


class _PromptDetails(Struct):
    cached_tokens: _Tokens | UnsetType = UNSET
    audio_tokens: _Tokens | UnsetType = UNSET


class _CompletionDetails(Struct):
    reasoning_tokens: _Tokens | UnsetType = UNSET
    audio_tokens: _Tokens | UnsetType = UNSET
    accepted_prediction_tokens: _Tokens | UnsetType = UNSET
    rejected_prediction_tokens: _Tokens | UnsetType = UNSET


class PlainUsage(Struct):
    """Tokens, all told."""

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
    name: _Said
    arguments: _Said


class _PlainCall(Struct):
    id: _Visible
    type: Literal["function"]
    function: _PlainFunction


class PlainMessage(Struct):
    """What a choice of a whole answer says."""

    role: str
    content: str | None
    refusal: str | UnsetType | None = UNSET
    annotations: list[Any] | UnsetType | None = UNSET
    tool_calls: list[_PlainCall] | UnsetType | None = UNSET
    function_call: UnsetType | None = UNSET


_PlainEnd = Literal["stop", "length", "content_filter", "tool_calls"]
"""Why plain answers end. Every other reason is for the readers that know what it means."""
TOOL_CALLS = "tool_calls"
"""Why an answer with calls ended."""

_CleanWord = Annotated[str, Meta(pattern=r"^(stop|length|completed?|STOP|MAX_TOKENS|end_turn)$")]


class _PlainChoice(Struct):
    index: int
    message: PlainMessage
    finish_reason: _PlainEnd
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: _CleanWord | UnsetType | None = UNSET

    @property
    def has_plain_calls(self) -> bool:
        """Whether the choice is one or more calls, each with an id of its own."""
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
        """How many fields say nothing, and are not in an answer of OpenAI's."""
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
    content: str | None
    role: _Text = UNSET
    refusal: UnsetType | None = UNSET


class PlainChunkChoice(Struct, forbid_unknown_fields=True):
    """What a chunk adds to one choice."""

    index: int
    delta: _PlainDelta
    finish_reason: None
    logprobs: UnsetType | None = UNSET
    stop_reason: UnsetType | None = UNSET  # of self-hosted servers, and the next
    token_ids: UnsetType | None = UNSET


class PlainChunk(Struct):
    """A chunk that only adds text to one choice."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion.chunk"]
    created: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    model: str
    choices: Annotated[list[PlainChunkChoice], Meta(min_length=1, max_length=1)]
    usage: UnsetType | None = UNSET
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET
    type: _Never = UNSET

    @property
    def nulls(self) -> int:
        """How many fields say nothing."""
        return (self.usage is None) + (self.system_fingerprint is None)


class _FunctionPiece(Struct, forbid_unknown_fields=True):
    name: _Said | UnsetType = UNSET
    arguments: str | UnsetType = UNSET


class CallPiece(Struct, forbid_unknown_fields=True):
    """A part of a streamed tool call: its beginning, or more of its arguments."""

    index: Annotated[int, Meta(ge=0, lt=_MOST_CALLS)]
    function: _FunctionPiece
    id: _Visible | UnsetType = UNSET
    type: Literal["function"] | UnsetType = UNSET


class _CallDelta(Struct, forbid_unknown_fields=True):
    tool_calls: Annotated[list[CallPiece], Meta(min_length=1, max_length=1)]
    role: _Text = UNSET
    content: UnsetType | None = UNSET
    refusal: UnsetType | None = UNSET


class _CallChoice(Struct, forbid_unknown_fields=True):
    index: Literal[0]
    delta: _CallDelta
    finish_reason: None
    logprobs: UnsetType | None = UNSET
    stop_reason: UnsetType | None = UNSET
    token_ids: UnsetType | None = UNSET


class CallChunk(Struct):
    """A chunk that only begins a tool call of the first choice, or adds to its arguments."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion.chunk"]
    created: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    model: str
    choices: Annotated[list[_CallChoice], Meta(min_length=1, max_length=1)]
    usage: UnsetType | None = UNSET
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET
    type: _Never = UNSET

    @property
    def nulls(self) -> int:
        """How many fields say nothing."""
        return (self.usage is None) + (self.system_fingerprint is None)


class _EmptyDelta(Struct, forbid_unknown_fields=True):
    content: Literal[""] | UnsetType | None = UNSET
    role: _TextOrNull = UNSET


class _FinishChoice(Struct):
    index: Literal[0]
    delta: _EmptyDelta
    finish_reason: _PlainEnd
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: _CleanWord | UnsetType | None = UNSET


class PlainFinish(Struct):
    """A chunk that only says why the only choice ended; some hosts tell the usage in it."""

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
    """A chunk that only tells the tokens."""

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
    """A whole reply, where it is plain."""
    reply = _read(_reply_decoder.decode, body)
    if reply is None:
        return None
    for choice in reply.choices:
        message = choice.message
        if (message.content is None or message.tool_calls) and not choice.has_plain_calls:
            return None
    return reply


def read_chunk(data: bytes) -> PlainChunk | None:
    """An event's data, where it only adds text to one choice."""
    return _read(_chunk_decoder.decode, data)


def reread_chunk(data: bytes) -> PlainChunk | None:
    """The same of data that was read before: only its kind is asked."""
    try:
        return _chunk_decoder.decode(data)
    except MsgspecError:
        return None


def read_call_chunk(data: bytes) -> CallChunk | None:
    """An event's data, where it only begins or continues a tool call."""
    return _read(_call_decoder.decode, data)


def read_finish(data: bytes) -> PlainFinish | None:
    """An event's data, where it only ends the only choice."""
    return _read(_finish_decoder.decode, data)


def read_usage_chunk(data: bytes) -> PlainUsageChunk | None:
    """An event's data, where it only tells the tokens."""
    return _read(_usage_decoder.decode, data)


def finish_event(data: bytes, head: PlainChunk | CallChunk, public_name: str) -> bytes:
    """What `read_finish` has read, as the caller gets it: the delta empty, and no usage."""
    chunk: dict[str, Any] = decode(data)
    chunk.pop("usage", None)
    if chunk.get("system_fingerprint", "") is None:
        del chunk["system_fingerprint"]
    chunk.update(id=head.id, created=head.created, model=public_name)
    chunk["choices"][0]["delta"] = {}
    return b"data: %b\n\n" % _encoder.encode(chunk)


def with_arguments(data: bytes, head: PlainChunk | CallChunk, public_name: str) -> bytes:
    """The event of a call that begins without arguments, with empty ones, as OpenAI sends them."""
    chunk: dict[str, Any] = decode(data)
    chunk.pop("usage", None)
    if chunk.get("system_fingerprint", "") is None:
        del chunk["system_fingerprint"]
    chunk.update(id=head.id, created=head.created, model=public_name)
    chunk["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] = ""
    return b"data: %b\n\n" % _encoder.encode(chunk)


def usage_event(data: bytes, head: PlainChunk | CallChunk, public_name: str) -> bytes:
    """The event with the usage that an event's data tells."""
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


def _read(decode: Callable[[bytes], T], data: bytes) -> T | None:
    # Fields that are not read are not looked into: the readers of the other way may refuse them.
    if brackets_in(data) > _MOST_BRACKETS or (BACKSLASH in data and _LETTER.search(data)):
        return None
    try:
        if not data.isascii():
            data.decode()
        return decode(data)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
