"""The state of one streamed choice: corrects its deltas so that their pieces fit together.

Hosts differ: a role in every delta or in none, tool calls without index, id or type, all calls at
index 0, arguments as objects, `delta: null`. Facts: docs/concepts/dialects.md. The state is whether
the role was given, the tool calls so far (`tool_call_identity.py`), and the finish reason, which is
held until the end of the stream.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

from puna.dialects.finish_reasons import failed_choice_error, normalize_finish_reason
from puna.dialects.openai_plain import has_values
from puna.dialects.openai_replies import (
    is_index,
    make_call_id,
    mend_arguments,
    mend_function_call,
    mend_logprobs,
    mend_text,
)
from puna.dialects.tool_call_identity import ToolCallTracker, TrackedCall
from puna.rescue.tools import MOST_CALLS
from puna.types.requests import ChatRequest

_Fields = dict[str, Any]


class ChoiceState:
    """Corrects the deltas of one choice of a stream, so that their pieces fit together.

    `read` is called with the choice of each chunk, in order.
    """

    __slots__ = (
        "_calls",
        "_finish",
        "_has_role",
        "_made_id",
        "_reasons",
        "_request",
        "failure",
        "has_calls",
    )

    def __init__(
        self, made_id: str, reasons: Mapping[str, str], request: ChatRequest | None = None
    ) -> None:
        """`reasons` maps the host's own finish reasons to OpenAI's."""
        self._made_id = made_id
        self._reasons = reasons
        self._request = request
        self._has_role = False
        self.has_calls = False
        """Whether a tool call has begun."""
        self._calls: ToolCallTracker | None = None
        self._finish: str | None = None
        self.failure: dict[str, Any] | None = None
        """The body of the error, once the host says that it failed."""

    @property
    def has_too_many_calls(self) -> bool:
        """Whether there are more calls than any answer has; further ones are ignored."""
        return self._calls is not None and len(self._calls.calls) > MOST_CALLS

    @property
    def has_nameless_call(self) -> bool:
        """Whether a function call has no name yet."""
        calls = self._calls.calls if self._calls is not None else ()
        return any(call.kind == "function" and not call.name for call in calls)

    @property
    def has_whole_calls(self) -> bool:
        """Whether the arguments of all calls are complete; true without calls."""
        return self._calls is None or self._calls.is_whole

    def mark_cap_reached(self) -> None:
        """The answer has reached its `max_tokens`.

        Change the finish reason from `stop` to `length`.
        """
        self._finish = "length"

    @property
    def finish_reason(self) -> str | None:
        """The host's finish reason; `tool_calls` where it said `stop` and there are calls."""
        return "tool_calls" if self.has_calls and self._finish == "stop" else self._finish

    def read(self, choice: _Fields) -> tuple[_Fields | None, _Fields | None]:
        """Correct a choice of a chunk.

        Returns the part to deliver now and the finish to deliver last.

        Each may be None.
        """
        if choice.get("error") or choice.get("finish_reason"):
            self.failure = self.failure or failed_choice_error(choice)
        delta = self._mend_delta(choice)
        mend_logprobs(choice.get("logprobs"))
        finish = choice.get("finish_reason")
        choice["finish_reason"] = None
        choice["delta"] = delta
        if not finish or self._finish is not None:
            return (choice if _has_content(choice) else None), None
        self._finish = normalize_finish_reason(finish, self._reasons)
        if not _has_content(choice):
            return None, {**choice, "delta": {}}
        return choice, {"index": choice["index"], "delta": {}}

    def _mend_delta(self, choice: _Fields) -> _Fields:
        """Correct the delta of a choice; its call pieces are assigned to their calls."""
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
        mended = [
            self._mend_piece(piece)
            for piece in pieces
            if isinstance(piece, dict) and not self.has_too_many_calls
        ]
        mended = [piece for piece in mended if piece is not None]
        if choice.get("finish_reason") and self._calls is not None:
            mended += [_name_piece(call) for call in self._calls.unsent_names()]
            mended += [_empty_arguments(call) for call in self._calls.empty_calls()]
        if mended:
            delta["tool_calls"] = mended
        role = delta.pop("role", None)
        if not self._has_role:
            self._has_role = True
            delta = {"role": role if isinstance(role, str) else "assistant", **delta}
        return delta

    def _mend_piece(self, piece: _Fields) -> _Fields | None:
        """A piece of a call with its index, and only what it adds; None if it adds nothing."""
        given = piece.pop("function", None)
        function = cast("_Fields", given) if isinstance(given, dict) else {}
        name, text = function.pop("name", None), mend_arguments(function.get("arguments"))
        named = name if given is not None else _custom_name(piece)
        host_id, index, kind = piece.pop("id", None), piece.get("index"), piece.pop("type", None)
        placed = self._tracker.assign(
            host_id if isinstance(host_id, str) and host_id.strip() else None,
            index if is_index(index) else None,
            str(named or ""),
            text,
        )
        call = placed.call
        mended: _Fields = {**piece, "index": call.index}
        if placed.is_new:
            self.has_calls = True
            if isinstance(kind, str) and kind:
                call.kind = kind
            mended["id"] = call.host_id or make_call_id(f"{self._made_id}_{call.index}")
            mended["type"] = call.kind
        elif text and not placed.text and not placed.name and len(mended) == 1:
            return None  # said before
        if placed.name and given is not None:
            function["name"] = placed.name
        mended["function"] = {**function, "arguments": placed.text}
        return mended

    @property
    def _tracker(self) -> ToolCallTracker:
        """What assigns pieces to calls; made with the first piece."""
        if self._calls is None:
            tools = self._request.params.get("tools") if self._request is not None else None
            self._calls = ToolCallTracker(_names_of(tools))
        return self._calls


def _names_of(tools: Any) -> frozenset[str]:
    """The names of the functions in a request's tools."""
    given = cast("list[Any]", tools) if isinstance(tools, list | tuple) else ()
    functions = [tool.get("function") for tool in given if isinstance(tool, Mapping)]
    names = [one.get("name") for one in functions if isinstance(one, Mapping)]
    return frozenset(name for name in names if isinstance(name, str))


def _custom_name(piece: _Fields) -> Any:
    """The tool name in a piece of a free-form tool's call."""
    custom = piece.get("custom")
    return cast("_Fields", custom).get("name") if isinstance(custom, dict) else None


def _name_piece(call: TrackedCall) -> _Fields:
    """A piece with only a call's name, for a name that was held until the end."""
    return {"index": call.index, "function": {"name": call.name, "arguments": ""}}


def _empty_arguments(call: TrackedCall) -> _Fields:
    """The last piece of a call without arguments: `{}`, which every client can parse."""
    return {"index": call.index, "function": {"arguments": "{}"}}


def has_more_than_role(choice: _Fields) -> bool:
    """Whether a choice of a chunk holds anything but its role."""
    said = {name: value for name, value in choice["delta"].items() if name != "role"}
    return bool(choice.get("logprobs")) or has_values(said)


def _has_content(choice: _Fields) -> bool:
    """Whether a choice without its finish reason holds anything for the caller."""
    delta = choice["delta"]
    return bool(choice.get("logprobs")) or has_values(delta)
