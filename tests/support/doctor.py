"""What `puna doctor` looks at."""

from __future__ import annotations

import socket

from puna.cli.diagnosis import Finding

CANARY = "sk-canary-doctor-77"


def told(findings: list[Finding], severity: str) -> str:
    return "\n".join(one.text for one in findings if one.severity == severity)


def free() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port
