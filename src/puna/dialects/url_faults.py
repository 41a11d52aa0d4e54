"""Finds faults in a host's URL that can be seen without a request."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_TWICE = re.compile(r"/(v\d+[a-z]*\d*)/\1(?=/|\Z)", re.IGNORECASE)
_ENDPOINT = re.compile(
    r"/((?:chat/)?completions|embeddings|responses|messages|moderations|models|api/chat"
    r"|api/generate|converse(?:-stream)?)\Z"
)


def find_url_fault(base_url: str) -> str | None:
    """Why requests to this URL will fail, as a clause with the fix.

    None where nothing looks wrong.
    """
    path = urlsplit(base_url).path.rstrip("/")
    endpoint = _ENDPOINT.search(path)
    if endpoint is not None:
        return (
            f"ends with `/{endpoint.group(1)}`, the path of one endpoint: leave that out, for it "
            "is added"
        )
    twice = _TWICE.search(path)
    if twice is not None:
        return f"holds `{twice.group(0)}`: write `/{twice.group(1)}` once"
    return None
