"""A certificate that changes while the configuration is read does not end TLS."""

from __future__ import annotations

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from tests.support.certificates import make_certificate
from tests.support.clock import FakeClock
from tests.support.served_files import LIST

from puna.gateway.app import Gateway
from puna.gateway.deployments.directory import Directory
from puna.gateway.workers.reload import Environment, Reloader, read_config
from puna.gateway.workers.settings import ServeOptions
from puna.transports.replay import AsyncReplayTransport, in_order


class Renewed(Gateway):
    """A gateway whose key file changes after it was checked, and before it is used."""

    key: Path
    key_then: bytes

    async def warm_up(self, directory: Directory) -> None:
        await super().warm_up(directory)
        self.key.write_bytes(self.key_then)


def shakes_hands(server: ssl.SSLContext, trusted: Path) -> bool:
    """Whether a client can begin a connection to a server with this context."""
    client = ssl.create_default_context(cafile=str(trusted))
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(to_client, to_server, server_hostname="localhost"),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _ in range(5):
        for end in tuple(ends):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
            except ssl.SSLError:
                return False
            ends.remove(end)
    return not ends


def test_a_key_that_changes_before_it_is_used_leaves_tls_as_it_was(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "new").mkdir()
    made, other = make_certificate(tmp_path), make_certificate(tmp_path / "new")
    file = tmp_path / "config.yaml"
    file.write_text(LIST)
    options = ServeOptions(
        config=str(file), ssl_certfile_path=str(made.cert), ssl_keyfile_path=str(made.key)
    )
    environment = Environment()
    old_key, trusted = made.key.read_bytes(), tmp_path / "trusted.pem"
    trusted.write_bytes(made.cert.read_bytes())

    async def run() -> tuple[bool, bool]:
        directory, _ = read_config(options, environment)
        gateway = Renewed(directory, transport=AsyncReplayTransport(in_order()), clock=FakeClock())
        gateway.key, gateway.key_then = made.key, old_key
        tls, before = made.server_context(), gateway.config
        made.cert.write_bytes(other.cert.read_bytes())
        made.key.write_bytes(other.key.read_bytes())
        Reloader(options, environment, gateway, reports_notices=False).request(tls)
        while "is not reloaded" not in caplog.text:  # noqa: ASYNC110 - a thread reads the file
            await asyncio.sleep(0.001)
        return shakes_hands(tls, trusted), gateway.config is before

    with caplog.at_level(logging.ERROR):
        assert asyncio.run(run()) == (True, True)
    assert "the key that belongs to it" in caplog.text
