"""Hosts are reached without a key, or an error says what to do."""

from __future__ import annotations

from tests.support.doctor import CANARY, free
from tests.support.upstream import Upstream

from puna.cli.reaching import examine_hosts, hosts_of


def test_hosts_are_reached_without_a_key(upstream: Upstream) -> None:
    environ = {"GROQ_API_KEY": CANARY, "GROQ_API_BASE": upstream.url, "TERM": "x"}
    assert hosts_of(environ, None) == {"groq": upstream.url}
    (found,) = examine_hosts(hosts_of(environ, None))
    assert (found.severity, "answers" in found.text) == ("ok", True)
    assert CANARY not in repr(upstream.requests[0].headers)


def test_a_host_that_is_not_there_is_an_error_that_says_what_to_do() -> None:
    (found,) = examine_hosts({"groq": f"http://127.0.0.1:{free()}/v1"})
    assert found.severity == "error"
    assert "nothing listens there" in found.text
