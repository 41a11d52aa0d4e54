"""The `Host` header: whether there is one, whether it is a host, and which names are safe.

A page of an attacker's domain can have its name point at this machine once it is loaded (DNS
rebinding). To the browser the page and a gateway here are then one site; only `Host` still tells.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from ipaddress import ip_address
from typing import Final

_HOST: Final = re.compile(
    r"(?:\[(?P<six>[0-9A-Fa-f:.]+(?:%[0-9A-Za-z._~-]+)?)\]|(?P<name>[A-Za-z0-9._~!$&'()*+;=-]*))"
    r"(?::[0-9]{0,5})?"
)
"""RFC 9110, section 7.2: a host as in a URL, and perhaps a port. A comma would be two of them."""

_KNOWN_HOSTS: Final = 256

_UNREGISTERED: Final = (".localhost", ".local", ".internal", ".home.arpa")
"""Ends of names that nobody can register (RFC 6761, 6762, 8375; `.internal`: ICANN, 2024)."""


def host_fault(headers: Sequence[tuple[bytes, bytes]], *, is_required: bool) -> str | None:
    """Check a request's `Host` header. Returns what is wrong in words, or None.

    `headers` have lower-case names. `is_required` is whether the version asks for one: 1.1 does
    (RFC 9112, section 3.2).
    """
    hosts = [value for name, value in headers if name == b"host"]
    if len(hosts) > 1:
        return f"The request has {len(hosts)} `Host` headers; send one."
    if not hosts:
        return "The request has no `Host` header; HTTP/1.1 asks for one." if is_required else None
    if read_host(hosts[0].decode("latin-1")) is None:
        return "The request's `Host` header is no host; send a name or an address, and a port."
    return None


@lru_cache(_KNOWN_HOSTS)
def read_host(value: str) -> str | None:
    """The host of a `Host` header, without port, brackets and last dot, in lower case.

    None where it is no host.
    """
    found = _HOST.fullmatch(value.strip())
    if found is None:
        return None
    return (found["six"] or found["name"]).lower().removesuffix(".")


def is_safe_host(host: str, allowed: Iterable[str] = ()) -> bool:
    """Whether a host name is one that an attacker's DNS cannot point at this machine.

    Asked to stop DNS rebinding. `host` is as `read_host` gives it. Safe are addresses, names of one
    label, names below a domain that nobody can register, and those `allowed`:
    `gateway.example.com`, `*.example.com`, `*`.
    """
    if "." not in host or host.endswith(_UNREGISTERED):
        return True
    try:
        ip_address(host)
    except ValueError:
        return any(_matches(host, one.lower()) for one in allowed)
    return True


def _matches(host: str, allowed: str) -> bool:
    """Whether a host is the allowed one, or below an allowed `*.domain`."""
    if allowed.startswith("*"):
        return host.endswith(allowed[1:])
    return host == allowed
