"""The state of one streamed choice: mends its deltas so that pieces join up.

Hosts differ: a role in every delta or in none, tool calls without index, id or type, all calls at
index 0, arguments as objects, `delta: null`. Facts: docs/concepts/dialects.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, cast

from puna.dialects.openai_plain import says_something
from puna.dialects.openai_replies import (
    is_index,
    made_call_id,
    mend_arguments,
    mend_function_call,
    mend_logprobs,
    mend_text,
)

_Fields = dict[str, Any]


@dataclass(slots=True)
class _CallState:
    """One tool call under way."""

    index: int
    host_id: str | None
    name: str = ""
    has_arguments: bool = False
    kind: str = "function"


class ChoiceState:
    """Feed it the choice of each chunk, in order."""

    __slots__ = ("_by_host_index", "_calls", "_finish", "_has_role", "_made_id", "_reasons")

    def __init__(self, made_id: str, reasons: Mapping[str, str]) -> None:
        """`reasons`: the finish reasons that the host has another name for."""
        self._made_id = made_id
        self._reasons = reasons
        self._has_role = False
        self._calls: list[_CallState] = []
        self._by_host_index: dict[int, _CallState] = {}
        self._finish: str | None = None

    @property
    def has_calls(self) -> bool:
        """Whether a tool call has begun."""
        return bool(self._calls)

    @property
    def has_nameless_call(self) -> bool:
        """Whether a call of a function has not been told which."""
        return any(call.kind == "function" and not call.name for call in self._calls)

    @property
    def finish_reason(self) -> str | None:
        """As the host said, or `tool_calls` where it said `stop` and there are calls."""
        return "tool_calls" if self._calls and self._finish == "stop" else self._finish

    def read(self, choice: _Fields) -> tuple[_Fields | None, _Fields | None]:
        """A choice as sent -> its content part to deliver now, its finish part to deliver last."""
        delta = self._mend_delta(choice)
        mend_logprobs(choice.get("logprobs"))
        finish = choice.get("finish_reason")
        choice["finish_reason"] = None
        choice["delta"] = delta
        if not finish or self._finish is not None:
            return (choice if _says_something(choice) else None), None
        self._finish = self._reasons.get(finish, finish) if isinstance(finish, str) else "stop"
        if not _says_something(choice):
            return None, {**choice, "delta": {}}
        return choice, {"index": choice["index"], "delta": {}}

    def _mend_delta(self, choice: _Fields) -> _Fields:
        given = choice.get("delta")
        if not isinstance(given, dict):
            # A host that sends whole messages, or text, in its chunks.
            given = choice.pop("message", None)
            if not isinstance(given, dict):
                text = choice.pop("text", None)
                given = {"content": text} if isinstance(text, str) else {}
        delta = cast("_Fields", given)
        if "content" in delta:
            delta["content"] = mend_text(delta["content"])
        mend_function_call(delta)
        given_pieces = delta.pop("tool_calls", None)
        pieces = cast("list[Any]", given_pieces) if isinstance(given_pieces, list) else []
        mended = [self._mend_piece(piece) for piece in pieces if isinstance(piece, dict)]
        if mended:
            delta["tool_calls"] = mended
        role = delta.pop("role", None)
        if not self._has_role:
            self._has_role = True
            delta = {"role": role if isinstance(role, str) else "assistant", **delta}
        return delta

    def _mend_piece(self, piece: _Fields) -> _Fields:
        given = piece.pop("function", None)
        function = cast("_Fields", given) if isinstance(given, dict) else {}
        name = function.pop("name", None)
        call, is_new = self._call_of(piece, name)
        kind = piece.get("type")
        if is_new and isinstance(kind, str) and kind:
            call.kind = kind
        mended: _Fields = {**piece, "index": call.index}
        mended.pop("id", None)
        mended.pop("type", None)
        if is_new:
            mended["id"] = call.host_id or made_call_id(f"{self._made_id}_{call.index}")
            mended["type"] = call.kind
        if name and not call.name:
            call.name = str(name)
            function["name"] = call.name
        function["arguments"] = mend_arguments(function.get("arguments"))
        call.has_arguments = call.has_arguments or bool(function["arguments"])
        mended["function"] = function
        return mended

    def _call_of(self, piece: _Fields, name: Any) -> tuple[_CallState, bool]:
        """The call that a piece belongs to, and whether the piece begins it."""
        given_id = piece.get("id")
        host_id = given_id if isinstance(given_id, str) and given_id else None
        host_index = piece.get("index")
        if is_index(host_index):
            known = self._by_host_index.get(host_index)
            if known is not None and not _is_another(known, host_id, name):
                return known, False
            call = self._begin(host_id)
            self._by_host_index[host_index] = call
            return call, True
        if host_id is not None:
            known = next((call for call in self._calls if call.host_id == host_id), None)
            if known is not None:
                return known, False
        if not self._calls or host_id is not None or name:
            return self._begin(host_id), True
        return self._calls[-1], False

    def _begin(self, host_id: str | None) -> _CallState:
        call = _CallState(index=len(self._calls), host_id=host_id)
        self._calls.append(call)
        return call


def _is_another(known: _CallState, host_id: str | None, name: Any) -> bool:
    """Whether a piece begins another call: some hosts put every call at index 0.

    Another id with a name does; without an id, another name after arguments.
    """
    if not name or not known.name:
        return False
    if host_id is not None and known.host_id is not None:
        return host_id != known.host_id
    return known.has_arguments and name != known.name


def _says_something(choice: _Fields) -> bool:
    """Whether a choice without its finish still tells the caller anything."""
    delta = choice["delta"]
    return bool(choice.get("logprobs")) or says_something(delta)
