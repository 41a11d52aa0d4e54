"""Decides which chat requests can be passed on unchanged to all hosts of a model.

`PassingRules` checks a request that `wire/envelope.py` has parsed, by the rules that
`request_rules.py` and `bridges/histories` apply to a request that was read whole: does any host
refuse, rename or leave out a part of it, or need its messages in another form? Where one does, the
request goes through those modules. The rules hold for all hosts of the model together, so that a
retry or a fallback needs no second check.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from msgspec import UNSET, Raw, UnsetType
from msgspec.json import decode
from msgspec.structs import replace

from puna.bridges.call_arguments import are_call_arguments
from puna.bridges.histories.rules import CHAT
from puna.bridges.histories.systems import BETWEEN_SYSTEMS, system_label
from puna.dialects.base import Target
from puna.dialects.quirks import HINTS
from puna.dialects.request_images import most_images
from puna.wire.envelope import (
    EMPTY_TEXT,
    AssistantMessage,
    ChatEnvelope,
    ImagePart,
    Message,
    SystemMessage,
    TextPart,
    ToolCall,
    ToolMessage,
    UserMessage,
    is_text,
    read_parts,
    text_content,
)
from puna.wire.octets import QUOTE, first_octet
from puna.wire.raw_values import is_parseable

_SYSTEM_LABEL = system_label("system")
_BETWEEN_TEXTS = "\n\n"


@dataclass(frozen=True, slots=True)
class PassingRules:
    """What all hosts of a model accept unchanged.

    Attributes:
        watched_params: parameters that one of the hosts does not always get unchanged.
        formats: the types of `response_format` that all hosts know; None means all types.
        needs_leading_system: whether one host accepts instructions in the first message only.
        moves_systems: whether all hosts do, so that other instructions are moved for all.
        call_ids: patterns that the whole id of a tool call must match, all of them.
        accepts_text_parts: whether lists of texts stay lists; None where the hosts differ.
        accepts_any_arguments: whether the arguments of calls may be anything.
        accepts_calls: whether calls in a history need no field that chat does not have.
        streams_tools: whether all hosts stream answers to requests with tools.
        images: the most images that a request may hold; None means any number.
        unknown_fields: fields of messages that one of the hosts does not know.
        has_rules: whether `watched_params` or `formats` restrict anything.
    """

    watched_params: frozenset[str]
    formats: frozenset[str] | None
    needs_leading_system: bool
    moves_systems: bool
    call_ids: tuple[re.Pattern[str], ...]
    accepts_text_parts: bool | None
    accepts_any_arguments: bool
    accepts_calls: bool
    streams_tools: bool
    images: int | None
    unknown_fields: frozenset[str]
    has_rules: bool

    @classmethod
    def combine(cls, targets: Sequence[Target]) -> Self:
        """Combine the rules of all targets of one model. Called once for each route."""
        quirks = [one.quirks for one in targets]
        rules = [one.messages or CHAT for one in quirks]
        formats = [one.response_formats for one in quirks if one.response_formats is not None]
        images = [most for one in targets if (most := most_images(one)) is not None]
        lists = {one.accepts_text_parts for one in rules}
        watched = _watched_params(targets)
        return cls(
            watched_params=watched,
            formats=frozenset.intersection(*formats) if formats else None,
            has_rules=bool(watched or formats),
            needs_leading_system=any(one.systems == "first" for one in rules),
            moves_systems=all(one.systems == "first" for one in rules),
            call_ids=tuple({re.compile(one.call_ids.pattern) for one in rules}),
            accepts_text_parts=lists.pop() if len(lists) == 1 else None,
            accepts_any_arguments=all(one.accepts_any_arguments for one in rules),
            accepts_calls=not any(one.thoughts.is_needed for one in rules),
            streams_tools=not any(one.lacks_tool_streaming for one in quirks),
            images=min(images, default=None),
            unknown_fields=frozenset[str]().union(*(o.unsupported_message_fields for o in quirks)),
        )

    def fit(self, envelope: ChatEnvelope) -> ChatEnvelope | None:
        """Check a request, and fit it where that is cheap; nearly always it is returned unchanged.

        A copy has its text parts joined or its annotations dropped. None where a host needs any
        other change, or refuses the request: then the full lane must read it. Called once for each
        request.
        """
        tools = envelope.tools
        if (self.has_rules or tools is not UNSET) and not self._accepts_params(envelope):
            return None
        messages = envelope.messages
        for message in messages:
            kind = type(message)
            if kind is SystemMessage:
                if self.needs_leading_system and message is not messages[0]:
                    return self._fit_systems(envelope)
            elif kind is not UserMessage and not message.is_text:
                return self._fit_history(envelope)
            content: Any = message.content  # never unset in a message that is a text
            if first_octet(content)[0] != QUOTE:
                return self._fit_history(envelope)
        return self._fit_history(envelope) if self.unknown_fields else envelope

    def _fit_systems(self, envelope: ChatEnvelope) -> ChatEnvelope | None:
        """As `fit`, for a request with instructions in other messages than the first.

        They are moved as by `bridges/histories/systems.py`: leading ones are joined, later ones
        become messages of the user.
        """
        if not self.moves_systems:
            return None
        leading: list[str] = []
        moved: list[Message] = []
        for message in envelope.messages:
            if type(message) is not SystemMessage:
                moved.append(message)
                continue
            if not is_text(message.content) or message.name is not UNSET:
                return None
            text = decode(message.content, type=str)
            if moved:
                moved.append(UserMessage(content=text_content(f"{_SYSTEM_LABEL}{text}")))
            elif text:
                leading.append(text)
        if leading:
            content = text_content(BETWEEN_SYSTEMS.join(leading))
            moved.insert(0, SystemMessage(content=content))
        return self._fit_history(replace(envelope, messages=moved))

    def _accepts_params(self, envelope: ChatEnvelope) -> bool:
        """Whether all hosts accept the parameters unchanged."""
        if self.watched_params and not self.watched_params.isdisjoint(envelope.given_params()):
            return False
        formats, wanted = self.formats, envelope.response_format
        if formats is not None and wanted is not UNSET and envelope.format_type not in formats:
            return False
        return envelope.tools is UNSET or self._accepts_tools(envelope)

    def _accepts_tools(self, envelope: ChatEnvelope) -> bool:
        """Whether a request with tools can be passed on: how it streams, and how many choices."""
        if envelope.stream and not self.streams_tools:
            return False
        # With several choices, only the full lane looks for tool calls in each text.
        return envelope.n is UNSET or envelope.n == 1

    def _fit_history(self, envelope: ChatEnvelope) -> ChatEnvelope | None:
        """As `fit`, for a history with more than texts: parts, images, calls and results.

        The order is checked, too: the results of a message's calls must follow the message, in the
        order of the calls.
        """
        messages = envelope.messages
        fitted: list[Message] = []
        waiting: list[str] = []
        calls: list[ToolCall] = []
        images = 0
        is_changed = False
        for given in messages:
            message: Message | None = given
            if type(given) is SystemMessage and fitted and self.needs_leading_system:
                return self._fit_systems(envelope)
            if not self._is_in_order(given, waiting):
                return None
            if type(given) is AssistantMessage and not given.is_text:
                message = _fit_answer(given)
                if given.tool_calls:
                    calls += given.tool_calls
                    waiting = [call.id for call in reversed(given.tool_calls)]
            if message is not None and not _is_text(message.content):
                parts = read_parts(message.content) or []
                images += sum(1 for part in parts if type(part) is ImagePart)
                message = self._fit_parts(message, parts)
            if message is None or (self.unknown_fields and not self._has_known_fields(message)):
                return None
            is_changed = is_changed or message is not given
            fitted.append(message)
        if waiting or (calls and not self._accepts_calls(calls)):
            return None
        if self.images is not None and images > self.images:
            return None
        return replace(envelope, messages=fitted) if is_changed else envelope

    @staticmethod
    def _is_in_order(message: Message, waiting: list[str]) -> bool:
        """Whether a message may follow the ones before it.

        `waiting` holds the ids of the calls without a result, the next one last. A result removes
        its id.
        """
        if type(message) is ToolMessage:
            return bool(waiting) and waiting.pop() == message.tool_call_id
        return not waiting

    def _accepts_calls(self, calls: Sequence[ToolCall]) -> bool:
        """Whether the hosts accept all calls of a history: their ids, all new, and arguments.

        The full lane makes `{}` of arguments that are empty.
        """
        if not self.accepts_calls:
            return False
        ids = [call.id for call in calls]
        if len(set(ids)) < len(ids):
            return False
        if not all(all(map(pattern.fullmatch, ids)) for pattern in self.call_ids):
            return False
        given = [call.function.arguments for call in calls]
        if self.accepts_any_arguments:
            return all(text.strip() not in ("", "null") for text in given)
        return are_call_arguments(given)

    def _fit_parts(self, message: Message, parts: Sequence[TextPart | ImagePart]) -> Message | None:
        """Fit a message whose content is a list of parts; None where the full lane must read it."""
        texts = [part.text for part in parts if type(part) is TextPart]
        if len(texts) < len(parts):
            return message if type(message) is UserMessage else None
        if self.accepts_text_parts is None or not texts:
            return None
        if self.accepts_text_parts:
            return message
        # Parts of an answer are pieces of one text; parts of other messages are separate texts.
        between = "" if type(message) is AssistantMessage else _BETWEEN_TEXTS
        text = between.join(texts)
        return replace(message, content=text_content(text)) if text else None

    def _has_known_fields(self, message: Message) -> bool:
        """Whether the message has no field that one of the hosts does not know."""
        return all(getattr(message, name, UNSET) is UNSET for name in self.unknown_fields)


def _fit_answer(message: AssistantMessage) -> AssistantMessage | None:
    """An earlier answer in a form that hosts accept; None where the full lane must read it.

    Its calls are checked with all others, by `PassingRules._accepts_calls`.
    """
    if message.annotations is not UNSET:
        if not is_parseable(message.annotations, b"["):
            return None
        message = replace(message, annotations=UNSET)
    if not message.tool_calls:
        if message.tool_calls is not UNSET:  # an empty list, which OpenAI refuses
            message = replace(message, tool_calls=UNSET)
        # Some hosts refuse an empty answer: the full lane leaves it out.
        return message if _has_content(message) else None
    return message if _has_content(message) else replace(message, content=UNSET)


def _is_text(content: Raw | UnsetType) -> bool:
    """Whether a content is a text or absent, not a list of parts."""
    return content is UNSET or first_octet(content)[0] == QUOTE


def _has_content(message: AssistantMessage) -> bool:
    """Whether an answer has a content that is not empty."""
    return message.content is not UNSET and bytes(message.content) != EMPTY_TEXT


def dropped_hints(target: Target) -> tuple[str, ...]:
    """The hints (parameters for OpenAI's caches, queues and records) that a host does not get."""
    quirks = target.quirks
    names = HINTS.intersection(ChatEnvelope.__struct_fields__) - {"metadata"}  # only hooks get it
    known = quirks.known_hints - quirks.ignored_params
    return tuple(sorted(names - known))


def _watched_params(targets: Sequence[Target]) -> frozenset[str]:
    """The parameters that some host does not get as given: requests with them are read whole."""
    dropped = [frozenset(dropped_hints(one)) for one in targets]
    # Where only some hosts get a hint, `routing/suitable.py` prefers those hosts.
    unequal = frozenset[str]().union(*dropped) - frozenset.intersection(*dropped)
    watched = (one.quirks.watched_params - gone for one, gone in zip(targets, dropped, strict=True))
    return unequal.union(*watched)
