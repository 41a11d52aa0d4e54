"""Checks the key that a client sent with its request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from puna.errors import AuthenticationError
from puna.governance.budgets import Budget
from puna.types.secret import Secret

KEY_HEADERS = ("x-litellm-api-key", "authorization", "api-key", "x-api-key", "x-goog-api-key")
"""Where a key may stand; the first one present counts (LiteLLM's order)."""

_BEARER = "bearer"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a request acts for.

    Attributes:
        key_id: names the key in logs without revealing it.
        budgets: all budgets that the caller's requests count against, beside those of the gateway
            and of the models.
    """

    key_id: str
    budgets: tuple[Budget, ...] = ()


ANYONE = Principal("anyone")
"""Everybody, in open mode: there is no master key."""

UNKNOWN = Principal("")
"""Who has shown no right key, or has asked for what needs none."""


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys that the gateway accepts at one moment.

    The value is frozen: a change makes a new one with a higher `version`. A cache of checked keys
    compares versions, so that nothing read under an older version is used.

    Attributes:
        master_key: the key that clients must send; None in open mode, where nobody needs a key.
        key_header: an operator's own name for the header with the key, looked at first.
        version: grows with each change.
    """

    master_key: Secret | None = field(repr=False)
    key_header: str | None = None
    version: int = 0

    @property
    def headers(self) -> tuple[str, ...]:
        """The request headers that may hold a key, in lower case, in the order of precedence."""
        return (self.key_header.lower(), *KEY_HEADERS) if self.key_header else KEY_HEADERS

    def changed(self, master_key: Secret | None) -> Keys:
        """The next version of the keys, with another master key.

        The present master key is withdrawn.
        """
        return replace(self, master_key=master_key, version=self.version + 1)

    def authenticate(self, headers: Mapping[str, str]) -> Principal:
        """The principal of a request, by the key in its `headers` (lower-case names).

        Called once for each request whose headers are not in the cache of checked heads.

        Raises:
            AuthenticationError: a master key is set, and the request has none or another one.
        """
        if self.master_key is None:
            return ANYONE
        given = _find_key(headers, self.headers)
        if given is None:
            raise AuthenticationError(
                "No key: send the gateway's key as `Authorization: Bearer …`.",
                code="missing_api_key",
            )
        if not _is_same(given, self.master_key.reveal()):
            raise AuthenticationError(
                "The key is not one of this gateway's; check it against the master key.",
                code="invalid_api_key",
            )
        return Principal("master")


def _find_key(headers: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The key in a request's headers, from the first of `names` that is there; None without one."""
    for name in names:
        value = headers.get(name, "").strip()
        scheme, _, rest = value.partition(" ")
        if scheme.lower() == _BEARER:
            value = rest.strip()
        if value:
            return value
    return None


def _is_same(given: str, known: str) -> bool:
    """Whether two keys are equal. The comparison takes the same time whatever the keys are."""
    # A header's bytes were read as Latin-1, whatever the client wrote them in.
    form = given.encode("latin-1", "replace")
    return hmac.compare_digest(hashlib.sha256(form).digest(), _digest(known))


@lru_cache(maxsize=16)
def _digest(known: str) -> bytes:
    """The digest of one of the gateway's own keys. Only these are cached, never a client's key."""
    return hashlib.sha256(known.encode("utf-8", "replace")).digest()
