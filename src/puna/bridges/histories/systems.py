"""Moves system messages to the head of a conversation, for hosts that accept no other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from puna.bridges.histories.order import content_parts
from puna.bridges.histories.rules import MessageRules

Message = dict[str, Any]
Dropped = dict[str, None]

SYSTEM_ROLES = ("system", "developer")
BETWEEN_SYSTEMS = "\n\n"
_KEPT = ("role", "content")


def fit_systems(
    messages: Sequence[Message], rules: MessageRules, dropped: Dropped
) -> Sequence[Message]:
    """Place the system messages where the host accepts them.

    Leading ones are joined to one, with a blank line between; each later one becomes a user message
    with a label.
    """
    if not rules.accepts_developer:
        messages = [
            {**message, "role": "system"} if message["role"] == "developer" else message
            for message in messages
        ]
    if rules.systems == "anywhere":
        return messages
    leading = 0
    while leading < len(messages) and messages[leading]["role"] in SYSTEM_ROLES:
        leading += 1
    later = [message["role"] in SYSTEM_ROLES for message in messages[leading:]]
    if leading <= 1 and not any(later):
        return messages
    return [
        *_join_systems(messages[:leading], dropped),
        *(
            _as_user_message(message, dropped) if is_system else message
            for message, is_system in zip(messages[leading:], later, strict=True)
        ),
    ]


def _join_systems(messages: Sequence[Message], dropped: Dropped) -> list[Message]:
    """Join the leading system messages to one, with a blank line between their texts."""
    if len(messages) <= 1:
        return list(messages)
    for message in messages:
        dropped.update((f"messages[].{name}", None) for name in message if name not in _KEPT)
    contents = [message.get("content") for message in messages]
    if all(isinstance(content, str) for content in contents):
        joined: Any = BETWEEN_SYSTEMS.join(str(content) for content in contents if content)
    else:
        joined = [part for content in contents for part in content_parts(content)]
    return [{"role": messages[0]["role"], "content": joined}]


def system_label(role: str) -> str:
    """The label before the text of a system message that is sent as a user message."""
    return f"[{role} message]\n"


def _as_user_message(message: Message, dropped: Dropped) -> Message:
    """A later system message as a user message, with a label."""
    dropped.update((f"messages[].{name}", None) for name in message if name not in _KEPT)
    label = system_label(message["role"])
    content = message.get("content")
    if isinstance(content, str):
        return {"role": "user", "content": f"{label}{content}"}
    return {"role": "user", "content": [{"type": "text", "text": label}, *content_parts(content)]}
