"""Edits the bytes of plain replies and chunks: the model's name, and null or missing fields.

A host's null fields that say nothing are removed; the null fields and the empty list that OpenAI's
answers always have are added. The rest of the bytes stays.
"""

from __future__ import annotations

import re
from itertools import product

from msgspec import UNSET
from msgspec.json import encode

from puna.wire.plain_chunks import Chunk
from puna.wire.plain_replies import PlainMessage, PlainReply

# Inside a JSON text every quote is escaped, so these match keys only; a key of a nested object
# may match as well, and is counted.
_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_NULL = re.compile(
    rb'[{,]\s*"(?:(?:usage|system_fingerprint|(?:prompt|completion)_tokens_details|annotations'
    rb'|function_call)"\s*:\s*null|tool_calls"\s*:\s*(?:null|\[\s*\]))'
)
_MESSAGE = re.compile(rb'"message"\s*:\s*\{')
_START = re.compile(
    rb'"model"\s*:\s*"[^"\\]*"\s*,\s*"choices"\s*:\s*\[\s*\{\s*"index"\s*:\s*0\s*,'
    rb'\s*"message"\s*:\s*\{'
)

Missing = tuple[bool, bool, bool]
"""Whether a choice missing `message.refusal`, `message.annotations` and `logprobs`."""


def _missing_bytes(no_refusal: bool, no_annotations: bool, no_logprobs: bool) -> bytes:  # noqa: FBT001 - the parts of `Missing`
    """The bytes to insert for missing fields, up to and including the message's opening bracket."""
    refusal = b'"refusal":null,' if no_refusal else b""
    annotations = b'"annotations":[],' if no_annotations else b""
    logprobs = b'"logprobs":null,' if no_logprobs else b""
    return b'%b"message":{%b%b' % (logprobs, refusal, annotations)


_FILLED = {missing: _missing_bytes(*missing) for missing in product((False, True), repeat=3)}


def fill_fields(data: bytes, plain: PlainReply) -> bytes | None:
    """Insert the fields `refusal`, `annotations` and `logprobs` that a whole reply lacks.

    OpenAI's answers always have these: null, an empty list, null. None where their place in the
    bytes cannot be found for certain.
    """
    choices = plain.choices
    missing = {
        (one.message.refusal is UNSET, not _has_annotations(one.message), one.logprobs is UNSET)
        for one in choices
    }
    return insert_fields(data, len(choices), missing.pop()) if len(missing) == 1 else None


def _has_annotations(message: PlainMessage) -> bool:
    """Whether a message has a list of annotations."""
    return isinstance(message.annotations, list)


def insert_fields(data: bytes, choices: int, missing: Missing) -> bytes | None:
    """Insert the missing fields into each of a reply's `choices` (their number).

    None where the messages cannot be told from other parts of the reply.
    """
    if not any(missing):
        return data
    made, found = _MESSAGE.subn(_FILLED[missing], data)
    return made if found == choices else None


class Renaming:
    """Replaces a host's model name with the public one, in the bytes of plain replies and chunks.

    It remembers how the host writes the name and its null fields, so that a later reply or chunk is
    edited without a search.
    """

    def __init__(self, public_name: str) -> None:
        self.public_name = public_name
        self._field = b'"model":' + encode(public_name)
        # What the host wrote last, nearly always in the same way: found without the pattern.
        self._upstream_name: str | None = None
        self._upstream_field = b""
        # The same of a whole reply, from the name to the only message.
        self._upstream_start = self._public_start = b""
        self._upstream_nulls: tuple[bytes, ...] = ()
        self._no_refusal = self._no_logprobs = False
        self._annotations: object = UNSET
        """Of the last message: absent, null, or a list."""

    def complete(self, data: bytes, plain: PlainReply) -> bytes | None:
        """A whole reply with the public name and with the fields of `fill_fields`.

        None where the bytes cannot be edited for certain.
        """
        choice, start = plain.choices[0], self._upstream_start
        message = choice.message
        if (
            start
            and (message.refusal is UNSET) is self._no_refusal
            and (
                message.annotations is self._annotations
                or (self._annotations is list and type(message.annotations) is list)
            )
            and (choice.logprobs is UNSET) is self._no_logprobs
            and len(plain.choices) == 1
        ):
            made: bytes | None = data.replace(start, self._public_start)
            if made is not data and data.count(b'"model"') == 1:  # there, and nowhere else
                usage = plain.usage
                if (
                    self._upstream_nulls
                    or message.tool_calls is not UNSET
                    or message.function_call is None
                    or plain.system_fingerprint is None
                    or usage.prompt_tokens_details is None
                    or usage.completion_tokens_details is None
                ):
                    made = self._without_nulls(made or b"", plain)
                if made is not None:
                    return made
        renamed = self.apply(data, plain)
        filled = fill_fields(renamed, plain) if renamed is not None else None
        if filled is not None and len(plain.choices) == 1:
            self._learn(data, plain)
        return filled

    def _without_nulls(self, data: bytes, plain: PlainReply) -> bytes | None:
        """The reply without null fields, if the host writes the same ones as in its last reply.

        Else None.
        """
        if plain.nulls != len(self._upstream_nulls):
            return None
        for null in self._upstream_nulls:
            made = data.replace(null, b"")
            if len(made) != len(data) - len(null):
                return None  # not there, or more than once
            data = made
        return data

    def _learn(self, data: bytes, plain: PlainReply) -> None:
        """Remember how this host writes the bytes before the message, its name and its nulls."""
        found, choice = _START.search(data), plain.choices[0]
        if found is not None:
            self._upstream_nulls = tuple(_NULL.findall(data)) if plain.nulls else ()
            self._upstream_start = found[0]
            named = found[0]
            if plain.model != self.public_name:
                named = _MODEL.sub(self._name_field, named)
            self._public_start = fill_fields(named, plain) or named
            self._no_refusal = choice.message.refusal is UNSET
            given = choice.message.annotations
            self._annotations = list if isinstance(given, list) else given
            self._no_logprobs = choice.logprobs is UNSET

    def apply(self, data: bytes, plain: PlainReply | Chunk) -> bytes | None:
        """The same JSON with the public name and without null fields.

        None where the name cannot be told from other texts.
        """
        nulls = plain.nulls
        if nulls:
            found = _NULL.findall(data)
            if len(found) != nulls or any(field[:1] == b"{" for field in found):
                return None
            data = _NULL.sub(b"", data)
        if plain.model == self.public_name:
            return data
        if plain.model != self._upstream_name:
            self._upstream_name = plain.model
            self._upstream_field = b'"model":' + encode(plain.model)
        if data.count(b'"model"') == 1 and data.find(self._upstream_field) >= 0:
            return data.replace(self._upstream_field, self._field)
        data, renamed = _MODEL.subn(self._name_field, data)
        return data if renamed == 1 else None

    def _name_field(self, _: re.Match[bytes]) -> bytes:
        """The field `model` with the public name. Called for each match of the pattern."""
        return self._field
