"""Makes tool names fit chat: at most 64 characters, and no namespaces."""

from __future__ import annotations

import hashlib

LONGEST = 64
_KEPT = 55
_DIGEST = 8
_BETWEEN = "__"


def alias_of(name: str) -> str:
    """The name under which a tool is sent to a host; a short name stays as it is.

    A long one keeps its beginning and ends with a digest. It is the same in every request, so that
    the calls of earlier turns still fit.
    """
    if len(name) <= LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
    return f"{name[:_KEPT]}_{digest}"


def joined_name(namespace: str, name: str) -> str:
    """The function name for a tool in a namespace: `crm` and `find` give `crm__find`."""
    between = "" if namespace.endswith(_BETWEEN) else _BETWEEN
    return alias_of(f"{namespace}{between}{name}")
