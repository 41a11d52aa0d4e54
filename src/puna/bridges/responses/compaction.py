"""Compaction: replaces a conversation by one shorter item, from which it continues.

OpenAI's service makes an item whose text only it can read. Here a model is asked for a summary, and
the item holds it encoded, not encrypted: it is the caller's own conversation, so nothing in it is
secret from the caller. Source: Open Responses, `CompactResource` and `CompactionBody`, version
2026-04-24.
"""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

from puna.bridges.responses.output import item_id
from puna.errors import BadRequestError, MalformedReplyError
from puna.types.report import CallReport
from puna.types.responses import Compaction, Response

COMPACTION = "compaction"
_MARK = "puna1."
"""How the text of an item that was made here begins."""

ASK: Mapping[str, Any] = {
    "type": "message",
    "role": "user",
    "content": (
        "Summarize our conversation so far, so that it can go on from the summary alone. Keep "
        "what I asked for and every decision, name, number, file and result that later turns may "
        "need, what is done, and what is left to do. Write the summary and nothing else."
    ),
}
"""The last turn of the request that makes a summary."""

_LABEL = "Summary of the conversation so far:\n\n"


def compaction_of(response: Response, report: CallReport) -> Compaction:
    """Build the answer of `/responses/compact` from the response that holds the summary.

    Raises:
        MalformedReplyError: there is no summary, or an incomplete one. The item replaces the
            conversation, so what the summary lacks would be lost silently.
    """
    cut = response.incomplete_details
    if cut is not None:
        raise MalformedReplyError(
            f"The summary of the conversation is incomplete (`{cut.reason}`); give more "
            "`max_output_tokens`, or ask another model.",
            code="incomplete_summary",
        )
    summary = response.output_text.strip()
    if not summary:
        raise MalformedReplyError(
            "The model wrote no summary of the conversation; ask another model.",
            code="empty_summary",
        )
    encoded = base64.urlsafe_b64encode(summary.encode("utf-8", "replace")).decode()
    item = {
        "id": item_id("cmp", response.id, 0),
        "type": COMPACTION,
        "encrypted_content": _MARK + encoded,
    }
    return Compaction.model_validate(
        {
            "id": response.id,
            "object": "response.compaction",
            "created_at": response.created_at,
            "output": [item],
            "usage": _usage_fields(report),
        }
    ).with_report(report)


def expand_compactions(items: Sequence[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Replace each compaction item that was made here by a user message with its text.

    Called for each request's input. Items of another service stay: its own hosts can read them.

    Raises:
        BadRequestError: an item that was made here is damaged; `param` is its path.
    """
    return tuple(
        _as_user_message(item, f"input[{i}]") if _is_made_here(item) else item
        for i, item in enumerate(items)
    )


def _is_made_here(item: Mapping[str, Any]) -> bool:
    """Whether a compaction item was made here."""
    text = item.get("encrypted_content")
    return item.get("type") == COMPACTION and isinstance(text, str) and text.startswith(_MARK)


def _as_user_message(item: Mapping[str, Any], path: str) -> Mapping[str, Any]:
    """Convert a compaction item that was made here to a user message with its text."""
    encoded: str = item["encrypted_content"].removeprefix(_MARK)
    try:
        summary = base64.b64decode(encoded, b"-_", validate=True).decode()
    except ValueError:  # of the encoding, of UTF-8, or for what is no ASCII at all
        raise BadRequestError(
            f"`{path}.encrypted_content` is damaged; send it as `/responses/compact` gave it.",
            param=f"{path}.encrypted_content",
        ) from None
    return {"type": "message", "role": "user", "content": _LABEL + summary}


def _usage_fields(report: CallReport) -> dict[str, Any]:
    """The usage of the call that made the summary."""
    return {
        "input_tokens": report.prompt_tokens,
        "input_tokens_details": {"cached_tokens": report.cached_tokens},
        "output_tokens": report.completion_tokens,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": report.prompt_tokens + report.completion_tokens,
        **({"estimated": True} if report.is_usage_estimated else {}),
    }
