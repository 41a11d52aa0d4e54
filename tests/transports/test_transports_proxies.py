"""What of the environment is named because no host can be reached with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from puna.transports.proxies import environment_faults


@pytest.mark.parametrize("name", ["SSL_CERT_FILE", "SSL_CERT_DIR"])
def test_certificates_that_are_not_there_are_named(name: str, tmp_path: Path) -> None:
    (fault,) = environment_faults({name: str(tmp_path / "nowhere")})
    assert fault.startswith(f"`{name}` names what is not there")
    file = tmp_path / "ca.pem"
    file.touch()
    right, wrong = (file, tmp_path) if name == "SSL_CERT_FILE" else (tmp_path, file)
    assert environment_faults({name: str(right)}) == []
    assert len(environment_faults({name: str(wrong)})) == 1
    assert environment_faults({name: ""}) == []


@pytest.mark.parametrize("name", ["HTTP_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"])
def test_a_proxy_of_an_unknown_kind_is_named_and_its_address_is_not(name: str) -> None:
    (fault,) = environment_faults({name: "gopher://user:secret@proxy.test:70"})
    assert fault.startswith(f"`{name}` names a proxy of `gopher://`")
    assert "secret" not in fault
    for usable in ("http://proxy.test:1", "HTTPS://proxy.test:1", "proxy.test:1", ""):
        assert environment_faults({name: usable}) == []
