"""Turns tool calls that a model wrote as text into real ones.

What counts as a call: `puna.rescue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from puna.dialects.base import ReadContext
from puna.dialects.openai_plain import has_values
from puna.dialects.openai_replies import make_call_id
from puna.engine.thoughts import with_one_choice
from puna.rescue.failed_generation import read_failed_generation
from puna.rescue.stream import Piece, RescueStream, find_calls, join_pieces
from puna.rescue.tools import FoundCall, KnownTools
from puna.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    Choice,
    ChunkChoice,
    Delta,
    DeltaFunction,
    DeltaToolCall,
    Function,
    Message,
    ToolCall,
)
from puna.types.report import CallReport
from puna.types.requests import ChatRequest
from puna.wire.http import HTTPReply
from puna.wire.json_size import parse_answer

_TOOL_CALLS = "tool_calls"


def tools_to_rescue(request: ChatRequest) -> KnownTools | None:
    """The tools whose calls are looked for in texts; None where calls are not rescued."""
    tools = request.params.get("tools")
    if not tools or request.rescue_tool_calls is False:
        return None
    if request.params.get("tool_choice") == "none":
        return None
    return KnownTools(tools, repairs=bool(request.repair_tool_arguments))


def rescue_completion(answer: ChatCompletion, context: ReadContext, report: CallReport) -> None:
    """Turn the calls in the texts of a whole answer into tool calls, in place."""
    tools = tools_to_rescue(context.request)
    if tools is None:
        return
    for choice in answer.choices:
        message = choice.message
        if message.tool_calls or message.function_call is not None or not message.content:
            continue
        rescued = find_calls(message.content, tools)
        if rescued.calls:
            message.content = rescued.text or None
            message.tool_calls = _calls_of(f"{context.made_id}_{choice.index}", rescued.calls)
            choice.finish_reason = _finish_of_calls(choice.finish_reason)
            _note_calls(report, rescued.calls)


def rescue_failure(
    reply: HTTPReply, context: ReadContext, report: CallReport
) -> ChatCompletion | None:
    """The answer in an error reply, where a host could not parse the calls in it; else None."""
    quirk = context.target.quirks.failed_generation
    if quirk is None or reply.status != quirk.status:
        return None
    tools = tools_to_rescue(context.request)
    if tools is None:
        return None
    try:
        rescued = read_failed_generation(parse_answer(reply.body), quirk, tools)
    except ValueError:
        return None
    if rescued is None:
        return None
    _note_calls(report, rescued.calls)
    calls = _calls_of(f"{context.made_id}_0", rescued.calls)
    message = Message(role="assistant", content=rescued.text or None, tool_calls=calls)
    return ChatCompletion(
        id=context.made_id,
        object="chat.completion",
        created=int(context.now),
        model=context.model,
        choices=[Choice(index=0, message=message, finish_reason=_TOOL_CALLS)],
    )


class CallScreen:
    """Checks the texts of one choice, in order, for tool calls written as text.

    The gateway's `PlainStream` asks it before it sends a text unread. The screen holds no text
    back, and builds no calls: that is left to `StreamRescue`. A text is *open* while it may still
    become a call; later texts decide that it is text, or a call. After a call (`found_calls`)
    the screen is never clear again.
    """

    def __init__(self, tools: KnownTools) -> None:
        self._stream = RescueStream(tools)
        self._waiting = 0
        self.found_calls = False
        """Whether a text was a call: then `StreamRescue` must take over."""

    @property
    def is_clear(self) -> bool:
        """Whether it is certain that all texts so far are text, not calls."""
        return not self._waiting and not self.found_calls

    def feed(self, text: str) -> bool:
        """Check the next text; return `is_clear` of all texts so far."""
        self._waiting += len(text)
        for piece in self._stream.feed(text):
            self._waiting -= len(piece.text)
            self.found_calls = self.found_calls or bool(piece.calls)
        return self.is_clear


class StreamRescue:
    """Turns calls in the texts of one stream into tool calls: `feed` it the chunks in order.

    Then `close` it, or `release` it where the stream broke. The ids of its calls derive from
    `made_id`.
    """

    def __init__(self, tools: KnownTools, made_id: str, report: CallReport) -> None:
        self._tools = tools
        self._made_id = made_id
        self._report = report
        self._choices: dict[int, _ChoiceRescue] = {}
        self._last: ChatCompletionChunk | None = None

    def feed(self, chunks: Iterable[ChatCompletionChunk]) -> list[ChatCompletionChunk]:
        """Search the next chunks. Returns the chunks to deliver now."""
        ready: list[ChatCompletionChunk] = []
        for chunk in chunks:
            if chunk.choices:
                self._last = chunk
                ready += self._feed_chunk(chunk)
            else:
                ready += [*self.close(), chunk]  # the usage, which comes last
        return ready

    def passed_on(self, text: str) -> None:
        """Note a text of the first choice that the caller already has.

        It can be no call any more.
        """
        self._rescue_of(0).passed_on(text)

    def note_passed_calls(self) -> None:
        """Note that the caller already has calls of the first choice.

        Nothing more is looked for in it.
        """
        self._rescue_of(0).release()

    def close(self) -> list[ChatCompletionChunk]:
        """The stream is complete: return the chunks that were held back, calls included."""
        return self._end([(index, one.end()) for index, one in self._choices.items()])

    def release(self) -> list[ChatCompletionChunk]:
        """The stream broke: return the chunks that were held back, as text."""
        return self._end([(index, one.release()) for index, one in self._choices.items()])

    def finish_reason(self, host_reason: str | None) -> str | None:
        """The first choice's finish reason for the caller: `tool_calls` where calls were found."""
        first = self._choices.get(0)
        return first.finish_reason(host_reason) if first is not None else host_reason

    def _feed_chunk(self, chunk: ChatCompletionChunk) -> list[ChatCompletionChunk]:
        """Search all choices of a chunk. Returns the chunks to deliver now."""
        before: list[ChunkChoice] = []
        kept: list[ChunkChoice] = []
        for choice in chunk.choices:
            first, rest = self._rescue_of(choice.index).feed(choice)
            before += [
                ChunkChoice(index=choice.index, delta=delta, finish_reason=None) for delta in first
            ]
            kept += [rest] if rest is not None else []
        ready = [with_one_choice(chunk, choice) for choice in before]
        if len(kept) < len(chunk.choices):
            return ready + [with_one_choice(chunk, choice) for choice in kept]
        chunk.choices = kept
        return [*ready, chunk]

    def _rescue_of(self, index: int) -> _ChoiceRescue:
        """The state of one choice, made when it is first seen."""
        one = self._choices.get(index)
        if one is None:
            one = _ChoiceRescue(self._tools, self._report, f"{self._made_id}_{index}")
            self._choices[index] = one
        return one

    def _end(self, ended: list[tuple[int, list[Delta]]]) -> list[ChatCompletionChunk]:
        """Make chunks of what the choices held back."""
        if self._last is None:
            return []
        return [
            with_one_choice(self._last, ChunkChoice(index=index, delta=delta, finish_reason=None))
            for index, deltas in ended
            for delta in deltas
        ]


class _ChoiceRescue:
    """The search in one choice of a stream. `_stream` is None once nothing more is looked for."""

    def __init__(self, tools: KnownTools, report: CallReport, made_id: str) -> None:
        self._stream: RescueStream | None = RescueStream(tools)
        self._report = report
        self._made_id = made_id
        self._has_rescued = False
        self._held: list[Piece] = []
        """From the first call on."""

    def finish_reason(self, host_reason: str | None) -> str | None:
        """The finish reason for the caller, for the one that the host sent."""
        return _finish_of_calls(host_reason) if self._has_rescued else host_reason

    def passed_on(self, text: str) -> None:
        """Note a text that the caller already has."""
        if self._stream is not None:
            self._stream.feed(text)

    def feed(self, choice: ChunkChoice) -> tuple[list[Delta], ChunkChoice | None]:
        """Search a choice of a chunk.

        Returns texts to deliver before it, and what is left of it to deliver.
        """
        delta = choice.delta
        before: list[Delta] = []
        if delta.tool_calls or delta.function_call is not None:
            before = self.release()
        elif self._stream is not None and delta.content:
            text = self._visible(self._stream.feed(delta.content))
            if text != delta.content:
                choice = _with_content(choice, text)
                if choice.finish_reason is None and not _has_content(choice):
                    return before, None
        if choice.finish_reason is None:
            return before, choice
        if choice.delta.content and self._stream is not None:
            before.append(Delta(content=choice.delta.content))
            choice = _with_content(choice, "")
        before += self.end()
        choice.finish_reason = self.finish_reason(choice.finish_reason)
        return before, choice

    def end(self) -> list[Delta]:
        """The choice is complete: return the text that was held back, then the calls."""
        stream, self._stream = self._stream, None
        if stream is None:
            return []
        text = self._visible(stream.close())
        rescued = join_pieces(self._held)
        deltas = _text_delta(text + rescued.text)
        if rescued.calls:
            self._has_rescued = True
            _note_calls(self._report, rescued.calls)
            calls = _calls_of(self._made_id, rescued.calls)
            deltas.append(Delta(tool_calls=[_delta_of(i, call) for i, call in enumerate(calls)]))
        return deltas

    def release(self) -> list[Delta]:
        """Return the text that was held back, unchanged; nothing more is looked for."""
        stream, self._stream = self._stream, None
        if stream is None:
            return []
        held, self._held = self._held, []
        return _text_delta("".join(piece.source for piece in held) + stream.release())

    def _visible(self, pieces: Iterable[Piece]) -> str:
        """The text that may be delivered now: what follows the first call is held back."""
        texts: list[str] = []
        for piece in pieces:
            if self._held or piece.calls:
                self._held.append(piece)
            else:
                texts.append(piece.text)
        return "".join(texts)


def _finish_of_calls(host_reason: str | None) -> str | None:
    """The finish reason of a choice that has calls: `tool_calls` for `stop`; others stay."""
    return _TOOL_CALLS if host_reason in ("stop", None) else host_reason


def _calls_of(made_id: str, calls: Sequence[FoundCall]) -> list[ToolCall]:
    """Make tool calls of found ones. Their ids derive from `made_id`, which the gateway made.

    A host may give two answers of a conversation the same id.
    """
    return [
        ToolCall(
            id=make_call_id(f"{made_id}_{position}"),
            type="function",
            function=Function(name=call.name, arguments=call.arguments),
        )
        for position, call in enumerate(calls)
    ]


def _delta_of(position: int, call: ToolCall) -> DeltaToolCall:
    """A whole tool call as the piece of a stream."""
    function = DeltaFunction(name=call.function.name, arguments=call.function.arguments)
    return DeltaToolCall(index=position, id=call.id, type=call.type, function=function)


def _note_calls(report: CallReport, calls: Sequence[FoundCall]) -> None:
    """Count rescued calls and repaired arguments in the report."""
    report.rescued_calls += len(calls)
    report.repaired_arguments += sum(len(call.repaired) for call in calls)


def _text_delta(text: str) -> list[Delta]:
    """A text as a delta; none for an empty one."""
    return [Delta(content=text)] if text else []


def _with_content(choice: ChunkChoice, text: str) -> ChunkChoice:
    """A copy of a choice with another text."""
    fields: dict[str, Any] = choice.delta.model_dump(exclude_unset=True, exclude={"content"})
    if text:
        fields["content"] = text
    return choice.model_copy(update={"delta": Delta.model_validate(fields)})


def _has_content(choice: ChunkChoice) -> bool:
    """Whether anything but text is left in a choice."""
    return bool(choice.logprobs) or has_values(choice.delta.model_dump(exclude_unset=True))
