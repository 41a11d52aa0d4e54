"""Puts tool calls and their results in the order that chat hosts require.

In chat, the results of all calls of a message follow that message directly, one for each call. So a
message between a call and its result moves behind the result, a second result of one call is added
to the first, a call without a result gets one that says so, and a result without a call becomes a
user message.

Several calls may have the same id. A result belongs to the nearest call before it that has the id
and no result yet, else to the first such call after it, else to the last call before it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from puna.bridges.histories.ids import CallIds
from puna.bridges.histories.rules import IdRule

Message = dict[str, Any]
Dropped = dict[str, None]

NO_RESULT = "[no result: the tool did not answer]"
_NO_RESULT_NAME = "messages[].tool_calls[].result"
_ORPHAN_NAME = "messages[].tool_call_id"
_READ_FIELDS = ("role", "content", "name", "tool_call_id")


@dataclass(slots=True)
class _Call:
    """A call in the conversation, and the results that belong to it. `index` is its message's."""

    given_id: str | None
    name: Any
    index: int
    results: list[Message] = field(default_factory=list[Message])


def order_messages(messages: Sequence[Message], rule: IdRule, dropped: Dropped) -> list[Message]:
    """Put each result behind its call, as chat hosts require, and give calls accepted ids.

    `dropped` gets a name where a call has no result, or a result no call.
    """
    calls = _list_calls(messages)
    if not calls and not any(message["role"] == "tool" for message in messages):
        return list(messages)
    orphans = _assign_results(messages, calls)
    ids = CallIds(rule, frozenset(call.given_id for call in calls if call.given_id is not None))
    ordered: list[Message] = []
    waiting = iter(calls)
    for index, message in enumerate(messages):
        if index in orphans:
            dropped[_ORPHAN_NAME] = None
            ordered.append(_as_user_message(message, dropped))
        elif message["role"] != "tool" or not isinstance(message.get("tool_call_id"), str):
            ordered.append(message)
        if message["role"] == "assistant" and message.get("tool_calls"):
            ordered[-1], results = _with_ids(message, waiting, ids, dropped)
            ordered += results
    return ordered


def _list_calls(messages: Sequence[Message]) -> list[_Call]:
    """All calls of a conversation, in order."""
    return [
        _Call(
            call["id"] if isinstance(call.get("id"), str) else None,
            call["function"].get("name"),
            index,
        )
        for index, message in enumerate(messages)
        if message["role"] == "assistant"
        for call in message.get("tool_calls", ())
    ]


def _assign_results(messages: Sequence[Message], calls: Sequence[_Call]) -> set[int]:
    """Assign each result to its call. Returns the indexes of the results that belong to no call."""
    by_id: dict[str | None, list[_Call]] = {}
    for call in calls:
        by_id.setdefault(call.given_id, []).append(call)
    orphans: set[int] = set()
    for index, message in enumerate(messages):
        call_id = message.get("tool_call_id")
        if message["role"] != "tool" or not isinstance(call_id, str):
            continue
        # A call without an id takes a result whose id no call has, unless it names another tool.
        candidates = by_id.get(call_id) or [
            call
            for call in by_id.get(None, ())
            if message.get("name") in (None, call.name) and not call.results
        ]
        found = _pick_call(candidates, index, may_repeat=call_id in by_id)
        if found is None:
            orphans.add(index)
        else:
            found.results.append(message)
    return orphans


def _pick_call(candidates: Sequence[_Call], index: int, *, may_repeat: bool) -> _Call | None:
    """The call that a result at `index` belongs to, of those with its id.

    None where none is left.
    """
    before = [call for call in candidates if call.index < index]
    # Of several calls of one message with one id, the first is answered first.
    nearest = max((call.index for call in before if not call.results), default=None)
    for call in before:
        if call.index == nearest and not call.results:
            return call
    for call in candidates:
        if call.index > index and not call.results:
            return call
    if not may_repeat:
        return None
    return before[-1] if before else (candidates[0] if candidates else None)


def _with_ids(
    message: Message, waiting: Any, ids: CallIds, dropped: Dropped
) -> tuple[Message, list[Message]]:
    """A message with calls under the new ids, and the results that follow it."""
    made_calls: list[Mapping[str, Any]] = []
    results: list[Message] = []
    is_changed = False
    for given in message["tool_calls"]:
        call: _Call = next(waiting)
        call_id = ids.fit(call.given_id if call.given_id is not None else "")
        is_changed = is_changed or call_id != call.given_id
        made_calls.append({**given, "id": call_id} if call_id != call.given_id else given)
        results.append(_result_of(call, call_id, dropped))
    return ({**message, "tool_calls": made_calls} if is_changed else message), results


def _result_of(call: _Call, call_id: str, dropped: Dropped) -> Message:
    """Join all results of a call to one message. A text says so where the caller gave none."""
    if not call.results:
        dropped[_NO_RESULT_NAME] = None
        return {"role": "tool", "tool_call_id": call_id, "content": NO_RESULT}
    first, *others = call.results
    if others:
        content = content_parts(first.get("content"))
        for other in others:
            content += content_parts(other.get("content"))
        first = {**first, "content": content}
        for other in others:
            first = {**other, **first}
    return first if first["tool_call_id"] == call_id else {**first, "tool_call_id": call_id}


def content_parts(content: Any) -> list[Message]:
    """A content as a list of parts; empty for an empty text."""
    if isinstance(content, str):
        return [{"type": "text", "text": content}] if content else []
    return list(content or ())


def _as_user_message(message: Message, dropped: Dropped) -> Message:
    """A result whose call is missing, as a user message with a label that names the call."""
    name = f" of `{message['name']}`" if isinstance(message.get("name"), str) else ""
    label = f"[result of the tool call `{message['tool_call_id']}`{name}, which is not here]\n"
    dropped.update((f"messages[].{one}", None) for one in message if one not in _READ_FIELDS)
    content = message.get("content")
    if isinstance(content, str):
        return {"role": "user", "content": f"{label}{content}"}
    return {"role": "user", "content": [{"type": "text", "text": label}, *content_parts(content)]}
