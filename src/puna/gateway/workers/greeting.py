"""The lines that a gateway prints at its start: address, access, models, and commands to try."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable

from puna.errors import APIError
from puna.gateway.deployments.directory import Directory
from puna.gateway.workers.settings import EMBEDDED_NAME, LOCAL_HOSTS, ServeOptions
from puna.version import __version__

_EVERYWHERE = frozenset(("0.0.0.0", "::", ""))  # noqa: S104 - to know it, not to listen there
_PLACEHOLDER = "MODEL"
_USUAL_VARIABLE = "PUNA_MASTER_KEY"


def greet(
    options: ServeOptions, directory: Directory, host: str, announce: Callable[[str], None]
) -> None:
    """Print the start text for the operator, line by line, when the server is ready.

    No key is in it.
    """
    scheme = "https" if options.ssl_certfile_path else "http"
    announce(f"puna {__version__}: serving on {scheme}://{_url_host(host)}:{options.port}")
    if directory.is_open:
        where = (
            "this machine only" if host in LOCAL_HOSTS else "EVERYONE WHO CAN REACH THIS ADDRESS"
        )
        announce(f"open: no master key is set, so every request is answered, for {where}")
        if host not in LOCAL_HOSTS:
            announce("WARNING: set general_settings.master_key or PUNA_MASTER_KEY")
    names = directory.names()
    if names == (EMBEDDED_NAME,) and len(directory.config.deployments) > 1:
        announce(
            f"every model name is answered by {EMBEDDED_NAME}: a Llama-architecture model of demo"
        )
        announce("quality, on this machine, without key and network (--config FILE serves others)")
    else:
        announce(f"models: {', '.join(names) if names else 'any name that a wildcard matches'}")
    for line in lines_to_try(options, directory, host):
        announce(line)


def lines_to_try(options: ServeOptions, directory: Directory, host: str) -> list[str]:
    """Commands that the operator can paste into another terminal of this machine."""
    certificate = options.ssl_certfile_path
    reached = "localhost" if host in LOCAL_HOSTS | _EVERYWHERE else _url_host(host)
    url = f"{'https' if certificate else 'http'}://{reached}:{options.port}"
    model = _usable_name(directory)
    body = {"model": model, "messages": [{"role": "user", "content": "Name three colors."}]}
    variable = None if directory.is_open else _key_variable(directory)
    header = f' -H "Authorization: Bearer ${variable}"' if variable else ""
    trust = f" --cacert {shlex.quote(certificate)}" if certificate else ""
    chat = f"puna chat --api_base {url} --model {shlex.quote(model)}"
    if variable is not None:
        chat += f' --api_key "${variable}"'
    if certificate:
        chat = f"SSL_CERT_FILE={shlex.quote(certificate)} {chat}"
    ask = f"{url}/v1/chat/completions -H 'Content-Type: application/json'{header}"
    return [
        f"try{_remark(model, variable, directory)}:",
        f"  curl{trust} {ask} -d {shlex.quote(json.dumps(body, ensure_ascii=False))}",
        f"  curl{trust} {url}/v1/models{header}",
        f"  {chat}",
    ]


def _remark(model: str, variable: str | None, directory: Directory) -> str:
    """What the operator must fill in in a command, in brackets."""
    remarks: list[str] = []
    if model == _PLACEHOLDER:
        remarks.append(f"{_PLACEHOLDER} is a name that a wildcard matches")
    if variable is not None:
        of_file = directory.config.server.master_key_variable is None
        place = f" to general_settings.master_key of {directory.config.file}" if of_file else ""
        remarks.append(f"where {variable} is set{place}")
    return f" ({'; '.join(remarks)})" if remarks else ""


def _key_variable(directory: Directory) -> str:
    """The environment variable that holds the master key."""
    return directory.config.server.master_key_variable or _USUAL_VARIABLE


def _usable_name(directory: Directory) -> str:
    """The first listed model name that can be served, for the commands."""
    for name in directory.names():
        try:
            directory.plan(name)
        except APIError:
            continue
        return name
    return _PLACEHOLDER


def _url_host(host: str) -> str:
    """A host as it stands in a URL: IPv6 addresses in brackets."""
    return f"[{host}]" if ":" in host else host
