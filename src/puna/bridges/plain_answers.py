"""Whole chat answers as typed values, for bridges that need few of their fields.

An answer with anything beyond texts and calls (thoughts, refusals, log probabilities, a field that
is not known here) gives None: then the bridge reads it as a `ChatCompletion`.
"""

from __future__ import annotations

from typing import Annotated

from msgspec import UNSET, Meta, MsgspecError, Raw, Struct, UnsetType
from msgspec.json import Decoder

from puna.wire.plain_replies import PlainUsage

_Absent = UnsetType | None


class PlainFunction(Struct):
    """The function that a call names, and its arguments as JSON text."""

    name: str
    arguments: str


class PlainCall(Struct):
    """A tool call."""

    id: str
    function: PlainFunction


class PlainContent(Struct, forbid_unknown_fields=True):
    """The message of a choice: a text, calls, or both."""

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


class PlainAnswer(Struct):
    """A whole chat answer."""

    id: str
    model: str
    choices: Annotated[list[PlainChoice], Meta(min_length=1)]
    usage: PlainUsage
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
