"""Checks the key that a client sent with its request."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache

from puna.errors import AuthenticationError
from puna.governance.access import ModelNames
from puna.governance.accounts import Accounts
from puna.governance.principal import Principal
from puna.types.secret import Secret

__all__ = ("ANYONE", "KEY_HEADERS", "MASTER", "UNKNOWN", "Keys", "Principal")

KEY_HEADERS = ("x-litellm-api-key", "authorization", "api-key", "x-api-key", "x-goog-api-key")
"""Where a key may stand; the first one present counts (LiteLLM's order)."""

_BEARER = "bearer"


ANYONE = Principal("anyone")
"""Everybody, in open mode: there is no master key."""

MASTER = Principal("master", role="admin")
"""Who has shown the master key."""

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
        accounts: the virtual keys, and whom they belong to; None without a database.
        names: what names in a key's list of models may stand for.
    """

    master_key: Secret | None = field(repr=False)
    key_header: str | None = None
    version: int = 0
    accounts: Accounts | None = field(default=None, repr=False)
    names: ModelNames = field(default=ModelNames(), repr=False)
    _principals: dict[str, Principal] = field(
        default_factory=dict[str, Principal], init=False, repr=False, compare=False
    )

    @property
    def headers(self) -> tuple[str, ...]:
        """The request headers that may hold a key, in lower case, in the order of precedence."""
        return (self.key_header.lower(), *KEY_HEADERS) if self.key_header else KEY_HEADERS

    def changed(self, master_key: Secret | None) -> Keys:
        """The next version of the keys, with another master key.

        The present master key is withdrawn.
        """
        return replace(self, master_key=master_key, version=self.version + 1)

    def authenticate(self, headers: Mapping[str, str], now: float = 0.0) -> Principal:
        """The principal of a request, by the key in its `headers` (lower-case names).

        Called once for each request whose headers are not in the cache of checked heads. `now` is
        Unix time: a key may have expired.

        Raises:
            AuthenticationError: a master key is set, and the request has no key, or neither the
                master key nor a virtual key that can be used.
        """
        if self.master_key is None:
            return ANYONE
        given = _find_key(headers, self.headers)
        if given is None:
            raise AuthenticationError(
                "No key: send the gateway's key as `Authorization: Bearer …`.",
                code="missing_api_key",
            )
        # A header's bytes were read as Latin-1, whatever the client wrote them in.
        digest = hashlib.sha256(given.encode("latin-1", "replace"))
        if hmac.compare_digest(digest.digest(), _digest(self.master_key.reveal())):
            return MASTER
        principal = self._virtual(digest.hexdigest(), now) if self.accounts is not None else None
        if principal is None:
            others = "" if self.accounts is None else " and the virtual keys"
            raise AuthenticationError(
                f"The key is not one of this gateway's; check it against the master key{others}.",
                code="invalid_api_key",
            )
        return principal

    def _virtual(self, token: str, now: float) -> Principal | None:
        """The principal of a virtual key by its hash, made once for each version of the keys."""
        accounts = self.accounts
        if accounts is None:
            return None
        key = accounts.keys.get(token)
        known = self._principals.get(token)
        if known is not None and key is not None and (key.expires is None or now < key.expires):
            return known
        principal = accounts.principal(token, self.names, now)
        if principal is not None:
            self._principals[token] = principal
        return principal


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


@lru_cache(maxsize=16)
def _digest(known: str) -> bytes:
    """The digest of one of the gateway's own keys. Only these are cached, never a client's key."""
    return hashlib.sha256(known.encode("utf-8", "replace")).digest()
