"""Lines of the log: nothing that a client or a host sent is obeyed by a terminal."""

from __future__ import annotations

import json
import logging
import socket

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ConfigError
from puna.gateway.logs.lines import JSONFormatter, LineFormatter
from puna.gateway.workers.run import listen
from puna.gateway.workers.settings import OPEN_HOST

OBEYED = [
    "\x1b[2J",
    "\x7f",
    "\x9b31m",
    "\x85",
    "\u200e",
    "\u202e",
    "\u2066",
    "\u2028",
    "\u061c",
    "\ufeff",
    "\U000e0041",
    "\ud800",
    "\r\n",
]


def record_of(message: str) -> logging.LogRecord:
    error = ValueError(message)
    return logging.LogRecord(
        "puna", logging.INFO, "", 0, "%s", (message,), (ValueError, error, None)
    )


@pytest.mark.parametrize("sign", OBEYED)
def test_no_line_of_json_holds_a_character_that_a_terminal_obeys(sign: str) -> None:
    line = JSONFormatter().format(record_of(f"a{sign}b"))
    assert line.isprintable()
    assert json.loads(line)["message"] == f"a{sign}b"
    assert f"a{sign}b" in json.loads(line)["traceback"]


@given(st.text())
def test_a_line_of_json_says_what_was_said(message: str) -> None:
    line = JSONFormatter().format(record_of(message))
    assert line.isprintable()
    assert json.loads(line)["message"] == message


@pytest.mark.parametrize("sign", OBEYED)
def test_no_line_of_text_does_and_no_traceback(sign: str) -> None:
    lines = LineFormatter().format(record_of(f"a{sign}b"))
    assert all(line.isprintable() for line in lines.split("\n"))


def test_who_has_the_other_loopback_address_is_said_at_the_start() -> None:
    with socket.create_server(("::1", 0), family=socket.AF_INET6) as other:
        port = other.getsockname()[1]
        said: list[str] = []
        sockets = listen(OPEN_HOST, port, said.append)
        try:
            assert len(sockets) == 1
            assert len(said) == 1
            assert said[0].startswith(f"WARNING: another program has [::1]:{port}")
        finally:
            for one in sockets:
                one.close()


def test_a_port_that_is_taken_is_an_error() -> None:
    with socket.create_server((OPEN_HOST, 0)) as other:
        port = other.getsockname()[1]
        with pytest.raises(ConfigError, match=f"cannot listen on 127.0.0.1:{port}"):
            listen(OPEN_HOST, port, list[str]().append)
