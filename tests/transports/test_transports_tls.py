"""Which certificates are trusted, and files that hold none."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from tests.support.certificates import make_certificate

from puna.errors import ConfigError
from puna.transports.tls import TLSConfig


def test_by_default_certificates_and_names_are_checked() -> None:
    context = TLSConfig().context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert TLSConfig().context() is not context


def test_at_the_callers_risk_nothing_is_checked() -> None:
    context = TLSConfig(is_verified=False).context()
    assert context.verify_mode is ssl.CERT_NONE
    assert not context.check_hostname


def test_a_file_of_its_own_is_trusted(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    context = TLSConfig(ca_file=str(certificate.cert)).context()
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert len(context.get_ca_certs()) == 1


def test_a_file_without_a_certificate_is_named_with_the_fix(tmp_path: Path) -> None:
    empty = tmp_path / "empty.pem"
    empty.write_text("none here")
    for file in (empty, tmp_path / "gone.pem"):
        with pytest.raises(ConfigError, match=rf"`{file}`.*`SSL_CERT_FILE`"):
            TLSConfig(ca_file=str(file)).context()


def test_a_file_that_the_environment_names_in_vain_is_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "gone.pem"))
    with pytest.raises(ConfigError, match="`SSL_CERT_FILE`"):
        TLSConfig().context()
