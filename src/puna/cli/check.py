"""`puna check`."""

from __future__ import annotations

import json
import os
import sys
from typing import TYPE_CHECKING, Any

import click

from puna.errors import ConfigError

if TYPE_CHECKING:
    from puna.errors import ConfigNotice
    from puna.gateway.deployments.directory import Directory


@click.command()
@click.argument("file", type=click.Path())
@click.option("--strict", is_flag=True, help="Exit with status 1 on warnings too.")
@click.option(
    "--allow-unset",
    is_flag=True,
    help="Variables that are not set are no errors: check without those of production.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object, for programs.")
def check(file: str, *, strict: bool, allow_unset: bool, as_json: bool) -> None:
    """Check a config.yaml without serving it.

    Errors and warnings name the line and the key; unknown keys come with the nearest known name.
    The exit status is 1 where the file, or one deployment of it, cannot be used.
    """
    from puna.gateway.workers.settings import ServeOptions, load_directory

    try:
        directory = load_directory(ServeOptions(config=file), os.environ, allow_unset=allow_unset)
    except ConfigError as error:
        if not as_json:
            raise
        click.echo(_dump(_failure(file, error)))
        sys.exit(1)
    severities = {notice.severity for notice in directory.notices}
    has_failed = "error" in severities or (strict and "warning" in severities)
    if as_json:
        click.echo(_dump({**_result(file, directory), "ok": not has_failed}))
    else:
        for notice in directory.notices:
            click.echo(notice.line_in(file))
        click.echo(f"{file}: {_summary(directory)}")
    if has_failed:
        sys.exit(1)


def _summary(directory: Directory) -> str:
    count, usable = len(directory.config.deployments), len(directory.ready)
    words = f"{usable} of {count} deployments usable" if usable != count else f"{count} deployments"
    if directory.waiting:
        words += f", {len(directory.waiting)} more with variables that are not set here"
    return f"{words}; models: {', '.join(_models(directory)) or 'wildcards only'}"


def _models(directory: Directory) -> list[str]:
    """The listed names that a deployment serves, now or with its variables set."""
    lost = {
        one.public_name
        for one in directory.config.deployments
        if (one.deployment_id or "") in directory.problems
    }
    served = {
        one.public_name
        for one in directory.config.deployments
        if (one.deployment_id or "") not in directory.problems
    }
    return [name for name in directory.names() if name not in lost - served]


def _result(file: str, directory: Directory) -> dict[str, Any]:
    return {
        "file": file,
        "usable": len(directory.ready),
        "models": _models(directory),
        "deployments": [
            {
                "id": one.deployment_id,
                "model_name": one.public_name,
                "model": one.model,
                "line": one.line or None,
                "is_usable": one.deployment_id in directory.ready,
                "problem": directory.problems.get(one.deployment_id or ""),
                "waits_for": directory.waiting.get(one.deployment_id or ""),
            }
            for one in directory.config.deployments
        ],
        "notices": [_notice(one) for one in directory.notices],
        "problems": [],
    }


def _failure(file: str, error: ConfigError) -> dict[str, Any]:
    return {
        "file": file,
        "ok": False,
        "usable": 0,
        "models": [],
        "deployments": [],
        "notices": [_notice(one) for one in error.notices],
        "problems": list(error.problems),
    }


def _notice(notice: ConfigNotice) -> dict[str, Any]:
    return {
        "severity": notice.severity,
        "line": notice.line,
        "key": notice.key,
        "message": notice.message,
    }


def _dump(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=2)
