"""Fills in and parses the addresses of hosts."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from puna.errors import BadRequestError
from puna.providers.host_settings import HostSetting
from puna.types.display import display
from puna.types.secret import Secret

_USER_INFO = re.compile(r"//[^/@]*@")


def fill_address(
    template: str,
    settings: tuple[HostSetting, ...],
    given: Mapping[str, Secret],
    environ: Mapping[str, str],
) -> str:
    """A row's address with its settings filled in. Raises BadRequestError for a missing setting."""
    for setting in settings:
        place = f"{{{setting.name}}}"
        if place in template:
            template = template.replace(place, setting.require(given, environ))
    return template


def read_base_url(base: str, own: str | None) -> tuple[str, dict[str, str], Secret | None]:
    """Split a base URL into the URL without a trailing slash, its query, and its `user:password`.

    `own` is the provider's own address, which is returned as it is. Raises BadRequestError for an
    invalid URL.
    """
    url = base.strip().rstrip("/")
    if url == own:
        return url, {}, None
    split = _split if "@" in url or "?" in url else _split_again
    found = split(url)
    if found is None:
        raise BadRequestError(
            "`api_base` must be an address such as http://localhost:8000/v1, not "
            f"`{display(_USER_INFO.sub('//…@', base))}`.",
            param="api_base",
        )
    address, query, user = found
    return address, dict(query), Secret(unquote(user)) if user else None


def _split(url: str) -> tuple[str, tuple[tuple[str, str], ...], str] | None:
    """The address, the query and the `user:password` of a URL; None where it is no web address."""
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_web = is_web and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        return None
    if not is_web or not url.isprintable() or " " in url:
        return None
    user, _, host = parts.netloc.rpartition("@")
    address = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    return address, tuple(parse_qsl(parts.query)), user


_split_again = lru_cache(maxsize=256)(_split)
"""`_split` for addresses that hold no secret: a program names the same few in each call."""
