"""What the last words of a failed call are, so that clients can recover from it.

Once a stream has begun there is no status any more. Clients then choose between a retry, a
compaction of the conversation and an end of the session by words in the message, or by the type or
code of the error. The words here are those that released clients look for. The table of clients,
with versions: docs/concepts/client-recovery.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from puna.errors import (
    APIConnectionError,
    APIError,
    ContextWindowExceededError,
    InternalServerError,
    RateLimitError,
)

TOO_LONG: Final = "prompt is too long: "
"""How Anthropic begins to say it: Claude Code looks for these words, and compacts."""

_OVERFLOW: Final = "context_length_exceeded: the prompt exceeds the context window"
_LIMITED: Final = "rate limit: too many requests; try again"
_LOST: Final = "server error, connection lost; try again later"


def is_worth_retrying(error: APIError) -> bool:
    """Whether the same request may succeed later, also where Puna itself must not send it again."""
    if isinstance(error, RateLimitError):
        return error.is_retryable
    return isinstance(error, APIConnectionError | InternalServerError)


def overflow_words(error: APIError, message: str) -> str:
    """The message of an error for the client.

    Where the prompt was too long, it gets the words by which coding agents recognize that, so that
    they shorten the conversation. Used for every error body.
    """
    if not isinstance(error, ContextWindowExceededError):
        return message
    return _with_words(message, _OVERFLOW)


def last_words(error: APIError, message: str) -> str:
    """The message of an error that ends a stream, which has no status any more.

    It gets the words by which clients recognize whether to wait and try again, or to shorten the
    prompt.
    """
    if not is_worth_retrying(error):
        return overflow_words(error, message)
    if not isinstance(error, RateLimitError):
        return _with_words(message, _LOST)
    wait_s = error.retry_after_s
    when = "later" if wait_s is None else f"in {max(1, round(wait_s))}s"
    return _with_words(message, f"{_LIMITED} {when}")


def reads_failures_in_streams(headers: Mapping[str, str]) -> bool:
    """Whether a client recovers only from a failure that comes inside a stream.

    Codex compacts and waits for what it reads in `response.failed`; a status 400 ends its turn.
    It names itself in the header `originator`.
    """
    return headers.get("originator", "").lower().startswith("codex")


def _with_words(message: str, words: str) -> str:
    """Append `words` in brackets, unless the message holds them already."""
    return message if words in message else f"{message} ({words})"
