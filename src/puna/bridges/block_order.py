"""The order of an answer's blocks, kept beside a chat message, which cannot express it.

Chat has one text and a list of calls. A Messages answer may think, call, think and call again, and
its host wants these blocks back in the same order. The usual order is thoughts, one text, calls.
For any other one the message has the field `block_order`: a list with an entry for each block,
which is `thinking`, `tool_use`, or for a text the number of its characters.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast

BLOCK_ORDER = "block_order"
THINKING = "thinking"
TOOL_USE = "tool_use"
THOUGHTS = ("thinking", "redacted_thinking")
"""The types of the blocks that hold thoughts; in an order both are `thinking`."""
TEXT = "text"
"""A text that is still being written."""

T = TypeVar("T")
Entry = str | int


def is_usual_order(order: Sequence[Entry], *, most_texts: int = 1) -> bool:
    """Whether an order is thoughts, then texts (at most `most_texts`), then calls.

    Only another order is recorded beside the message.
    """
    ranks = [_rank(entry) for entry in order]
    return ranks == sorted(ranks) and ranks.count(1) <= most_texts


def read_order(order: Any) -> list[Entry]:
    """Read the `block_order` of a message that is sent back; empty where it is invalid."""
    if not isinstance(order, list):
        return []
    entries = cast("list[Any]", order)
    is_right = all(entry in (THINKING, TOOL_USE) or _is_length(entry) for entry in entries)
    return cast("list[Entry]", entries) if is_right else []


def split_text(text: str, order: Sequence[Entry]) -> list[str]:
    """Split an answer's text into the texts of its blocks, by the lengths in the order.

    The whole text as one where the lengths do not fit.
    """
    lengths = [entry for entry in order if isinstance(entry, int)]
    if sum(lengths) != len(text):
        return [text] if text else []
    ends = [sum(lengths[: i + 1]) for i in range(len(lengths))]
    return [text[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def put_in_order(
    order: Sequence[Entry], thoughts: Sequence[T], texts: Sequence[T], calls: Sequence[T]
) -> list[T]:
    """Arrange the blocks of an answer in the given order, to send them to their host again.

    Where the order does not fit these blocks, it is thoughts, texts, calls.
    """
    told = [_rank(entry) for entry in order]
    held = (thoughts, texts, calls)
    if any(told.count(rank) != len(kind) for rank, kind in enumerate(held)):
        return [*thoughts, *texts, *calls]
    queues: list[Iterator[T]] = [iter(kind) for kind in held]
    return [next(queues[rank]) for rank in told]


def _rank(entry: Entry) -> int:
    """The position of a block's kind in the usual order."""
    return {THINKING: 0, TOOL_USE: 2}.get(str(entry), 1)


def _is_length(entry: Any) -> bool:
    """Whether an entry stands for a text, given as its length."""
    return isinstance(entry, int) and not isinstance(entry, bool) and entry > 0
