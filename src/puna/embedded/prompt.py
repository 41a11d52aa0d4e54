"""Converts messages to what the model's chat template accepts: a role and text, nothing else.

Functions, calls and their results become text. Special tokens in messages (`<|im_end|>` and all of
the form `<|name|>`) would act as such, so a word joiner (U+2060) is put after their `<`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.errors import BadRequestError

Message = dict[str, str]

_SPECIAL_TOKEN = re.compile(r"<(?=\|[^<>|\s]{1,64}\|>)")
_BROKEN = "<\N{WORD JOINER}"

_FUNCTION_FIELDS = ("name", "description", "parameters")

_READ = frozenset(("role", "content", "tool_calls"))
_READ_OF_RESULTS = frozenset(("role", "content", "tool_call_id", "name"))
_READ_OF_PARTS = frozenset(("type", "text"))
_READ_OF_CALLS = frozenset(("id", "type", "index", "function"))
_READ_OF_FUNCTIONS = frozenset(("name", "arguments"))
_RESULTS = ("tool", "function")


def plain_messages(messages: Sequence[Mapping[str, Any]]) -> list[Message]:
    """Messages as role and text; the result of a call becomes a user message.

    Raises:
        BadRequestError: a part is not text; `param` is its path.
    """
    names: dict[str, str] = {}
    return [_plain_message(message, f"messages[{i}]", names) for i, message in enumerate(messages)]


def ignored_fields(messages: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """The fields of messages that the model does not get, each once, such as `messages[].name`."""
    found: dict[str, None] = {}
    called: dict[str, Any] = {}

    def note(fields: Mapping[str, Any], read: frozenset[str], place: str) -> None:
        unread = (name for name in fields if name not in read and fields[name] is not None)
        found.update(dict.fromkeys(f"{place}{name}" for name in unread))

    for message in messages:
        content = message.get("content")
        for part in content if isinstance(content, list) else ():
            note(part, _READ_OF_PARTS, "messages[].content[].")
        if message["role"] in _RESULTS:
            # A result has the name of its call, where that is known.
            name = called.get(str(message.get("tool_call_id")), message.get("name"))
            is_read = name == message.get("name")
            read = _READ_OF_RESULTS if is_read else _READ_OF_RESULTS - {"name"}
            note(message, read, "messages[].")
            continue
        note(message, _READ, "messages[].")
        for call in message.get("tool_calls") or ():
            called[str(call.get("id"))] = call["function"].get("name")
            note(call, _READ_OF_CALLS, "messages[].tool_calls[].")
            note(call["function"], _READ_OF_FUNCTIONS, "messages[].tool_calls[].function.")
    return tuple(found)


def with_functions(
    messages: Sequence[Message], functions: Sequence[Mapping[str, Any]]
) -> list[Message]:
    """The messages with a description of the functions in the system prompt."""
    told = "\n".join(
        json.dumps({key: one[key] for key in _FUNCTION_FIELDS if key in one}, ensure_ascii=False)
        for one in functions
    )
    text = escape_special_tokens(
        f"You call functions. Functions:\n{told}\n"
        'Reply with {"name": ..., "arguments": ...} only.'
    )
    if messages[0]["role"] == "system":
        # Some chat templates allow one system message, as the first.
        joined = f"{text}\n\n{messages[0]['content']}"
        return [{"role": "system", "content": joined}, *messages[1:]]
    return [{"role": "system", "content": text}, *messages]


def escape_special_tokens(text: str) -> str:
    """The text with special tokens changed so that the model reads them as plain text."""
    return _SPECIAL_TOKEN.sub(_BROKEN, text)


def _plain_message(message: Mapping[str, Any], path: str, names: dict[str, str]) -> Message:
    """One message as role and text.

    `names` maps the ids of calls to function names, and is extended.
    """
    role = message["role"]
    text = escape_special_tokens(_read_text(message.get("content"), f"{path}.content"))
    if role in _RESULTS:
        name = names.get(str(message.get("tool_call_id")), message.get("name") or "the function")
        return {"role": "user", "content": escape_special_tokens(f"Result of {name}: ") + text}
    for call in message.get("tool_calls") or ():
        function = call["function"]
        name = names[str(call.get("id"))] = str(function.get("name"))
        arguments = function.get("arguments") or "{}"
        written = f'{{"name": {json.dumps(name)}, "arguments": {arguments}}}'
        text = f"{text}\n{escape_special_tokens(written)}".strip()
    return {"role": role, "content": text}


def _read_text(content: Any, path: str) -> str:
    if content is None or isinstance(content, str):
        return content or ""
    texts: list[str] = []
    for i, part in enumerate(cast("Sequence[Mapping[str, Any]]", content)):
        if part["type"] != "text":
            raise BadRequestError(
                f"The embedded model reads text only; `{path}[{i}]` is `{part['type'][:40]}`. "
                "Remove it or choose a model with vision.",
                param=f"{path}[{i}]",
            )
        texts.append(part["text"])
    return "\n".join(texts)


__all__ = ["Message", "escape_special_tokens", "ignored_fields", "plain_messages", "with_functions"]
