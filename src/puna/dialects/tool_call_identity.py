"""Assigns streamed pieces to tool calls.

Hosts number, repeat and omit ids, indexes and names in many ways. A piece is assigned by the first
of these rules that decides:

1. A known id names its call, whatever the index. Once the arguments of that call are complete
   JSON, a repetition of them adds nothing; another name, or other arguments, begin another call.
2. An unknown id begins a call, unless the call at its index has no id yet, or the piece has no
   name.
3. A piece without an id belongs to the call at its index, or to the last call if the index is new
   or missing. A name begins a new call if it is another name, if the index is new, or if the
   arguments so far are complete JSON and more arguments come.
4. A piece with neither id nor name continues the call at its index; if that call's arguments are
   complete, the last call if that one's are not. An object after a complete one begins the next
   call of the same function.

The state is the list of calls, and for each id and index of the host the call it last named.
Invariants: a call's index never changes, its name is given once, and its arguments only grow.
Reports of what hosts send: LocalAI#9722 (one id under two indexes), agno#8880 (the rest of a call
under another index), hermes-agent#62937 (all calls at index 0), vercel/ai#14277, maka#1995.
"""

from __future__ import annotations

import json
import re
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from io import StringIO

from puna.wire.json_size import check_nested_json

_MARK = re.compile(r'\\.|\\|["{}\[\]]', re.DOTALL)
_MOST_KEPT = 256 * 1024
"""Characters of a call's arguments that a repetition can be compared with."""


class PartialArguments:
    """The arguments of a call that is still streaming: whether they are complete, and their text.

    The cost is linear: each piece is scanned once, and only when somebody asks.
    """

    __slots__ = (
        *("_depth", "_is_escaped", "_is_quoted", "_is_whole", "_opens", "_text", "_scanned"),
        *("is_kept", "length"),
    )

    def __init__(self) -> None:
        self.length = 0
        self.is_kept = True
        """Whether all of the text is known, so that a repetition can be recognized."""
        self._text: StringIO | None = None
        self._opens: bool | None = None
        self._scanned = 0
        self._depth = 0
        self._is_quoted = self._is_escaped = self._is_whole = False

    @property
    def has_begun(self) -> bool:
        """Whether anything but white space has come."""
        return self._opens is not None

    @property
    def is_whole(self) -> bool:
        """Whether an object or a list has been closed. Its validity is not checked."""
        if not self._is_whole and self._text is not None:
            self._text.seek(self._scanned)
            self._scan(self._text.read())
        return self._is_whole

    def add(self, text: str) -> None:
        """Add the next piece."""
        if self._opens is None:
            start = text.lstrip()[:1]
            if start:
                self._opens = start in "{["
                self._text = StringIO() if self._opens else None
        self.length += len(text)
        said = self._text
        if said is not None:
            said.seek(0, 2)
            said.write(text)
            if said.tell() > _MOST_KEPT:
                self._discard_text()

    def part(self, start: int, length: int) -> str:
        """A part of the text; shorter at its end, empty where the text was too long to be kept."""
        if self._text is None or not self.is_kept:
            return ""
        self._text.seek(start)
        return self._text.read(length)

    def equals(self, text: str) -> bool:
        """Whether a text is the same JSON value."""
        said = self._text.getvalue() if self._text is not None else ""
        try:
            if said == text:
                return True
            check_nested_json(text)
            check_nested_json(said)
            return bool(json.loads(text) == json.loads(said))
        except (ValueError, RecursionError):
            return False

    def _discard_text(self) -> None:
        """Drop a text that is too long; whether it is complete is still tracked."""
        if not self.is_whole:
            self._text, self._scanned, self.is_kept = StringIO(), 0, False

    def _scan(self, text: str) -> None:
        """Scan a piece for brackets and strings."""
        self._scanned += len(text)
        if self._is_escaped and text:
            text, self._is_escaped = text[1:], False
        depth, is_quoted = self._depth, self._is_quoted
        for found in _MARK.finditer(text):
            mark = found[0]
            if mark[0] == "\\":
                self._is_escaped = len(mark) == 1
            elif mark == '"':
                is_quoted = not is_quoted
            elif not is_quoted:
                depth += 1 if mark in "{[" else -1
                if not depth:
                    self._is_whole = True
                    break
        self._depth, self._is_quoted = depth, is_quoted


@dataclass(slots=True)
class TrackedCall:
    """A tool call that is still streaming. `index` is its position in the answer."""

    index: int
    host_id: str | None
    name: str = ""
    kind: str = "function"
    arguments: PartialArguments = field(default_factory=PartialArguments)
    is_name_sent: bool = False
    is_named_again: bool = False
    """Whether its name came again after whole arguments: more arguments are the next call's."""


@dataclass(frozen=True, slots=True)
class AssignedPiece:
    """A piece with the call that it belongs to, and what it adds.

    The name (once), and arguments.
    """

    call: TrackedCall
    is_new: bool
    name: str
    text: str


class ToolCallTracker:
    """Assigns the pieces of one answer's tool calls, whatever ids and indexes the host gives.

    `tool_names` are the tools of the request. They decide only about names that a host splits in
    two or repeats longer: such a name is given once it is a tool's, or once arguments come.
    """

    def __init__(self, tool_names: AbstractSet[str] = frozenset()) -> None:
        self.calls: list[TrackedCall] = []
        self._tool_names = tool_names
        self._by_id: dict[str, TrackedCall] = {}
        self._by_index: dict[int, TrackedCall] = {}
        self._repeated: dict[tuple[int | None, int], int] = {}
        """How much of a call's arguments came again: by the host's index and the call's."""

    def assign(self, host_id: str | None, index: int | None, name: str, text: str) -> AssignedPiece:
        """Assign a piece to its call, or begin a new one; `text` are its arguments."""
        known = self._find(host_id, index, name, text)
        if known is not None:
            self._register(known, host_id, index)
            added = self._without_repetition(known, index, text)
            if added is not None:
                known.arguments.add(added)
                known.name = self._join_names(known, name) or known.name
                return AssignedPiece(known, False, self._name_to_send(known, added), added)
            # The same id, but other arguments.
            at = self._repeated.pop((index, known.index), 0)
            if at < known.arguments.length:
                text = known.arguments.part(0, at) + text  # what agreed was another call's, too
            name = name or known.name
        elif not name:
            name = self._name_before(host_id, index)
        call = self._begin(host_id, index, name, text)
        return AssignedPiece(call, True, self._name_to_send(call, text), text)

    def _name_before(self, host_id: str | None, index: int | None) -> str:
        """The function name of a call that begins without one: that of the call it follows."""
        if not self.calls:
            return ""
        last = self.calls[-1]
        if index is not None and not last.is_named_again:
            before = self._by_index.get(index)
            return before.name if before is not None else ""
        return last.name if host_id is None or last.is_named_again else ""

    @property
    def is_whole(self) -> bool:
        """Whether no call's arguments are incomplete; missing ones count as `{}`."""
        return all(
            one.arguments.is_whole or not one.arguments.has_begun or one.kind != "function"
            for one in self.calls
        )

    def unsent_names(self) -> list[TrackedCall]:
        """The calls whose names were held until the end of the answer. Each is given once."""
        waiting = [call for call in self.calls if call.name and not call.is_name_sent]
        for call in waiting:
            call.is_name_sent = True
        return waiting

    def empty_calls(self) -> list[TrackedCall]:
        """The function calls without arguments at the end of the answer. Each is given once."""
        bare = [call for call in self.calls if call.name and not call.arguments.length]
        for call in bare:
            call.arguments.add("{}")
        return [call for call in bare if call.kind == "function"]

    def _name_to_send(self, call: TrackedCall, text: str) -> str:
        """A call's name, once it is known to be complete.

        Empty before that and after it was given.
        """
        if call.is_name_sent or not call.name:
            return ""
        tools = self._tool_names
        if not text and call.name not in tools and any(one.startswith(call.name) for one in tools):
            return ""
        call.is_name_sent = True
        return call.name

    def _join_names(self, call: TrackedCall, more: str) -> str | None:
        """A call's name combined with the name in a piece; None where that is another name."""
        known, tools = call.name, self._tool_names
        if not known or not more or known == more:
            return known or more
        if call.is_name_sent or known in tools:
            return None
        if more.startswith(known):
            return more
        whole = known + more
        return whole if any(one.startswith(whole) for one in tools) else None

    def _begin(self, host_id: str | None, index: int | None, name: str, text: str) -> TrackedCall:
        """Begin a new call with this piece."""
        is_taken = host_id is not None and host_id in self._by_id
        call = TrackedCall(len(self.calls), None if is_taken else host_id, name)
        self.calls.append(call)
        self._register(call, host_id, index)
        call.arguments.add(text)
        return call

    def _register(self, call: TrackedCall, host_id: str | None, index: int | None) -> None:
        """Remember which call an id and an index name."""
        if host_id is not None:
            self._by_id[host_id] = call
        if index is not None:
            self._by_index[index] = call

    def _find(
        self, host_id: str | None, index: int | None, name: str, text: str
    ) -> TrackedCall | None:
        """The call that a piece continues; None where it begins a new one."""
        at_index = self._by_index.get(index) if index is not None else None
        if host_id is None:
            return self._find_without_id(at_index, index, name, text)
        known = self._by_id.get(host_id)
        if known is None:
            return self._find_with_new_id(at_index, name)
        if name and self._join_names(known, name) is None:
            return None  # an id that a host gives to two calls
        is_elsewhere = index is not None and at_index is not known
        if known.arguments.is_whole or (name and is_elsewhere and known.arguments.has_begun):
            self._repeated.setdefault((index, known.index), 0)
        return known

    def _find_with_new_id(self, at_index: TrackedCall | None, name: str) -> TrackedCall | None:
        """Rule 2: the call that a piece with an unknown id continues, or None."""
        if at_index is None or at_index.is_named_again:
            return None
        if not name or not at_index.name:
            return at_index
        may_be_its_id = at_index.host_id is None and not at_index.arguments.is_whole
        is_its_name = self._join_names(at_index, name) is not None
        return at_index if may_be_its_id and is_its_name else None

    def _find_without_id(
        self, at_index: TrackedCall | None, index: int | None, name: str, text: str
    ) -> TrackedCall | None:
        """Rules 3 and 4: the call that a piece without an id continues, or None."""
        if not self.calls:
            return None
        call, has_arguments = at_index or self.calls[-1], bool(text) and not text.isspace()
        if at_index is None and index is not None:
            if name:
                return (
                    call
                    if self._continues_by_name(call, name, has_arguments=has_arguments)
                    else None
                )
            return None if has_arguments and call.arguments.is_whole else call
        if name:
            last = self.calls[-1]
            is_done = call is not last and call.arguments.is_whole
            if is_done and self._continues_by_name(last, name, has_arguments=has_arguments):
                return last
            return self._find_by_name(call, name, has_arguments=has_arguments)
        return self._find_by_arguments(call, index, text) if has_arguments else call

    def _continues_by_name(self, last: TrackedCall, name: str, *, has_arguments: bool) -> bool:
        """Whether a piece with a name, without an id and at another index, continues the last call.

        Where the host gives ids, the next call would have one.
        """
        if name == last.name:
            return last.host_id is not None and not (has_arguments and last.arguments.is_whole)
        return bool(last.name) and self._join_names(last, name) is not None

    def _find_by_arguments(
        self, call: TrackedCall, index: int | None, text: str
    ) -> TrackedCall | None:
        """Rule 4: the call that a piece without id and name continues, or None."""
        if call.is_named_again:
            return None
        is_repeating, last = (index, call.index) in self._repeated, self.calls[-1]
        if call is not last and not is_repeating and call.arguments.is_whole:
            call = last
        is_next = text.lstrip()[0] in "{[" and not is_repeating and call.arguments.is_whole
        return None if is_next else call

    def _find_by_name(
        self, call: TrackedCall, name: str, *, has_arguments: bool
    ) -> TrackedCall | None:
        """Rule 3: the call that a piece with a name continues, or None."""
        if not call.name:
            return call
        if name != call.name:
            return call if self._join_names(call, name) is not None else None
        if not call.arguments.is_whole:
            return call
        if has_arguments:
            return None
        call.is_named_again = True
        return call

    def _without_repetition(self, call: TrackedCall, index: int | None, text: str) -> str | None:
        """What a piece adds to its call; None where it contradicts complete arguments."""
        key, arguments = (index, call.index), call.arguments
        at = self._repeated.get(key)
        if at is None or not text:
            return text
        said = arguments.part(at, len(text))
        if said == text or (arguments.is_whole and not arguments.is_kept):
            self._repeated[key] = at + len(text)
            return ""
        if arguments.is_whole:
            return _text_after_complete(arguments, at, text)
        if text.startswith(said) and at + len(said) == arguments.length:
            self._repeated[key] = at + len(text)
            return text[len(said) :]
        del self._repeated[key]
        return arguments.part(0, at) + text


def _text_after_complete(whole: PartialArguments, at: int, text: str) -> str | None:
    """What a text adds to complete arguments: nothing where it repeats them.

    None where it begins the arguments of another call.
    """
    if text.isspace():
        return text
    if at == 0 and whole.equals(text):
        return ""
    is_next = 0 < at < whole.length or text.lstrip()[0] in "{["
    return None if is_next else text
