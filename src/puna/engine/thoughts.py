"""Turns `<think>` in the text of an answer into thoughts, for callers whose API has them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from puna.bridges.reasoning import reasoning_of, thinking_blocks_of
from puna.rescue.think_tags import OPEN, Piece, ThinkTags, split_thoughts
from puna.types.chat import ChatCompletion, ChatCompletionChunk, ChunkChoice, Delta
from puna.types.requests import ChatRequest

_FIELD = "reasoning_content"


def reads_think_tags(request: ChatRequest) -> bool:
    """Whether `<think>` is looked for in the answer to a request."""
    wish = request.read_think_tags
    return request.source is not None if wish is None else wish


def read_thoughts(answer: ChatCompletion) -> None:
    """Move the thoughts out of the texts of a whole answer, in place."""
    for choice in answer.choices:
        message = choice.message
        content = message.content
        if not content or OPEN not in content or reasoning_of(message):
            continue
        thought, text = split_thoughts(content)
        if thought or text != content:
            message.content = text or (None if message.tool_calls else "")
            setattr(message, _FIELD, thought)


class StreamThoughts:
    """Moves thoughts out of the texts of one stream.

    `feed` it the chunks in order, then `close`.
    """

    def __init__(self) -> None:
        self._tags: dict[int, ThinkTags] = {}
        self._last: ChatCompletionChunk | None = None

    def feed(self, chunks: Iterable[ChatCompletionChunk]) -> list[ChatCompletionChunk]:
        """Search the next chunks. Returns the chunks to deliver now."""
        ready: list[ChatCompletionChunk] = []
        for chunk in chunks:
            if not chunk.choices:
                ready += [*self.close(), chunk]
                continue
            self._last = chunk
            if all(self._is_over(choice) for choice in chunk.choices):
                ready.append(chunk)
            else:
                for choice in chunk.choices:
                    ready += self._feed_choice(chunk, choice)
        return ready

    def note_passed_text(self) -> None:
        """Note that the caller already has text of the first choice.

        No thought begins there any more.
        """
        self._tags.setdefault(0, ThinkTags()).stop()

    def close(self) -> list[ChatCompletionChunk]:
        """The stream is over or broke: return the chunks that were held back."""
        if self._last is None:
            return []
        last = self._last
        return [
            with_one_choice(last, _choice_of(index, piece))
            for index, tags in self._tags.items()
            for piece in tags.close()
        ]

    def _is_over(self, choice: ChunkChoice) -> bool:
        """Whether nothing more is looked for in a choice."""
        tags = self._tags.setdefault(choice.index, ThinkTags())
        return tags.is_over

    def _feed_choice(
        self, chunk: ChatCompletionChunk, choice: ChunkChoice
    ) -> list[ChatCompletionChunk]:
        """Search one choice of a chunk. Returns the chunks to deliver now."""
        tags, delta = self._tags.setdefault(choice.index, ThinkTags()), choice.delta
        pieces: list[Piece] = []
        if reasoning_of(delta) or thinking_blocks_of(delta):
            # The host tells thoughts by itself: its text holds none.
            pieces = [*tags.stop(), ("text", delta.content or "")]
        elif delta.content:
            pieces = tags.feed(delta.content)
        if choice.finish_reason is not None or delta.tool_calls or delta.function_call:
            pieces += tags.close()
        fields: dict[str, Any] = delta.model_dump(exclude_unset=True, exclude={"content"})
        if delta.content == "":
            fields["content"] = ""
        thoughts = "".join(text for kind, text in pieces if kind == "thought")
        texts = "".join(text for kind, text in pieces if kind == "text")
        before: list[ChatCompletionChunk] = []
        if thoughts:
            role = {"role": fields.pop("role")} if "role" in fields else {}
            before = [
                with_one_choice(
                    chunk,
                    ChunkChoice(
                        index=choice.index,
                        delta=Delta.model_validate({**role, _FIELD: thoughts}),
                    ),
                )
            ]
        if texts:
            fields["content"] = texts
        says_more = bool(fields) or choice.finish_reason is not None or bool(choice.logprobs)
        if not says_more:
            return before
        rest = choice.model_copy(update={"delta": Delta.model_validate(fields)})
        return [*before, with_one_choice(chunk, rest)]


def _choice_of(index: int, piece: Piece) -> ChunkChoice:
    """A found piece, a thought or a text, as a choice of a chunk."""
    kind, text = piece
    name = _FIELD if kind == "thought" else "content"
    return ChunkChoice(index=index, delta=Delta.model_validate({name: text}))


def with_one_choice(chunk: ChatCompletionChunk, choice: ChunkChoice) -> ChatCompletionChunk:
    """A copy of a chunk with this choice as its only one."""
    return chunk.model_copy(update={"choices": [choice]})
