"""Parsers for the shapes in which Llama models write calls.

Sources: the model cards of Llama 3.1, 3.2, 3.3 and 4; for what models make of them, the samples in
`tests/fixtures/rescue`, each with its address. The rules: docs/concepts/tool-call-rescue.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from puna.rescue.json_calls import FIRST_KEYS, read_json, read_json_calls
from puna.rescue.partial_text import END_TOKENS, LONGEST, Calls, Found, NoCall, Parsing, PartialText
from puna.rescue.pythonic import NAME, read_pythonic_call, read_pythonic_list
from puna.rescue.tools import MOST_CALLS, KnownTools

PYTHON_TAGS = ("<|python_tag|>", "<|python_start|>")
FUNCTION_TAG = "<function="
CALL_TAGS = ("<tool_call>", "<tool_calls>")

_FUNCTION_ENDS = ("</function>", "<function>", "<function/>")
_CALL_ENDS = ("</tool_call>", "</tool_calls>")
_LANGUAGES = ("json", "tool_call", "tool_calls", "tool_code")
_FENCE = "```"

_NOT_QUOTE = re.compile(r'[^"]*')
_LINE = re.compile(r"[^\n]{0,64}")
"""Of a fence's language; a longer line names none."""
_NOT_NAME = re.compile(r'[\s>=,:("]{0,8}')
_MOST_END_TOKENS = 1_024
"""Behind calls; a longer row of them tells nothing more."""
_EXTRA_CLOSERS = re.compile(r"[)\]}\"']{0,2}")


@dataclass(frozen=True, slots=True)
class _Tail:
    """What follows calls: the index where it ends, and whether text or a closing tag is in it."""

    end: int
    is_last: bool
    has_token: bool
    has_newline: bool


class Shapes:
    """One parser for each shape of calls. Each raises `NoCall` for a text of another shape.

    A parser gets the index at which to begin, and returns the index after the calls, and the calls.
    """

    def __init__(self, known: PartialText, tools: KnownTools) -> None:
        self._text = known
        self._tools = tools

    def parse_untagged(self, at: int, *, is_first: bool) -> Parsing[Found]:
        """Parse JSON calls, or a list of Python calls, without a tag.

        They must be the whole message, its beginning (then text follows on another line) or its
        end. With text on both sides they are taken for an example.
        """
        end, calls = yield from self._parse_calls(at)
        tail = yield from self._parse_tail(end)
        if tail.is_last or (is_first and (tail.has_token or tail.has_newline)):
            return tail.end, calls
        raise NoCall(end)

    def parse_single_python_call(self, at: int) -> Parsing[Found]:
        """Parse one Python call without brackets, which must be the whole message."""
        end, calls = yield from self._parse_python_call(at, at)
        tail = yield from self._parse_tail(end)
        if not tail.is_last:
            raise NoCall(end)
        return tail.end, calls

    def parse_fenced(self, at: int) -> Parsing[Found]:
        """Parse a code fence at the end of the message that holds only calls.

        `at` is at its language.
        """
        known = self._text
        line = yield from known.match_while(at, _LINE, _begins_language)
        if line.strip() not in ("", *_LANGUAGES) or self._text.text[at + len(line) :][:1] != "\n":
            raise NoCall(at)
        end, calls = yield from self._parse_calls((yield from known.skip_blank(at + len(line))))
        end = yield from known.skip_blank(end)
        fence = yield from known.match_one(end, (_FENCE,))
        tail = yield from self._parse_tail(end + len(fence))
        if not tail.is_last:
            raise NoCall(at)
        return tail.end, calls

    def parse_python_tag(self, at: int) -> Parsing[Found]:
        """Parse what follows `<|python_tag|>`: calls in any untagged shape.

        Other code is no call.
        """
        start = yield from self._text.skip_blank(at)
        try:
            end, calls = yield from self._parse_calls(start, allows_names=True)
        except NoCall as error:
            raise NoCall(None if error.resume is None else at) from error
        tail = yield from self._parse_tail(end)
        is_code = self._text.text[start] not in "{["
        if tail.is_last or tail.has_token or (tail.has_newline and not is_code):
            return tail.end, calls
        raise NoCall(at)

    def parse_function_tag(self, at: int) -> Parsing[Found]:
        """Parse what follows `<function=`: `name>{…}</function>`.

        Quotes around the name, other characters before the arguments and a wrong end are accepted.
        """
        known, tools = self._text, self._tools
        if (yield from known.peek(at)) == '"':
            at += 1
        name = yield from known.match_while(at, NAME, tools.has_prefix)
        if name not in tools:
            raise NoCall(at)
        start = at + len(name)
        start += len((yield from known.match_while(start, _NOT_NAME, _any_text)))
        if (yield from known.peek(start)) != "{":
            raise NoCall(at)

        def read(text: str) -> Calls | None:
            """The call with these arguments; None where they are no object."""
            arguments = read_json(text)
            if not isinstance(arguments, dict):
                return None
            call = tools.make_call(name, cast("Mapping[str, Any]", arguments))
            return [call] if call is not None else None

        end, calls = yield from known.read_brackets(start, read, needs_tag=True)
        return (yield from self._end_of_tagged(end, _FUNCTION_ENDS, (FUNCTION_TAG,))), calls

    def parse_call_tag(self, at: int) -> Parsing[Found]:
        """Parse what follows `<tool_call>`: JSON, as Hermes writes it."""
        try:
            end, calls = yield from self._parse_calls((yield from self._text.skip_blank(at)))
        except NoCall as error:
            raise NoCall(None if error.resume is None else at) from error
        return (yield from self._end_of_tagged(end, _CALL_ENDS, CALL_TAGS)), calls

    def _end_of_tagged(
        self, at: int, ends: tuple[str, ...], next_tags: tuple[str, ...]
    ) -> Parsing[int]:
        """The index where a tagged call ends.

        Its closing tag, the message's end, or the next call.
        """
        known = self._text
        stray = yield from known.match_while(at, _EXTRA_CLOSERS, _any_text)
        start = yield from known.skip_blank(at + len(stray))
        if (yield from known.peek(start)) == ">":
            start += 1
        closing = yield from known.match_one(start, (*ends, *next_tags))
        if closing in ends:
            return start + len(closing)
        if closing:
            return start
        tail = yield from self._parse_tail(start)
        if not (tail.is_last or tail.has_token):
            raise NoCall(at)
        return tail.end

    def _parse_calls(self, at: int, *, allows_names: bool = False) -> Parsing[Found]:
        """Parse one call or list of calls, and those that follow it directly."""
        end, calls = yield from self._parse_item(at, allows_names=allows_names)
        while True:
            start = yield from self._text.skip_blank(end)
            if (yield from self._text.peek(start)) in (";", ","):
                start = yield from self._text.skip_blank(start + 1)
            try:
                end, more = yield from self._parse_item(start, allows_names=allows_names)
            except NoCall:
                return end, calls
            calls += more
            if len(calls) > MOST_CALLS or end - at > LONGEST:
                raise NoCall(None)

    def _parse_item(self, at: int, *, allows_names: bool) -> Parsing[Found]:
        """Parse one call, or one list of calls."""
        known, tools = self._text, self._tools
        first = yield from known.peek(at)
        if first == "{":
            yield from self._check_head(at, at)
        elif first == "[":
            inner = yield from known.skip_blank(at + 1)
            if (yield from known.peek(inner)) == "{":
                yield from self._check_head(inner, at)
            else:
                yield from self._check_name(inner, at)
                found = yield from known.read_brackets(
                    at, lambda text: read_pythonic_list(text, tools), is_python=True
                )
                return found
        elif allows_names:
            return (yield from self._parse_python_call(at, at))
        else:
            raise NoCall(at + 1)
        return (yield from known.read_brackets(at, lambda text: read_json_calls(text, tools)))

    def _parse_python_call(self, at: int, start: int) -> Parsing[Found]:
        """Parse one call written as Python."""
        bracket = yield from self._check_name(at, start)

        def read(arguments: str) -> Calls | None:
            """The call with these arguments; None where they are none."""
            call = read_pythonic_call(self._text.text[at:bracket] + arguments, self._tools)
            return [call] if call is not None else None

        return (yield from self._text.read_brackets(bracket, read, is_python=True))

    def _check_name(self, at: int, start: int) -> Parsing[int]:
        """Parse the name of a known tool; gives the index of the bracket after it."""
        tools = self._tools

        def begins_call(part: str) -> bool:
            """Whether a part of a name may become a tool's."""
            return tools.has_prefix(part, ".call")

        name = yield from self._text.match_while(at, NAME, begins_call)
        end = at + len(name)
        is_known = name in tools or name.removesuffix(".call") in tools
        if not is_known or (yield from self._text.peek(end)) != "(":
            raise NoCall(start + 1)
        return end

    def _check_head(self, at: int, start: int) -> Parsing[None]:
        """Check that an object begins as a call does; most others differ in their first field."""
        key, end = yield from self._parse_string(
            at + 1, start, lambda part: _begins(FIRST_KEYS, part)
        )
        end = yield from self._text.skip_blank(end)
        if key not in FIRST_KEYS or (yield from self._text.peek(end)) != ":":
            raise NoCall(start + 1)
        if key == "name":
            name, _ = yield from self._parse_string(end + 1, start, self._tools.has_prefix)
            if name not in self._tools:
                raise NoCall(start + 1)
        elif key == "type":
            kind, _ = yield from self._parse_string(end + 1, start, "function".startswith)
            if kind != "function":
                raise NoCall(start + 1)

    def _parse_string(
        self, at: int, start: int, may_match: Callable[[str], bool]
    ) -> Parsing[tuple[str, int]]:
        """Parse a quoted string; gives its text and the index behind it."""
        known = self._text
        at = yield from known.skip_blank(at)
        if (yield from known.peek(at)) != '"':
            raise NoCall(start + 1)
        word = yield from known.match_while(at + 1, _NOT_QUOTE, may_match)
        return word, at + 1 + len(word) + 1

    def _parse_tail(self, at: int) -> Parsing[_Tail]:
        """Parse what follows calls.

        End tokens of the model belong to them, everything else does not.
        """
        known = self._text
        end, has_token, has_newline = at, False, False
        for _ in range(_MOST_END_TOKENS):
            start = yield from known.skip_blank(end)
            has_newline = has_newline or "\n" in known.text[end:start]
            token = yield from known.match_one(start, (*END_TOKENS, ";"))
            if not token:
                is_last = not (yield from known.peek(start))
                return _Tail(end, is_last, has_token, has_newline)
            has_token = has_token or token in END_TOKENS
            end = start + len(token)
        raise NoCall(None)


def _any_text(_: str) -> bool:
    """True: any text matches."""
    return True


def _begins(words: frozenset[str], part: str) -> bool:
    """Whether a text is the beginning of one of the words."""
    return any(word.startswith(part) for word in words)


def _begins_language(line: str) -> bool:
    """Whether a line may be the beginning of a fence's language."""
    return any(language.startswith(line.strip()) for language in _LANGUAGES)
