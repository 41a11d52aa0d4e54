"""A head that a connection's parser has read before: a client says the same with each request.

The same bytes mean the same, so nothing is parsed: the head's bytes are compared, all but the
digits of its content length.
"""

from __future__ import annotations

import re
from typing import Final

from puna.governance.keys import Keys, Principal

_LENGTH = re.compile(rb"\r\ncontent-length:[ \t]*([1-9][0-9]{0,8})\r\n", re.IGNORECASE)
_HEAD_END: Final = b"\r\n\r\n"
_LONGEST: Final = 8_192
_MOST_DIGITS: Final = 9


class LaneHead:
    """What the fast lane knows of a request's head.

    Method and path, principal, the client's call id.

    `endpoint` is the name of the path's row. `reads_failures`: see `answers/recovery.py`. It is
    valid for the version of the keys under which it was read.
    """

    __slots__ = ("call_id", "endpoint", "keys", "line", "principal", "reads_failures")

    def __init__(
        self,
        line: str,
        endpoint: str,
        principal: Principal,
        keys: Keys,
        call_id: str | None,
        *,
        reads_failures: bool = False,
    ) -> None:
        self.line = line
        self.endpoint = endpoint
        self.principal = principal
        self.keys = keys
        self.call_id = call_id
        self.reads_failures = reads_failures


class KnownHead:
    """The bytes of a request head that this connection has sent before, and what the head means.

    Only the digits of `content-length`, which stand between the two parts, may differ.
    """

    __slots__ = ("_after", "_before", "_digits_at", "is_kept", "meaning")

    def __init__(self, before: bytes, after: bytes, meaning: LaneHead, *, is_kept: bool) -> None:
        self._before = before
        self._after = after
        self._digits_at = len(before)
        self.meaning = meaning
        self.is_kept = is_kept
        """Whether the connection serves on after the answer."""

    def find_body(self, data: bytes) -> tuple[int, int] | None:
        """Where the body begins, and how long it is, if `data` begins with this head; else None.

        Called for each read that may begin a request, so that the head need not be parsed again.
        """
        if not data.startswith(self._before):
            return None
        at = self._digits_at
        end = data.find(b"\r", at, at + _MOST_DIGITS + 1)
        digits = data[at:end]
        if (
            end < 0
            or not digits.isdigit()
            or digits.startswith(b"0")
            or not data.startswith(self._after, end)
        ):
            return None
        return end + len(self._after), int(digits)


def learn_head(data: bytes, body: bytes, meaning: LaneHead, *, is_kept: bool) -> KnownHead | None:
    """Make the `KnownHead` of a request that the parser has read; None where it is not worth it.

    `data` is the read that a request began with, and `body` the body that the parser found, which
    proves where the head ends.
    """
    end = data.find(_HEAD_END)
    head = data[: end + len(_HEAD_END)]
    if end < 0 or len(head) > _LONGEST or meaning.call_id is not None:
        return None
    if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
        return None
    if not head.startswith(b"POST ") or not body.startswith(data[len(head) :]):
        return None
    found = _LENGTH.search(head)
    is_clear = head.lower().count(b"\r\ncontent-length") == 1
    if found is None or not is_clear or int(found[1]) != len(body):
        return None
    return KnownHead(head[: found.start(1)], head[found.end(1) :], meaning, is_kept=is_kept)
