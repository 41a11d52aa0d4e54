"""LiteLLM's flags, answered by `puna serve`.

Every flag of LiteLLM 1.106.2 is taken. Those that Puna has no use for give one line on stderr.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import click

from puna.cli.serve import run_gateway

C = TypeVar("C", bound=Callable[..., Any])

_PORT = 4000
_PATIENCE_S = 60.0

_UNUSED_FLAGS: Mapping[str, str] = {
    "--save": "nothing is kept between starts; write a config.yaml",
    "--use_queue": "there is no queue",
    "--test_async": "there is no queue to test",
    "--add_function_to_prompt": "tools go to the host as they are",
    "--setup": "there is no wizard; `litellm` alone serves the embedded model",
    "--iam_token_db_auth": "there is no database",
    "--azure_postgresql_auth": "there is no database",
    "--run_gunicorn": "uvicorn serves",
    "--run_hypercorn": "uvicorn serves",
    "--run_granian": "uvicorn serves",
    "--use_prisma_db_push": "there is no database",
    "--local": "it never did anything",
    "--use_v2_migration_resolver": "there is no database",
    "--use_legacy_migration_resolver": "there is no database",
    "--reload": "start again after a change",
}
_UNUSED_VALUES: Mapping[str, tuple[Any, str]] = {
    "--granian_threads": (click.IntRange(min=1), "uvicorn serves"),
    "--add_key": (str, "set the provider's variable, such as LLAMA_API_KEY"),
    "--headers": (str, "give `extra_headers` in a config.yaml"),
    "--max_budget": (float, "there are no budgets yet"),
    "--log_config": (str, "logs go to stderr"),
    "--num_requests": (int, "there is no queue to test"),
    "--ciphers": (str, "Python's default ciphers are used"),
    "--timeout_worker_healthcheck": (int, "uvicorn's default is used"),
    "--max_requests_before_restart": (int, "workers need no restart"),
    "--max_requests_before_restart_jitter": (int, "workers need no restart"),
    "--prometheus_metrics_port": (click.IntRange(1, 65535), "there are no metrics yet"),
}


def _unused_options(command: C) -> C:
    """Add the options that are taken and noted."""
    for flag, reason in _UNUSED_FLAGS.items():
        command = click.option(flag, is_flag=True, help=f"Not used: {reason}.")(command)
    for flag, (kind, reason) in _UNUSED_VALUES.items():
        command = click.option(flag, type=kind, help=f"Not used: {reason}.")(command)
    return command


@click.command(context_settings={"token_normalize_func": lambda name: name.replace("-", "_")})
@click.option(
    "--host",
    envvar="HOST",
    help="Where to listen.  [default: 127.0.0.1, or 0.0.0.0 with a master key]",
)
@click.option(
    "--port",
    envvar="PORT",
    type=click.IntRange(0, 65535),
    default=_PORT,
    show_default=True,
    help="The port to listen on.",
)
@click.option(
    "--num_workers",
    envvar="NUM_WORKERS",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Worker processes.",
)
@click.option("--api_base", help="The address that serves --model.")
@click.option("--api_version", help="An API version to send along, for hosts that want one.")
@click.option("-m", "--model", help="Serve this one model, such as meta_llama/NAME.")
@click.option("--alias", help="The name that clients use for --model.")
@click.option("--debug", envvar="DEBUG", is_flag=True, help="Log in detail. Never keys.")
@click.option("--detailed_debug", envvar="DETAILED_DEBUG", is_flag=True, help="The same.")
@click.option("--temperature", type=float, help="Default temperature of --model.")
@click.option("--max_tokens", type=click.IntRange(min=1), help="Default output limit of --model.")
@click.option(
    "--request_timeout",
    type=click.FloatRange(min=0, min_open=True),
    help="Seconds that a call may take.  [default: 600]",
)
@click.option(
    "--drop_params",
    is_flag=True,
    help="Leave out parameters that a host does not know, instead of refusing.",
)
@click.option(
    "-c", "--config", type=click.Path(), envvar="CONFIG_FILE_PATH", help="A config.yaml to serve."
)
@click.option("--ssl_keyfile_path", envvar="SSL_KEYFILE_PATH", help="A TLS key.")
@click.option("--ssl_certfile_path", envvar="SSL_CERTFILE_PATH", help="A TLS certificate.")
@click.option(
    "--keepalive_timeout",
    envvar="KEEPALIVE_TIMEOUT",
    type=click.IntRange(min=1),
    default=5,
    show_default=True,
    help="Seconds that an idle client connection is kept.",
)
@click.option(
    "--limit_concurrency",
    type=click.IntRange(min=1),
    help="Answer 503 above this many requests at once.",
)
@click.option("-v", "--version", "wants_version", is_flag=True, help="Print the version.")
@click.option(
    "--health", "wants_health", is_flag=True, help="Ask a running gateway for its models' health."
)
@click.option(
    "--test", "wants_test", is_flag=True, help="Send a chat request to a running gateway."
)
@click.option(
    "--validate_config", is_flag=True, help="Check the file of --config without serving it."
)
@click.option("--skip_server_startup", is_flag=True, help="Check everything, serve nothing.")
@_unused_options
def litellm(
    *,
    wants_version: bool,
    wants_health: bool,
    wants_test: bool,
    validate_config: bool,
    skip_server_startup: bool,
    **options: Any,
) -> None:
    """Serve an OpenAI-compatible gateway with LiteLLM's flags.

    With --config the models of a config.yaml, with --model one model, with neither the embedded
    model, which needs no key and no network.
    """
    if wants_version:
        from litellm._version import version

        click.echo(f"LiteLLM: Current Version = {version}")
        return
    _note_unused(options)
    if wants_health or wants_test:
        base = f"http://{options['host'] or 'localhost'}:{options['port']}"
        answer = _ask_health(base) if wants_health else _ask_test(base, options["model"])
        click.echo(answer)
        return
    is_detailed = options.pop("detailed_debug")
    options["debug"] = options["debug"] or is_detailed
    if validate_config or skip_server_startup:
        click.echo(_check(options, needs_file=validate_config))
        return
    run_gateway(**options)


def _note_unused(options: dict[str, Any]) -> None:
    """Take the unused options out; say which of them were given."""
    reasons = {**_UNUSED_FLAGS, **{flag: reason for flag, (_, reason) in _UNUSED_VALUES.items()}}
    for flag, reason in reasons.items():
        if options.pop(flag.removeprefix("--")) not in (None, False):
            click.echo(f"litellm: {flag} is not used: {reason}", err=True)


def _check(options: dict[str, Any], *, needs_file: bool) -> str:
    """What a start would serve. Raises ConfigError with the line and the key at fault."""
    from puna.gateway.workers.settings import ServeOptions, load_directory

    if needs_file and options["config"] is None:
        raise click.UsageError("--validate_config needs --config FILE.")
    directory = load_directory(ServeOptions(**options), os.environ)
    for notice in directory.notices:
        line = f"line {notice.line}: " if notice.line else ""
        click.echo(f"{notice.severity}: {line}{notice.message}", err=True)
    names = ", ".join(directory.names()) or "any name that a wildcard matches"
    return f"The configuration is valid. Models: {names}"


def _ask_health(base: str) -> str:
    return _exchange("GET", f"{base}/health")


def _ask_test(base: str, model: str | None) -> str:
    import json

    if model is None:
        listed = json.loads(_exchange("GET", f"{base}/v1/models"))
        model = next((entry["id"] for entry in listed.get("data", ())), "embedded/smollm2-135m")
    question = {"role": "user", "content": "This is a test: write a short poem."}
    return _exchange(
        "POST", f"{base}/v1/chat/completions", {"model": model, "messages": [question]}
    )


def _exchange(method: str, url: str, body: Any = None) -> str:
    """One request to a running gateway, with its key if the environment holds it."""
    import httpx2

    key = next(
        (value for name in _KEY_VARIABLES if (value := os.environ.get(name, "").strip())), None
    )
    headers = {"authorization": f"Bearer {key}"} if key else {}
    try:
        reply = httpx2.request(method, url, json=body, headers=headers, timeout=_PATIENCE_S)
    except httpx2.HTTPError as error:
        raise click.ClickException(
            f"No answer from {url}: {error}. Is a gateway running there? Give --host and --port."
        ) from error
    if reply.is_error:
        raise click.ClickException(f"{url} answered {reply.status_code}: {reply.text[:500]}")
    return reply.text


_KEY_VARIABLES = ("LITELLM_PROXY_API_KEY", "PUNA_MASTER_KEY", "LITELLM_MASTER_KEY")
