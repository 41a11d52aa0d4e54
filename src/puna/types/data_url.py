"""Parses files inside a request: `data:<media type>;base64,<data>` URLs (RFC 2397)."""

from __future__ import annotations

import re

_DATA_URL = re.compile(r"data:([^;,]*)(?:;[^;,]*)*;base64,(.*)", re.IGNORECASE | re.DOTALL)


def read_data_url(url: str) -> tuple[str, str] | None:
    """The media type in lower case and the base64 text; None for any other URL."""
    found = _DATA_URL.fullmatch(url)
    return (found.group(1).lower(), found.group(2)) if found is not None else None
