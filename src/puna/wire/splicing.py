"""What changes in the bytes of plain replies and chunks: the model's name, and nulls.

A host's nulls that say nothing go; those that OpenAI's schema wants come.
"""

from __future__ import annotations

import re

from msgspec import UNSET
from msgspec.json import encode

from puna.wire.envelope import PlainChunk, PlainReply

# Inside a JSON text every quote is escaped, so these match keys only; a key of a nested object
# may match as well, and is counted.
_MODEL = re.compile(rb'"model"\s*:\s*"(?:[^"\\]|\\.)*"')
_NULL = re.compile(
    rb'[{,]\s*"(?:usage|system_fingerprint|(?:prompt|completion)_tokens_details)"\s*:\s*null'
)
_MESSAGE = re.compile(rb'"message"\s*:\s*\{')
_START = re.compile(
    rb'"model"\s*:\s*"[^"\\]*"\s*,\s*"choices"\s*:\s*\[\s*\{\s*"index"\s*:\s*0\s*,'
    rb'\s*"message"\s*:\s*\{'
)
_NO_REFUSAL = b'"message":{"refusal":null,'
_NO_LOGPROBS = b'"logprobs":null,"message":{'
_NEITHER = b'"logprobs":null,"message":{"refusal":null,'


def fill_nulls(data: bytes, plain: PlainReply) -> bytes | None:
    """A whole reply with a null for each of `refusal` and `logprobs` that the host left out.

    OpenAI's schema wants both. None where it is not clear where they belong.
    """
    choices = plain.choices
    first = choices[0]
    no_refusal, no_logprobs = first.message.refusal is UNSET, first.logprobs is UNSET
    if len(choices) > 1 and any(
        (one.message.refusal is UNSET) is not no_refusal
        or (one.logprobs is UNSET) is not no_logprobs
        for one in choices
    ):
        return None
    if not (no_refusal or no_logprobs):
        return data
    return insert_nulls(data, len(choices), no_refusal=no_refusal, no_logprobs=no_logprobs)


def insert_nulls(data: bytes, choices: int, *, no_refusal: bool, no_logprobs: bool) -> bytes | None:
    """A whole reply whose choices all lack `refusal`, `logprobs` or both, with nulls for them.

    None where the messages of so many choices cannot be told from other fields.
    """
    filled = (_NEITHER if no_logprobs else _NO_REFUSAL) if no_refusal else _NO_LOGPROBS
    made, found = _MESSAGE.subn(filled, data)
    return made if found == choices else None


class Renaming:
    """Puts one model's public name in the bytes of plain replies and chunks."""

    def __init__(self, public_name: str) -> None:
        self.public_name = public_name
        self._field = b'"model":' + encode(public_name)
        # What the host wrote last, nearly always in the same way: found without the pattern.
        self._their_name: str | None = None
        self._their_field = b""
        # The same of a whole reply, from the name to the only message.
        self._their_start = self._our_start = b""
        self._no_refusal = self._no_logprobs = False

    def complete(self, data: bytes, plain: PlainReply) -> bytes | None:
        """A whole reply under the public name, with the nulls of `fill_nulls`."""
        choice, usage, start = plain.choices[0], plain.usage, self._their_start
        if (
            start
            and (choice.message.refusal is UNSET) is self._no_refusal
            and (choice.logprobs is UNSET) is self._no_logprobs
            and len(plain.choices) == 1
            and plain.system_fingerprint is not None
            and usage.prompt_tokens_details is not None
            and usage.completion_tokens_details is not None
            and start in data
            and data.count(b'"model"') == 1
        ):
            return data.replace(start, self._our_start)
        renamed = self.apply(data, plain)
        filled = fill_nulls(renamed, plain) if renamed is not None else None
        if filled is not None and len(plain.choices) == 1:
            self._learn(data, plain)
        return filled

    def _learn(self, data: bytes, plain: PlainReply) -> None:
        """Note what stands before the message, if the only name stands there too."""
        found, choice = _START.search(data), plain.choices[0]
        if found is not None:
            self._their_start = found[0]
            named = found[0]
            if plain.model != self.public_name:
                named = _MODEL.sub(self._make, named)
            self._our_start = fill_nulls(named, plain) or named
            self._no_refusal = choice.message.refusal is UNSET
            self._no_logprobs = choice.logprobs is UNSET

    def apply(self, data: bytes, plain: PlainReply | PlainChunk) -> bytes | None:
        """The same JSON under the public name, without nulls that say nothing.

        None where a name to change cannot be told from others.
        """
        nulls = (plain.usage is None) + (plain.system_fingerprint is None)
        if plain.usage:
            nulls += plain.usage.nulls
        if nulls:
            found = _NULL.findall(data)
            if len(found) != nulls or any(field[:1] == b"{" for field in found):
                return None
            data = _NULL.sub(b"", data)
        if plain.model == self.public_name:
            return data
        if plain.model != self._their_name:
            self._their_name = plain.model
            self._their_field = b'"model":' + encode(plain.model)
        if data.count(b'"model"') == 1 and self._their_field in data:
            return data.replace(self._their_field, self._field)
        data, renamed = _MODEL.subn(self._make, data)
        return data if renamed == 1 else None

    def _make(self, _: re.Match[bytes]) -> bytes:
        return self._field
