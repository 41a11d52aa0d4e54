"""Whether hosts are there: one request to each, without a key, whose status does not matter."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from puna.cli.diagnosis import Finding
from puna.errors import APIError
from puna.providers.base import first_set
from puna.providers.table import PROVIDERS

if TYPE_CHECKING:
    from puna.gateway.deployments.directory import Directory

_LIMIT_S = 10.0


def hosts_of(environ: Mapping[str, str], directory: Directory | None) -> dict[str, str]:
    """Name and address of the hosts that a key of the environment or a config names."""
    hosts: dict[str, str] = {}
    for row in PROVIDERS.values():
        if first_set(environ, row.key_variables) or first_set(environ, row.base_url_variables):
            address = first_set(environ, row.base_url_variables) or row.own_address(environ)
            if address is not None:
                hosts[row.name] = address
    for one in directory.ready.values() if directory is not None else ():
        if one.canned_answer is None:
            hosts[f"deployment `{one.deployment_id}`"] = one.target.base_url
    return {name: url for name, url in hosts.items() if url.startswith("http")}


def examine_hosts(hosts: Mapping[str, str]) -> Sequence[Finding]:
    """Ask each host; any answer will do, for it shows that name, network and TLS are right."""
    from puna.transports.failures import origin_of
    from puna.transports.standard import StandardTransport
    from puna.wire.http import HTTPRequest, Timeouts

    if not hosts:
        return [Finding("hosts", "note", "no key and no config names a host to reach")]
    findings: list[Finding] = []
    timeouts = Timeouts(connect_s=_LIMIT_S, total_s=_LIMIT_S)
    with closing(StandardTransport()) as transport:
        for name, url in hosts.items():
            origin = origin_of(url)
            started = time.monotonic()
            try:
                asked = HTTPRequest("GET", f"{origin}/", {}, timeouts=timeouts, is_stream=True)
                with closing(transport.open(asked)) as reply:
                    status = reply.status
            except APIError as error:
                findings.append(Finding("hosts", "error", f"{name}: {error.message}"))
                continue
            took_ms = round((time.monotonic() - started) * 1000)
            text = f"{name}: {origin} answers (status {status}, {took_ms} ms)"
            findings.append(Finding("hosts", "ok", text))
    return findings
