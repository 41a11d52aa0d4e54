"""What of a machine and its environment cannot be meant."""

from __future__ import annotations

import socket

import pytest
from tests.support.doctor import told

from puna.cli.diagnosis import examine_machine, examine_variables


def test_a_port_that_is_taken_is_a_warning() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert f"port {port} is taken" in told(examine_machine(port), "warning")


@pytest.mark.parametrize(
    ("environ", "words"),
    [
        ({"GROQ_API_KEY": "  "}, "GROQ_API_KEY is blank"),
        ({"GROQ_API_KEY": '"gsk"'}, "GROQ_API_KEY holds quotes"),
        ({"GROQ_API_KEY": "..."}, "GROQ_API_KEY holds a placeholder"),
        ({"SSL_CERT_FILE": "/nowhere/c.pem"}, "SSL_CERT_FILE names no file"),
    ],
)
def test_values_that_cannot_be_meant_are_warnings(environ: dict[str, str], words: str) -> None:
    assert words in told(examine_variables(environ), "warning")
