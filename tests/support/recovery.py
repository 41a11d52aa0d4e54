"""What released clients read in the last event of a stream.

The words, codes and types are those of the shipped code that docs/concepts/client-recovery.md
names; each function says whether that client tries again, or takes the prompt for too long.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_OPENCODE_RETRIES = re.compile(
    r"429|500|502|503|504|524|rate limit|rate-limit|rate_limit|too many requests|overloaded"
    r"|service unavailable|service_unavailable|internal error|internal_error|internal server error"
    r"|server error|server_error|provider returned error|terminated|fetch failed|network error"
    r"|connection error|connection refused|connection lost|socket hang up|econnreset|etimedout"
    r"|^timeout$|\b(?:request|response|connection|network|stream|read) (?:timeout|timed out)\b"
    r"|\btry again (?:later|in\b)|\b(?:currently|temporarily) at capacity\b",
    re.IGNORECASE,
)
_PI_RETRIES = re.compile(
    r"overloaded|provider.?returned.?error|rate.?limit|too many requests|429|500|502|503|504"
    r"|service.?unavailable|server.?error|internal.?error|network.?error|connection.?error"
    r"|connection.?refused|connection.?lost|other side closed|fetch failed|upstream.?connect"
    r"|socket hang up|ended without|timed? out|timeout|terminated|retry delay",
    re.IGNORECASE,
)
_TOO_LONG = re.compile(
    r"prompt is too long|exceeds the context window|maximum context length is \d+"
    r"|reduce the length of the messages|context[_ ]length[_ ]exceeded|too many tokens",
    re.IGNORECASE,
)
_NOT_TOO_LONG = re.compile(r"rate limit|too many requests", re.IGNORECASE)
_CODEX_FINAL = frozenset(
    ("context_length_exceeded", "insufficient_quota", "usage_not_included", "invalid_prompt")
)
_RATE_WAIT = re.compile(r"try again in\s*(\d+(?:\.\d+)?)\s*(s|ms|seconds?)", re.IGNORECASE)


def opencode_retries(message: str) -> bool:
    """Whether opencode tries a request again whose stream ended with this message."""
    return not opencode_compacts(message) and bool(_OPENCODE_RETRIES.search(message))


def opencode_compacts(message: str) -> bool:
    """Whether opencode, or pi, takes the prompt for too long."""
    return not _NOT_TOO_LONG.search(message) and bool(_TOO_LONG.search(message))


def pi_retries(message: str) -> bool:
    """Whether pi tries again."""
    return not opencode_compacts(message) and bool(_PI_RETRIES.search(message))


def claude_code_retries(body: Mapping[str, Any]) -> bool:
    """Whether Claude Code sends a stream again that ended with this `error` event."""
    return '"type":"overloaded_error"' in json.dumps(body, separators=(",", ":"))


def claude_code_compacts(body: Mapping[str, Any]) -> bool:
    """Whether Claude Code takes the prompt for too long."""
    return "prompt is too long" in body["error"]["message"].lower()


def codex_retries(error: Mapping[str, Any]) -> bool:
    """Whether Codex asks for the response again that failed with this."""
    return error["code"] not in _CODEX_FINAL


def codex_waits_s(error: Mapping[str, Any]) -> float | None:
    """How long Codex waits before that, where the message says it."""
    found = _RATE_WAIT.search(error["message"])
    return float(found[1]) if found else None
