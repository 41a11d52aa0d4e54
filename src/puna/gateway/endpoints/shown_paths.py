"""Paths of requests as logs show them: without a key that somebody wrote into one."""

from __future__ import annotations

from typing import Final

from puna.dialects.secrets import secrets_of
from puna.gateway.deployments.directory import Directory
from puna.gateway.endpoints.admin_table import ADMIN_ENDPOINTS
from puna.gateway.endpoints.table import ENDPOINTS
from puna.wire.masking import Masker

_KNOWN: Final = frozenset(one.path for one in (*ENDPOINTS, *ADMIN_ENDPOINTS))


class ShownPaths:
    """Masks keys in request paths before they are logged.

    Knows the master key and all deployments'.
    """

    def __init__(self, directory: Directory) -> None:
        master_key = directory.config.server.master_key
        secrets = {s for one in directory.ready.values() for s in secrets_of(one.target)}
        self._masker = Masker(secrets | ({master_key.reveal()} if master_key else set()))

    def show(self, path: str) -> str:
        """The path for the log, with dots in place of each key, whatever its encoding."""
        return path if path in _KNOWN else self._masker.mask_text(path)
