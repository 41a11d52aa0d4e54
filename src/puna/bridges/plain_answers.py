"""Whole chat answers as typed values, for bridges that need few of their fields.

An answer with anything beyond texts and calls (thoughts, refusals, log probabilities, a field that
is not known here) gives None: then the bridge reads it as a `ChatCompletion`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder

_Absent = UnsetType | None
_Tokens = int | UnsetType | None


class PlainFunction(Struct):
    """The function that a call names, and its arguments as JSON text."""

    name: str
    arguments: str


class PlainCall(Struct):
    """A tool call."""

    id: str
    function: PlainFunction


class PlainContent(Struct, forbid_unknown_fields=True):
    """What was said: a text, calls, or both."""

    role: str
    content: str | UnsetType | None = UNSET
    tool_calls: list[PlainCall] | UnsetType | None = UNSET
    annotations: Raw | UnsetType = UNSET
    audio: _Absent = UNSET
    function_call: _Absent = UNSET
    reasoning: _Absent = UNSET
    reasoning_content: _Absent = UNSET
    refusal: _Absent = UNSET


class PlainChoice(Struct, forbid_unknown_fields=True):
    """A choice of an answer. `stop_reason` is what vLLM stopped at: a text, or a token."""

    index: int
    message: PlainContent
    finish_reason: str
    logprobs: _Absent = UNSET
    stop_reason: str | int | UnsetType | None = UNSET
    token_ids: _Absent = UNSET


class _PromptDetails(Struct):
    cached_tokens: _Tokens = UNSET
    cache_creation_tokens: _Tokens = UNSET


class _CompletionDetails(Struct):
    reasoning_tokens: _Tokens = UNSET


class PlainTokens(Struct):
    """The usage of an answer, in tokens."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    prompt_tokens_details: _PromptDetails | UnsetType | None = UNSET
    completion_tokens_details: _CompletionDetails | UnsetType | None = UNSET
    estimated: _Absent = UNSET

    @property
    def cached_tokens(self) -> int:
        """Prompt tokens that came from the host's cache."""
        details = self.prompt_tokens_details
        return (details.cached_tokens or 0) if details else 0

    @property
    def cache_creation_tokens(self) -> int:
        """Prompt tokens that were written to the host's cache."""
        details = self.prompt_tokens_details
        return (details.cache_creation_tokens or 0) if details else 0

    @property
    def reasoning_tokens(self) -> int | None:
        """Completion tokens that were thoughts; None where the host does not say."""
        details = self.completion_tokens_details
        tokens = details.reasoning_tokens if details else None
        return tokens if isinstance(tokens, int) else None


class PlainAnswer(Struct):
    """A whole chat answer."""

    id: str
    model: str
    choices: Annotated[list[PlainChoice], Meta(min_length=1)]
    usage: PlainTokens
    service_tier: str | UnsetType | None = UNSET

    @property
    def has_calls(self) -> bool:
        """Whether the first choice calls tools."""
        return bool(self.choices[0].message.tool_calls)


_decoder = Decoder(PlainAnswer)


def read_plain_answer(body: bytes) -> PlainAnswer | None:
    """Parse the body of a whole chat answer; None where it holds more than texts and calls."""
    try:
        return _decoder.decode(body)
    except MsgspecError:
        return None
