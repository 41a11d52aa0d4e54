"""`response_format` for hosts that do not know it: the instruction, and finding JSON in the answer.

The schema goes into the system message; an answer that does not fit is sent back with what is wrong
with it. The rules, in a table: docs/guides/structured-output.md.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, cast

from puna.errors import BadRequestError

Message = dict[str, Any]

_FORMAT = "response_format"
_SYSTEM_ROLES = ("system", "developer")
_ONLY = "Write the JSON text and nothing else: no explanation, no code fence."
_FENCE_OPENS = re.compile(r"^[ \t]*```[\w-]*[ \t]*\n", re.MULTILINE)
_FENCE_CLOSES = re.compile(r"```[ \t]*$", re.MULTILINE)
_OPENING = re.compile(r"[\[{]")
_BRACKETS = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[\]{}]', re.DOTALL)
"""A text without an end goes to the end of all: else each quote in it would begin another."""


def schema_of(wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """The JSON schema of a `response_format`; None for one that demands any JSON object."""
    if wanted.get("type") != "json_schema":
        return None
    return cast("Mapping[str, Any]", wanted["json_schema"]["schema"])


def instruction_of(wanted: Mapping[str, Any]) -> str:
    """The instruction to the model that stands for a `response_format`.

    Raises:
        BadRequestError: the schema holds a value that JSON does not have.
    """
    schema = schema_of(wanted)
    if schema is None:
        return f"Answer with one JSON object. {_ONLY}"
    try:
        text = json.dumps(schema, ensure_ascii=False, allow_nan=False)
    except (RecursionError, TypeError, ValueError) as error:
        raise BadRequestError(
            f"`{_FORMAT}.json_schema.schema` is no JSON: {type(error).__name__}.", param=_FORMAT
        ) from error
    about = wanted["json_schema"].get("description")
    purpose = f"\n\nWhat it is for: {about}" if isinstance(about, str) and about else ""
    return (
        f"Answer with one JSON value that satisfies the JSON schema below. {_ONLY}{purpose}"
        f"\n\nJSON schema:\n{text}"
    )


def with_instruction(messages: Sequence[Message], instruction: str) -> tuple[Message, ...]:
    """The messages with the instruction at the end of the first system message, or in a new one.

    Many chat templates accept only one system message, the first.
    """
    first, *others = messages
    if first["role"] not in _SYSTEM_ROLES:
        return ({"role": "system", "content": instruction}, *messages)
    content = first.get("content")
    if isinstance(content, str) or not content:
        joined: Any = f"{content}\n\n{instruction}" if content else instruction
    else:
        joined = [*content, {"type": "text", "text": instruction}]
    return ({**first, "content": joined}, *others)


def with_correction(messages: Sequence[Message], said: str, fault: str) -> tuple[Message, ...]:
    """The messages, followed by the rejected answer and by a user message with its fault."""
    answer = [{"role": "assistant", "content": said}] if said else []
    again = f"That answer cannot be used: {fault}. Answer again. {_ONLY}"
    return (*messages, *answer, {"role": "user", "content": again})


def find_json(text: str) -> str | None:
    """The JSON text in an answer, as the model wrote it; None where there is none.

    It is the whole text, or the content of the only code fence, or the first complete object or
    list. A number or a word in prose is no answer, and neither is part of a value that is malformed
    or cut.
    """
    whole = text.strip()
    if _is_json(whole):
        return whole
    fenced = list(islice(_fenced_parts(text), 2))
    if len(fenced) == 1 and _is_json(fenced[0]):
        return fenced[0]
    return next((span for span in _bracketed_parts(text) if _is_json(span)), None)


def read_json(text: str) -> Any:
    """Parse a JSON text. Raises ValueError where it is invalid; `NaN` is."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error


def _refuse_constant(constant: str) -> Any:
    """Raise ValueError for `NaN` and infinity. Called by the JSON decoder."""
    raise ValueError(constant)


def _is_json(text: str) -> bool:
    try:
        read_json(text)
    except ValueError:
        return False
    return True


def _fenced_parts(text: str) -> Iterator[str]:
    """The content of each code fence, in one pass over the text."""
    opened = _FENCE_OPENS.search(text)
    while opened is not None:
        closed = _FENCE_CLOSES.search(text, opened.end())
        if closed is None:
            return
        yield text[opened.end() : closed.start()].strip()
        opened = _FENCE_OPENS.search(text, closed.end())


def _bracketed_parts(text: str) -> Iterator[str]:
    """Each part of the text from an opening bracket to its closing one.

    A bracket that is never closed gives the last part.
    """
    start = _OPENING.search(text)
    while start is not None:
        end = _end_of_brackets(text, start.start())
        if end is None:
            return
        yield text[start.start() : end]
        start = _OPENING.search(text, end)


def _end_of_brackets(text: str, start: int) -> int | None:
    """The index after the closing bracket; None where it is never closed."""
    depth = 0
    for found in _BRACKETS.finditer(text, start):
        bracket = found.group()
        if bracket in "[{":
            depth += 1
        elif bracket in "]}":
            depth -= 1
            if depth == 0:
                return found.end()
    return None
