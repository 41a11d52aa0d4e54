"""Settings of a client: whom it trusts."""

from __future__ import annotations

import pytest

from puna import BadRequestError
from puna.client.settings import tls_from
from puna.transports.tls import TLSConfig


@pytest.mark.case(38)
@pytest.mark.parametrize(
    ("wish", "environ", "tls"),
    [
        (None, {}, TLSConfig()),
        (True, {"SSL_VERIFY": "False"}, TLSConfig()),
        (False, {}, TLSConfig(is_verified=False)),
        ("0", {}, TLSConfig(is_verified=False)),
        ("TRUE", {}, TLSConfig()),
        ("/ca.pem", {"SSL_CERT_FILE": "/other.pem"}, TLSConfig(ca_file="/ca.pem")),
        (None, {"SSL_VERIFY": "false"}, TLSConfig(is_verified=False)),
        (None, {"SSL_VERIFY": "/ca.pem"}, TLSConfig(ca_file="/ca.pem")),
        (None, {"SSL_VERIFY": " ", "SSL_CERT_FILE": "/ca.pem"}, TLSConfig(ca_file="/ca.pem")),
    ],
)
def test_whom_to_trust_is_read(wish: object, environ: dict[str, str], tls: TLSConfig) -> None:
    assert tls_from(wish, environ) == tls


@pytest.mark.case(38)
def test_a_wrong_ssl_verify_is_refused() -> None:
    with pytest.raises(BadRequestError, match="ssl_verify"):
        tls_from(7, {})
