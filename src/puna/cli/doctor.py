"""`puna doctor`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING

import click

from puna.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from puna.cli.diagnosis import Finding
    from puna.errors import ConfigNotice

_COLOURS = {"ok": "green", "note": None, "warning": "yellow", "error": "red"}


@click.command()
@click.option(
    "-c",
    "--config",
    type=click.Path(),
    envvar="CONFIG_FILE_PATH",
    help="A config.yaml to look at, too.",
)
@click.option(
    "-p",
    "--port",
    envvar="PORT",
    type=click.IntRange(1, 65535),
    default=4000,
    show_default=True,
    help="The port that the gateway would listen on.",
)
@click.option(
    "--reach",
    is_flag=True,
    help="Ask each host that a key or the config names, without its key, whether it is there.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object for each finding.")
def doctor(*, config: str | None, port: int, reach: bool, as_json: bool) -> None:
    """Look at this machine: Python, processor, packages, port, keys by name, and hosts on wish.

    Nothing is sent anywhere without --reach, and no key is ever shown or sent. The exit status is 1
    where something is found that keeps Puna from working.
    """
    from puna.cli.diagnosis import examine_machine, examine_variables
    from puna.cli.reaching import examine_hosts, hosts_of

    findings = [*examine_machine(port), *examine_variables(os.environ)]
    directory = None
    if config is not None:
        from puna.gateway.workers.settings import ServeOptions, load_directory

        try:
            directory = load_directory(ServeOptions(config=config), os.environ)
        except ConfigError as error:
            findings += _of_notices(error.notices, config)
            findings += [_finding("error", line) for line in error.problems]
        else:
            findings += _of_notices(directory.notices, config)
            ready, listed = len(directory.ready), len(directory.config.deployments)
            findings.append(_finding("ok", f"{config}: {ready} of {listed} deployments usable"))
    if reach:
        findings += examine_hosts(hosts_of(os.environ, directory))
    for finding in findings:
        _show(finding, as_json=as_json)
    if any(finding.severity == "error" for finding in findings):
        sys.exit(1)


def _of_notices(notices: Iterable[ConfigNotice], file: str) -> list[Finding]:
    """Warnings; also where one deployment cannot be used, since the others can."""
    return [
        _finding("warning", f"{file}{f':{one.line}' if one.line else ''}: {one.message}")
        for one in notices
        if one.severity != "info"
    ]


def _finding(severity: str, text: str) -> Finding:
    from puna.cli.diagnosis import Finding

    return Finding("config", severity, text)


def _show(finding: Finding, *, as_json: bool) -> None:
    if as_json:
        found = {"about": finding.about, "severity": finding.severity, "text": finding.text}
        click.echo(json.dumps(found, ensure_ascii=False))
        return
    is_plain = bool(os.environ.get("NO_COLOR"))
    word = f"{finding.severity:<7}"
    colour = None if is_plain else _COLOURS[finding.severity]
    click.echo(f"{click.style(word, fg=colour) if colour else word}  {finding.text}")
