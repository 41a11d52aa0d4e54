"""What a web page may ask of a gateway: all with a master key; without one, only local pages.

Without a key whoever can connect is answered, and any page that a person here opens can make the
browser connect. `Host`, `Origin` and `Sec-Fetch-Site` tell which page did. Source of the last two:
the Fetch standard and W3C's Fetch Metadata, read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from puna.errors import PermissionDeniedError
from puna.gateway.requests.body import Incoming
from puna.gateway.requests.host_header import is_safe_host, read_host

_ALLOWED_HEADERS: Final = "authorization, content-type, x-api-key, api-key, x-litellm-api-key"
_OWN_SITE: Final = ("same-origin", "none")
"""The values of `Sec-Fetch-Site` for this site's own pages, and for what a person typed."""


@dataclass(frozen=True, slots=True)
class PageRules:
    """Which browser pages may use this gateway.

    Attributes:
        is_open: no master key is set.
        allowed_hosts: names under which it is reached beside the safe ones; see `is_safe_host`.
    """

    is_open: bool
    allowed_hosts: tuple[str, ...] = ()

    def knows_host(self, value: str) -> bool:
        """Whether a `Host` header is acceptable; always with a master key."""
        host = read_host(value)
        if host is None:
            return False
        return not self.is_open or is_safe_host(host, self.allowed_hosts)

    def check(self, head: Incoming, *, is_public: bool) -> None:
        """Refuse what a page of another site may have sent to a gateway without a master key.

        `is_public` is whether the path needs no key: a link on any page may lead there.

        Raises:
            PermissionDeniedError: `host_not_allowed` or `origin_not_allowed`.
        """
        if not self.is_open:
            return
        if not self.knows_host(head.headers.get("host", "")):
            raise PermissionDeniedError(
                "Without a master key this gateway answers to addresses and local names only, and "
                "the `Host` header has another name. Add the name to "
                "`general_settings.allowed_hosts`, or set `general_settings.master_key`.",
                code="host_not_allowed",
            )
        if not self._is_own_page(head, is_public=is_public):
            raise PermissionDeniedError(
                "Without a master key this gateway serves no pages of other sites; set "
                "`general_settings.master_key`.",
                code="origin_not_allowed",
            )

    def reply_headers(self, head: Incoming) -> Mapping[str, str]:
        """The CORS headers that let the requesting page read the reply; none where it may not."""
        origin = head.headers.get("origin", "")
        if not origin or not self._may_read(origin):
            return {}
        return {
            "access-control-allow-origin": origin,
            "access-control-expose-headers": "*",
            "vary": "origin",
        }

    def _is_own_page(self, head: Incoming, *, is_public: bool) -> bool:
        """Whether a request comes from an own page, or from a client that is no browser."""
        headers = head.headers
        if headers.get("origin"):
            return self._may_read(headers["origin"])
        # An image, a script, a link: no `Origin`. Clients that are no browsers send neither.
        if headers.get("sec-fetch-site", "none").strip().lower() in _OWN_SITE:
            return True
        return is_public and headers.get("sec-fetch-mode") == "navigate"

    def _may_read(self, origin: str) -> bool:
        """Whether a page of this origin may read replies.

        Any with a master key, else local ones.
        """
        if not self.is_open:
            return True
        try:
            host = urlsplit(origin).hostname
        except ValueError:  # brackets that do not match
            return False
        return host is not None and (host in self.allowed_hosts or _is_local(host))


def preflight_headers(head: Incoming, methods: Sequence[str]) -> Mapping[str, str]:
    """The CORS headers that answer a browser's OPTIONS request; `reply_headers` come beside them.

    `methods` are those of the path. For an unknown path the page's own method is allowed, so that
    it can read the error.
    """
    allowed = list(methods) or [head.headers.get("access-control-request-method", "GET")]
    if "GET" in allowed:
        allowed.append("HEAD")
    return {
        "access-control-allow-methods": ", ".join(dict.fromkeys((*allowed, "OPTIONS"))),
        "access-control-allow-headers": head.headers.get(
            "access-control-request-headers", _ALLOWED_HEADERS
        ),
        "access-control-max-age": "600",
    }


def _is_local(host: str) -> bool:
    """Whether a host is this machine itself."""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
