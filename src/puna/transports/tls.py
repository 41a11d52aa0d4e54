"""Which certificates a transport trusts."""

from __future__ import annotations

import ssl
from dataclasses import dataclass

from puna.errors import ConfigError


@dataclass(frozen=True, slots=True)
class TLSConfig:
    """Which certificates are trusted: the system's, those of a file, or (at your own risk) all."""

    is_verified: bool = True
    ca_file: str | None = None

    def context(self) -> ssl.SSLContext:
        """A fresh TLS context.

        Raises:
            ConfigError: the file, or what `SSL_CERT_FILE` or `SSL_CERT_DIR` names, cannot be
                read or holds no certificate.
        """
        if not self.is_verified:
            context = ssl.create_default_context()
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            return context
        if self.ca_file is not None:
            try:
                return ssl.create_default_context(cafile=self.ca_file)
            except OSError as error:
                raise ConfigError(
                    f"`{self.ca_file}` is no readable file of certificates ({error}); give a PEM "
                    "file in `ssl_verify` or `SSL_CERT_FILE`."
                ) from error
        import httpx2

        try:
            return httpx2.create_ssl_context()
        except OSError as error:
            raise ConfigError(
                f"the certificates that `SSL_CERT_FILE` or `SSL_CERT_DIR` names cannot be read "
                f"({error}); give a PEM file, or unset the variable."
            ) from error
