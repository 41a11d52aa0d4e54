"""The proxies in the environment: `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

_MOST_HOSTS: Final = 1_024
_SCHEMES: Final = ("http", "https", "all")
_USABLE: Final = ("http", "https")
_SOCKS: Final = ("socks5", "socks5h")


class EnvironmentProxies:
    """The proxies of the environment, as they were when this was made."""

    def __init__(self) -> None:
        named = getproxies()
        self._proxies = named if any(named.get(one) for one in _SCHEMES) else {}
        self._find_for = lru_cache(_MOST_HOSTS)(self._find_uncached)

    @property
    def is_any_set(self) -> bool:
        """Whether the environment names any proxy; `NO_PROXY` alone names none."""
        return bool(self._proxies)

    @property
    def cached_hosts(self) -> int:
        """How many hosts are in the cache of `find`."""
        return self._find_for.cache_info().currsize

    def find(self, url: str) -> str | None:
        """The address of the proxy for a URL; None where the URL is reached directly."""
        if not self._proxies:
            return None
        try:
            parts = urlsplit(url)
            return self._find_for(parts.scheme, parts.hostname or "", parts.port)
        except ValueError:  # no URL: the transport says why
            return None

    def _find_uncached(self, scheme: str, host: str, port: int | None) -> str | None:
        """The proxy for a scheme and host, by the variables.

        None where the host is reached directly.
        """
        proxy = self._proxies.get(scheme) or self._proxies.get("all")
        if not proxy or proxy_bypass(host if port is None else f"{host}:{port}", self._proxies):
            return None
        return proxy if "://" in proxy else f"http://{proxy}"


def environment_faults(environ: Mapping[str, str]) -> list[str]:
    """Faults of the environment variables for proxies and certificates, one sentence each.

    Each keeps requests from reaching their hosts. Values are not shown: they may hold passwords.
    """
    faults: list[str] = []
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        for one in (name, name.lower()):
            scheme, slashes, _ = environ.get(one, "").strip().partition("://")
            if slashes and not _is_usable(scheme.lower()):
                faults.append(
                    f"`{one}` names a proxy of `{scheme}://`, which cannot be used: hosts that "
                    "`NO_PROXY` does not except cannot be reached. Give one of http:// or https://"
                )
    for one, is_there in (("SSL_CERT_FILE", Path.is_file), ("SSL_CERT_DIR", Path.is_dir)):
        if environ.get(one) and not is_there(Path(environ[one])):
            faults.append(f"`{one}` names what is not there: certificates of hosts cannot be read")
    return faults


def _is_usable(scheme: str) -> bool:
    """Whether proxies of this scheme can be used; SOCKS needs a package."""
    return scheme in _USABLE or (scheme in _SOCKS and find_spec("socksio") is not None)
