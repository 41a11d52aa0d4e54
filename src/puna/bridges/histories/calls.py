"""The arguments of calls in a history: made JSON objects for hosts that parse them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any, cast

from puna.bridges.call_arguments import BROKEN_INPUT, parse_call_arguments
from puna.bridges.histories.order import content_parts

Message = dict[str, Any]
Dropped = dict[str, None]

_CALLS_NAME = "messages[].tool_calls"
_NOTHING = ("", "null")
_NAME = "messages[].tool_calls[].function.arguments"


def fit_arguments(message: Message, dropped: Dropped, *, accepts_any: bool) -> Message:
    """The message with the arguments of its calls as JSON text; missing ones become `{}`.

    Text that is no JSON object is wrapped into one, under the key `INVALID_JSON`, unless the host
    `accepts_any`: a model wrote it, and the next host must not refuse the conversation for it.
    Called for each assistant message of a history.
    """
    calls: list[Any] = message["tool_calls"]
    fitted = [_fit_call(call, dropped, accepts_any=accepts_any) for call in calls]
    if all(after is before for after, before in zip(fitted, calls, strict=True)):
        return message
    return {**message, "tool_calls": fitted}


def calls_as_text(messages: Sequence[Message], dropped: Dropped) -> list[Message]:
    """Rewrite calls and their results as texts, for a host that refuses calls without `tools`.

    Agents leave the tools out when they ask for a summary of the conversation.
    """
    names: dict[str, str] = {}
    told: list[Message] = []
    for message in messages:
        if message.get("tool_calls"):
            dropped[_CALLS_NAME] = None
            texts: list[Message] = []
            for call in message["tool_calls"]:
                function = call["function"]
                name = names[call["id"]] = str(function.get("name"))
                texts.append(_text_part(f"[called `{name}` with {function.get('arguments')}]"))
            rest = {k: v for k, v in message.items() if k != "tool_calls"}
            told.append({**rest, "content": [*content_parts(message.get("content")), *texts]})
        elif message["role"] == "tool" and message.get("tool_call_id") in names:
            label = _text_part(f"[result of `{names[message['tool_call_id']]}`]")
            told.append(
                {"role": "user", "content": [label, *content_parts(message.get("content"))]}
            )
        else:
            told.append(message)
    return told


def _text_part(text: str) -> Message:
    """A text as a content part."""
    return {"type": "text", "text": text}


def _fit_call(call: Mapping[str, Any], dropped: Dropped, *, accepts_any: bool) -> Mapping[str, Any]:
    """A call with its arguments as JSON text."""
    function = cast("Mapping[str, Any]", call["function"])
    given = function.get("arguments")
    text = _arguments_text(given, dropped, accepts_any=accepts_any)
    if text == given:
        return call
    return {**call, "function": {**function, "arguments": text}}


def _arguments_text(given: Any, dropped: Dropped, *, accepts_any: bool) -> str:
    """The arguments as JSON text; notes in `dropped` where they had to be wrapped."""
    if given is None or (isinstance(given, str) and given.strip() in _NOTHING):
        return "{}"
    if isinstance(given, Mapping):
        return json.dumps(given, ensure_ascii=False, separators=(",", ":"), default=_to_json_value)
    if isinstance(given, str) and (accepts_any or parse_call_arguments(given) is not None):
        return given
    text = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    if accepts_any:
        return text
    dropped[_NAME] = None
    return json.dumps({BROKEN_INPUT: text}, ensure_ascii=False)


def _to_json_value(value: Any) -> Any:
    """A value that JSON does not have (such as a date) as text. Called by the JSON encoder."""
    return str(value)
