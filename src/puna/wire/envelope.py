"""The few fields that the fast lane reads.

What is read here is *plain*: it means the same to every reader, so it can be passed on as it is.
Anything else, right or wrong, reads as None and goes the long way, whose readers mend and explain.
Plain is what fits these types. Fields of a reply that they do not name are passed on unread.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder, Encoder, decode
from msgspec.structs import replace

from puna.types.counts import MOST_TOKENS

T = TypeVar("T")

PLAIN_ROLES = frozenset(("system", "user", "assistant"))
"""Whose messages are plain: a role, and a text as content."""

_SYSTEM = "system"
_MOST = 2**63 - 1

_MOST_BRACKETS = 150
"""Nesting is at most so deep; a text that holds as many brackets is no worse off the long way."""

_Text = str | UnsetType
_TextOrNull = str | UnsetType | None
_Number = Annotated[int, Meta(gt=-_MOST, le=_MOST)] | float | UnsetType
_Count = Annotated[int, Meta(ge=1, le=_MOST)] | UnsetType
_Tokens = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
_Never = Literal["\0"] | UnsetType
"""A field that no plain value has."""


class _StreamOptions(Struct, forbid_unknown_fields=True):
    include_usage: bool


class _PlainRequestMessage(Struct, forbid_unknown_fields=True):
    role: Literal["system", "user", "assistant"]
    content: Annotated[str, Meta(min_length=1)]


class ChatEnvelope(Struct, forbid_unknown_fields=True, omit_defaults=True):
    """A plain chat request: texts and sampling parameters, nothing to mend or to refuse."""

    model: Annotated[str, Meta(min_length=1, max_length=256)]
    messages: Annotated[list[_PlainRequestMessage], Meta(min_length=1)]
    stream: bool = False
    frequency_penalty: _Number = UNSET
    max_completion_tokens: _Count = UNSET
    max_tokens: _Count = UNSET
    n: _Count = UNSET
    presence_penalty: _Number = UNSET
    seed: Annotated[int, Meta(gt=-_MOST, le=_MOST)] | UnsetType = UNSET
    stop: str | list[str] | UnsetType = UNSET
    stream_options: _StreamOptions | UnsetType = UNSET
    temperature: _Number = UNSET
    top_p: _Number = UNSET
    user: _Text = UNSET

    def is_led(self, body: bytes) -> bool:
        """Whether instructions stand in the first message only. `body` is what was decoded."""
        is_first = self.messages[0].role == _SYSTEM
        # The bytes tell it at once, unless letters are escaped.
        if body.count(b'"system"') == is_first and body.find(b"\\u") < 0:
            return True
        return not any(message.role == _SYSTEM for message in self.messages[1:])

    def plain_messages(self) -> list[dict[str, Any]]:
        """The messages as plain values."""
        return [{"role": one.role, "content": one.content} for one in self.messages]

    def params(self) -> dict[str, Any]:
        """The parameters that the caller gave, as plain values."""
        given = {name: value for name in _PARAMS if (value := getattr(self, name)) is not UNSET}
        if self.stream_options is not UNSET:
            given["stream_options"] = {"include_usage": self.stream_options.include_usage}
        return given


_PARAMS = tuple(
    name
    for name in ChatEnvelope.__struct_fields__
    if name not in ("model", "messages", "stream", "stream_options")
)


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

    @property
    def nulls(self) -> int:
        """How many fields say nothing."""
        return (self.prompt_tokens_details is None) + (self.completion_tokens_details is None)


class _PlainMessage(Struct):
    role: str
    content: str
    refusal: str | UnsetType | None = UNSET
    annotations: list[Any] | UnsetType = UNSET
    tool_calls: _Never = UNSET
    function_call: _Never = UNSET


_PlainEnd = Literal["stop", "length", "content_filter"]
"""Why plain answers end. Every other reason is for the readers that know what it means."""
_CleanWord = Annotated[str, Meta(pattern=r"^(stop|length|completed?|STOP|MAX_TOKENS|end_turn)$")]


class _PlainChoice(Struct):
    index: int
    message: _PlainMessage
    finish_reason: _PlainEnd
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: _CleanWord | UnsetType | None = UNSET


class PlainReply(Struct):
    """A whole answer that needs no mending."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion"]
    created: Annotated[int, Meta(ge=1)]
    model: str
    choices: Annotated[list[_PlainChoice], Meta(min_length=1)]
    usage: PlainUsage
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET


class _PlainDelta(Struct, forbid_unknown_fields=True):
    content: str
    role: _Text = UNSET
    refusal: UnsetType | None = UNSET


class _PlainChunkChoice(Struct, forbid_unknown_fields=True):
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
    created: Annotated[int, Meta(ge=1)]
    model: str
    choices: Annotated[list[_PlainChunkChoice], Meta(min_length=1, max_length=1)]
    usage: UnsetType | None = UNSET
    system_fingerprint: _TextOrNull = UNSET
    error: _Never = UNSET


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
    error: _Never = UNSET


class PlainUsageChunk(Struct):
    """A chunk that only tells the tokens."""

    object: Literal["chat.completion.chunk"]
    choices: Annotated[list[None], Meta(max_length=0)]
    usage: PlainUsage
    error: _Never = UNSET


_request_decoder = Decoder(ChatEnvelope)
_reply_decoder = Decoder(PlainReply)
_chunk_decoder = Decoder(PlainChunk)
_finish_decoder = Decoder(PlainFinish)
_usage_decoder = Decoder(PlainUsageChunk)
_encoder = Encoder()


def read_envelope(body: bytes) -> ChatEnvelope | None:
    """A request's body, where it is plain."""
    try:
        envelope = _request_decoder.decode(body)  # it knows all fields, so all texts are decoded
    except (MsgspecError, UnicodeDecodeError):
        return None
    if envelope.max_tokens is not UNSET and envelope.max_completion_tokens is not UNSET:
        return None
    if envelope.stream_options is not UNSET and not envelope.stream:
        return None
    return envelope


def encode_request(
    envelope: ChatEnvelope, upstream_model: str, *, asks_usage: bool = False
) -> bytes:
    """The body for a host that knows the model as `upstream_model`.

    `asks_usage` asks for a stream's usage, whether the caller did or not.
    """
    if asks_usage:
        return _encoder.encode(
            replace(envelope, model=upstream_model, stream_options=_StreamOptions(True))
        )
    if envelope.model == upstream_model:
        return _encoder.encode(envelope)
    return _encoder.encode(replace(envelope, model=upstream_model))


def read_reply(body: bytes) -> PlainReply | None:
    """A whole reply, where it is plain."""
    return _read(_reply_decoder.decode, body)


def read_chunk(data: bytes) -> PlainChunk | None:
    """An event's data, where it only adds text to one choice."""
    return _read(_chunk_decoder.decode, data)


def read_finish(data: bytes) -> PlainFinish | None:
    """An event's data, where it only ends the only choice."""
    return _read(_finish_decoder.decode, data)


def read_usage_chunk(data: bytes) -> PlainUsageChunk | None:
    """An event's data, where it only tells the tokens."""
    return _read(_usage_decoder.decode, data)


def finish_event(data: bytes, head: PlainChunk, public_name: str) -> bytes:
    """What `read_finish` has read, as the caller gets it: the delta empty, and no usage."""
    chunk: dict[str, Any] = decode(data)
    chunk.pop("usage", None)
    if chunk.get("system_fingerprint", "") is None:
        del chunk["system_fingerprint"]
    chunk.update(id=head.id, created=head.created, model=public_name)
    chunk["choices"][0]["delta"] = {}
    return b"data: %b\n\n" % _encoder.encode(chunk)


def usage_event(data: bytes, head: PlainChunk, public_name: str) -> bytes:
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
    if data.count(b"[") + data.count(b"{") > _MOST_BRACKETS:
        return None
    try:
        if not data.isascii():
            data.decode()
        return decode(data)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
