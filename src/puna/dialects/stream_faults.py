"""Builds the errors for a stream that breaks off or holds an invalid frame."""

from __future__ import annotations

from puna.dialects.base import ReadContext
from puna.dialects.secrets import scrub
from puna.errors import MalformedReplyError, StreamInterruptedError
from puna.types.model_request import ModelRequest

_SHOWN = 120
_KEPT = 500


def interrupted_error(what: str, context: ReadContext[ModelRequest]) -> StreamInterruptedError:
    """Make the error for a stream that ended too early; `what` says where."""
    provider = context.target.provider
    return StreamInterruptedError(
        f"The stream of {provider} ended {what}. What was received may be cut.",
        provider=provider,
        model=context.model,
    )


def malformed_frame(
    what: str, context: ReadContext[ModelRequest], frame: bytes = b""
) -> MalformedReplyError:
    """Make the error for an invalid frame; the message quotes the frame's beginning."""
    provider = context.target.provider
    text = scrub(frame.decode("utf-8", "replace"), context)
    return MalformedReplyError(
        f"{provider} sent {what} in its stream{f': `{text[:_SHOWN]}`' if text else '.'}",
        provider=provider,
        model=context.model,
        body=text[:_KEPT],
    )
