"""Parses whole replies that can be passed on to the client as they are.

A reply or chunk is *plain* when every client understands it in the same way, so that its bytes can
be passed on. The functions here and in `plain_chunks.py` give None for any other one, valid or not:
then the dialect's reader corrects it, or explains the error. Where a type allows further fields,
these are passed on unread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal, TypeVar

from msgspec import UNSET, Meta, MsgspecError, Struct, UnsetType
from msgspec.json import Decoder

from puna.types.counts import MOST_TOKENS
from puna.wire.octets import BACKSLASH, count_brackets

T = TypeVar("T")

_MOST_BRACKETS = 150
"""A body with more brackets may be nested too deeply, and goes to the dialect's reader."""

_LETTER = re.compile(rb"\\u00(?:6[1-9a-fA-F]|7[0-9aA]|5[fF])")
"""Matches an escaped letter or `_`: no encoder writes one, and a search for a key misses it."""

MOST_CALLS = 1_024
"""An answer with more tool calls goes to the dialect's reader."""

NonEmptyText = Annotated[str, Meta(min_length=1)]
NotBlankText = Annotated[str, Meta(pattern=r"\S")]
TextOrNull = str | UnsetType | None
_Tokens = Annotated[int, Meta(ge=0, le=MOST_TOKENS)]
Never = Literal["\0"] | UnsetType
"""The type of a field that makes a value not plain, whatever it holds."""


class _PromptDetails(Struct):
    """The details of prompt tokens that a plain usage may have."""

    cached_tokens: _Tokens | UnsetType = UNSET
    audio_tokens: _Tokens | UnsetType = UNSET
    cache_creation_tokens: Literal[0] | UnsetType = UNSET  # others are priced by the reader


class _CompletionDetails(Struct):
    """The details of completion tokens that a plain usage may have."""

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
    estimated: Never = UNSET

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that came from the host's cache."""
        details = self.prompt_tokens_details
        return details.cached_tokens or 0 if details else 0

    @property
    def reasoning_tokens(self) -> int | None:
        """Completion tokens that were reasoning; None where the host does not report them."""
        details = self.completion_tokens_details
        tokens = details.reasoning_tokens if details else None
        return tokens if isinstance(tokens, int) else None


class _PlainFunction(Struct):
    """The function of a call of a whole answer."""

    name: NonEmptyText
    arguments: NonEmptyText


class _PlainCall(Struct):
    """A tool call of a whole answer."""

    id: NotBlankText
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


FinishReason = Literal["stop", "length", "content_filter", "tool_calls"]
"""The finish reasons of plain answers. Any other reason goes to the dialect's reader."""
TOOL_CALLS = "tool_calls"
"""The finish reason of an answer with tool calls."""

KnownWord = Annotated[str, Meta(pattern=r"^(stop|length|completed?|STOP|MAX_TOKENS|end_turn)$")]


class _PlainChoice(Struct):
    """A choice of a whole answer."""

    index: int
    message: PlainMessage
    finish_reason: FinishReason
    logprobs: UnsetType | None = UNSET
    error: UnsetType | None = UNSET
    native_finish_reason: KnownWord | UnsetType | None = UNSET

    @property
    def has_plain_calls(self) -> bool:
        """Whether the choice ended with tool calls, each of which has an id of its own."""
        calls = self.message.tool_calls
        return bool(
            calls
            and self.finish_reason == TOOL_CALLS
            and self.message.content != ""
            and len({call.id for call in calls}) == len(calls) <= MOST_CALLS
        )


class PlainReply(Struct):
    """A whole answer that the fast lane can pass on by its bytes."""

    id: Annotated[str, Meta(min_length=1)]
    object: Literal["chat.completion"]
    created: Annotated[int, Meta(ge=1, le=MOST_TOKENS)]
    model: str
    choices: Annotated[list[_PlainChoice], Meta(min_length=1)]
    usage: PlainUsage
    system_fingerprint: TextOrNull = UNSET
    error: Never = UNSET
    type: Never = UNSET

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


_decoder = Decoder(PlainReply)


def read_reply(body: bytes) -> PlainReply | None:
    """Parse the body of a whole reply; None where it is not plain."""
    reply = parse_plain(_decoder.decode, body)
    if reply is None:
        return None
    for choice in reply.choices:
        message = choice.message
        if (message.content is None or message.tool_calls) and not choice.has_plain_calls:
            return None
    return reply


def parse_plain(decode: Callable[[bytes], T], data: bytes) -> T | None:
    """Parse with a decoder; None where its type does not fit, or the bytes are unusual."""
    """Parse; None where the bytes do not fit the type."""
    # The decoder skips fields without a type. The dialect's reader refuses them where they are
    # nested too deeply or not UTF-8, so both are checked here.
    if count_brackets(data) > _MOST_BRACKETS or (BACKSLASH in data and _LETTER.search(data)):
        return None
    try:
        if not data.isascii():
            data.decode()
        return decode(data)
    except (MsgspecError, UnicodeDecodeError, RecursionError):
        return None
