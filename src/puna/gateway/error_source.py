"""Who is at fault for an error: this gateway, or a host behind it."""

from __future__ import annotations

from puna.errors import APIError


def error_source(error: APIError) -> str:
    """`upstream` for what a provider answered, or failed to answer; else `gateway`."""
    is_theirs = error.body is not None or error.fault in ("upstream", "network")
    return "upstream" if error.provider and is_theirs else "gateway"
