"""Lines of the log: nothing that a client or a host sent is obeyed by a terminal."""

from __future__ import annotations

import io
import json
import logging
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.errors import ConfigError
from puna.gateway.logs.lines import JSONFormatter, LineFormatter, set_up_logging
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


# Log lines


@pytest.fixture
def plain_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("puna", "uvicorn")]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    yield
    for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.mark.usefixtures("plain_logging")
@pytest.mark.parametrize("is_json", [True, False])
def test_lines_go_to_stderr_as_text_or_json(
    capsys: pytest.CaptureFixture[str],
    is_json: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    set_up_logging(is_debug=False, is_json=is_json)
    logging.getLogger("puna.gateway").info("one\n%s", "two\x1b[31m")
    logging.getLogger("puna.gateway").debug("hidden")
    (line,) = capsys.readouterr().err.splitlines()
    if is_json:
        assert json.loads(line)["message"] == "one\ntwo\x1b[31m"
        assert json.loads(line)["level"] == "info"
    else:
        assert line.endswith("INFO one\\ntwo\\x1b[31m")


@pytest.mark.usefixtures("plain_logging")
def test_debug_shows_more(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(is_debug=True, is_json=False)
    logging.getLogger("puna.gateway").debug("shown")
    assert "DEBUG shown" in capsys.readouterr().err


def test_a_json_line_holds_the_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logger = logging.getLogger("own.json.lines")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("failed")
    assert "ValueError: x" in json.loads(stream.getvalue())["traceback"]
