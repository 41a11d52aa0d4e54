"""Other gateways: which are there, which release, and how they are asked."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from benchmarks.peer_servers import PEERS, Peer, filled

EVERY = [pytest.param(one, id=one.name) for one in PEERS]
VALUES = {
    "home": "/home",
    "folder": "/folder",
    "port": "1",
    "upstream": "2",
    "key": "sk-1",
    "model": "bench-64-0",
}


@pytest.mark.parametrize("peer", EVERY)
def test_a_peer_counts_as_installed_when_its_program_is_there(peer: Peer, tmp_path: Path) -> None:
    assert not peer.is_installed(tmp_path)
    program = tmp_path / peer.home / peer.program
    program.parent.mkdir(parents=True)
    program.touch()
    assert peer.is_installed(tmp_path)


@pytest.mark.parametrize("peer", EVERY)
def test_the_release_is_read_from_what_is_installed(peer: Peer, tmp_path: Path) -> None:
    home = tmp_path / peer.home
    if peer.release.endswith(".json"):
        (home / peer.release).parent.mkdir(parents=True)
        (home / peer.release).write_text(json.dumps({"version": "1.2.3"}))
    else:
        assert peer.version(tmp_path) == "unknown"
        packages = home / "lib/python3.11/site-packages"
        (packages / f"{peer.release}-1.2.3.dist-info").mkdir(parents=True)
        (packages / f"{peer.release}-extras-9.dist-info").mkdir()
    assert peer.version(tmp_path) == "1.2.3"


@pytest.mark.parametrize("peer", EVERY)
def test_a_peer_is_led_to_the_upstream_and_asked_as_it_wants(peer: Peer) -> None:
    texts = filled(
        {
            **peer.files,
            **peer.variables,
            **peer.headers,
            **{str(number): word for number, word in enumerate(peer.command)},
        },
        VALUES,
    )
    whole = "\n".join(texts.values())
    assert "http://127.0.0.1:2" in whole
    assert peer.tells_port or "1" in texts.values() or "--port=1" in texts.values()
    assert "bench-64-0" in peer.model_form.format("bench-64-0")
