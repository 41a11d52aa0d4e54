"""Folds stream chunks to a whole answer, and unfolds a whole answer to chunks.

`fold(unfold(answer))` says the same as `answer`, and `fold` of a streamed answer equals the whole
answer that the host would have given: both by property test.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, cast

from puna.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChunkChoice,
    Delta,
    DeltaFunction,
    DeltaToolCall,
)
from puna.types.common import Usage
from puna.types.messages import THINKING_BLOCKS

_CUSTOM = "custom"
_JOINED = ("content", "refusal", "reasoning_content", "reasoning")
"""Delta fields whose pieces are joined; of any other field but lists of blocks the last counts."""


@dataclass(slots=True)
class _Call:
    """The pieces of one tool call so far."""

    id: str | None = None
    type: str = "function"
    name: str | None = None
    arguments: list[str] = field(default_factory=list[str])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    function_extra: dict[str, Any] = field(default_factory=dict[str, Any])


@dataclass(slots=True)
class _Answer:
    """The pieces of one choice so far."""

    role: str = "assistant"
    texts: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    calls: dict[int, _Call] = field(default_factory=dict[int, _Call])
    legacy_call: _Call | None = None
    finish_reason: str | None = None
    logprobs: dict[str, list[Any] | None] = field(default_factory=dict[str, list[Any] | None])
    extra: dict[str, Any] = field(default_factory=dict[str, Any])
    choice_extra: dict[str, Any] = field(default_factory=dict[str, Any])


class Fold:
    """Folds chunks one by one. Memory grows with the answer, not with the number of chunks."""

    def __init__(self) -> None:
        self._head: ChatCompletionChunk | None = None
        self._answers: dict[int, _Answer] = {}
        self._extra: dict[str, Any] = {}
        self._usage: Usage | None = None
        self._fingerprint: str | None = None

    def add(self, chunk: ChatCompletionChunk) -> None:
        """Add the next chunk."""
        if self._head is None:
            self._head = chunk
        self._usage = chunk.usage or self._usage
        self._fingerprint = chunk.system_fingerprint or self._fingerprint
        for name, value in (chunk.model_extra or {}).items():
            if value is not None or name not in self._extra:  # a null takes nothing back
                self._extra[name] = value
        for choice in chunk.choices:
            _add_choice(self._answers.setdefault(choice.index, _Answer()), choice)

    def result(self) -> ChatCompletion:
        """The answer so far.

        Raises:
            ValueError: no chunk was added.
        """
        if self._head is None:
            raise ValueError("there are no chunks to fold")
        data: dict[str, Any] = {
            **self._extra,
            "id": self._head.id,
            "object": "chat.completion",
            "created": self._head.created,
            "model": self._head.model,
            "choices": [_finish(index, answer) for index, answer in sorted(self._answers.items())],
        }
        if self._usage is not None:
            data["usage"] = self._usage
        if self._fingerprint is not None:
            data["system_fingerprint"] = self._fingerprint
        return ChatCompletion.model_validate(data)


def fold(chunks: Iterable[ChatCompletionChunk]) -> ChatCompletion:
    """Join all chunks of one stream to the whole answer."""
    folding = Fold()
    for chunk in chunks:
        folding.add(chunk)
    return folding.result()


def unfold(
    completion: ChatCompletion, *, wants_usage: bool = False, piece: int | None = None
) -> Iterator[ChatCompletionChunk]:
    """Split a whole answer into the chunks of a stream, for a host that could not stream it.

    `piece` splits the content into deltas of so many characters; None gives it in one.
    """
    head: dict[str, Any] = {
        **(completion.model_extra or {}),
        "id": completion.id,
        "object": "chat.completion.chunk",
        "created": completion.created,
        "model": completion.model,
    }
    if completion.system_fingerprint is not None:
        head["system_fingerprint"] = completion.system_fingerprint

    def chunk(**fields: Any) -> ChatCompletionChunk:
        """A chunk with the answer's id, time and model."""
        return ChatCompletionChunk.model_validate({**head, **fields})

    for choice in completion.choices:
        dumped = choice.message.model_dump(mode="json")
        message = {name: value for name, value in dumped.items() if value is not None}
        calls = cast("list[dict[str, Any]]", message.pop("tool_calls", []))
        content = message.pop("content", None)
        pieces = _cut(content, piece) if content is not None else []
        first = {**message, **({"content": pieces[0]} if pieces else {})}
        if calls:
            first["tool_calls"] = [{"index": i, **call} for i, call in enumerate(calls)]
        deltas = [first, *({"content": text} for text in pieces[1:])]
        for position, delta in enumerate(deltas):
            part: dict[str, Any] = {"index": choice.index, "delta": delta}
            if position == 0 and choice.logprobs is not None:
                part["logprobs"] = choice.logprobs
            yield chunk(choices=[part])
    for choice in completion.choices:
        last = {"index": choice.index, "delta": {}, "finish_reason": choice.finish_reason}
        yield chunk(choices=[{**(choice.model_extra or {}), **last}])
    if wants_usage and completion.usage is not None:
        yield chunk(choices=[], usage=completion.usage)


def _cut(text: str, piece: int | None) -> list[str]:
    """Cut a text into pieces of `piece` characters; one piece where that is None."""
    size = piece or len(text) or 1
    return [text[start : start + size] for start in range(0, len(text), size)] or [""]


def _add_choice(answer: _Answer, choice: ChunkChoice) -> None:
    """Add a choice of a chunk to its answer."""
    delta = choice.delta
    answer.role = delta.role or answer.role
    answer.finish_reason = choice.finish_reason or answer.finish_reason
    answer.choice_extra.update(choice.model_extra or {})
    _add_texts(answer, delta)
    for piece in delta.tool_calls or ():
        _add_call(answer.calls.setdefault(piece.index, _Call()), piece)
    if delta.function_call is not None:
        call = answer.legacy_call = answer.legacy_call or _Call()
        _add_function(call, delta.function_call)
    if isinstance(choice.logprobs, dict):
        for name, tokens in cast("dict[str, Any]", choice.logprobs).items():
            if isinstance(tokens, list):
                known = answer.logprobs.get(name) or []
                answer.logprobs[name] = known
                known.extend(cast("list[Any]", tokens))
            else:
                answer.logprobs.setdefault(name, None)


def _add_texts(answer: _Answer, delta: Delta) -> None:
    """Add the texts of a delta."""
    for name in _JOINED:
        text = getattr(delta, name, None)
        if isinstance(text, str):
            texts = answer.texts.setdefault(name, [])
            if text:
                texts.append(text)
    for name, value in (delta.model_extra or {}).items():
        if name == THINKING_BLOCKS and isinstance(value, list):
            answer.extra[name] = [*answer.extra.get(name, ()), *cast("list[Any]", value)]
        elif name not in _JOINED or not isinstance(value, str):
            answer.extra[name] = value


def _add_call(call: _Call, piece: DeltaToolCall) -> None:
    """Add a piece of a tool call."""
    call.id = piece.id or call.id
    call.type = piece.type or call.type
    for name, value in (piece.model_extra or {}).items():
        known = call.extra.get(name)
        is_more = name == _CUSTOM and isinstance(known, dict) and isinstance(value, dict)
        call.extra[name] = _with_input(known, value) if is_more else value
    if piece.function is not None:
        _add_function(call, piece.function)


def _with_input(known: Any, more: Any) -> dict[str, Any]:
    """A call of a free-form tool, with another piece of its input."""
    texts = (fields.get("input") for fields in (known, more))
    text = "".join(one for one in texts if isinstance(one, str))
    return {**known, **more, "input": text}


def _add_function(call: _Call, piece: DeltaFunction) -> None:
    """Add a piece of a function's name and arguments."""
    call.name = piece.name or call.name
    call.function_extra.update(piece.model_extra or {})
    if piece.arguments:
        call.arguments.append(piece.arguments)


def _function_fields(call: _Call) -> dict[str, Any]:
    """The function of a call, with all pieces of its arguments joined."""
    return {**call.function_extra, "name": call.name, "arguments": "".join(call.arguments)}


def _finish(index: int, answer: _Answer) -> dict[str, Any]:
    """The folded choice as JSON fields."""
    message: dict[str, Any] = {**answer.extra, "role": answer.role, "content": None}
    message.update((name, "".join(texts)) for name, texts in answer.texts.items())
    if answer.calls:
        message["content"] = message["content"] or None
        message["tool_calls"] = [
            {
                **call.extra,
                "id": call.id,
                "type": call.type,
                "function": _function_fields(call),
            }
            for _, call in sorted(answer.calls.items())
        ]
    if answer.legacy_call is not None:
        message["function_call"] = _function_fields(answer.legacy_call)
    choice: dict[str, Any] = {
        **answer.choice_extra,
        "index": index,
        "message": message,
        "finish_reason": answer.finish_reason,
    }
    if answer.logprobs:
        choice["logprobs"] = dict(answer.logprobs)
    return choice
