"""`puna serve`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

Command = Callable[..., None]

USUAL_OPTIONS = (
    click.option(
        "-c",
        "--config",
        type=click.Path(),
        envvar="CONFIG_FILE_PATH",
        help="A LiteLLM config.yaml.",
    ),
    click.option(
        "-m", "--model", help="Serve this one model, such as meta_llama/Llama-3.3-70B-Instruct."
    ),
    click.option("--alias", help="The name that clients use for --model."),
    click.option("--api_base", help="The address that serves --model."),
    click.option("--api_version", help="An API version to send along, for hosts that want one."),
    click.option("--temperature", type=float, help="Default temperature of --model."),
    click.option(
        "--max_tokens", type=click.IntRange(min=1), help="Default output limit of --model."
    ),
    click.option(
        "--request_timeout",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds that a call may take.  [default: 600]",
    ),
    click.option(
        "--drop_params",
        is_flag=True,
        help="Leave out parameters that a host does not know, instead of refusing.",
    ),
    click.option(
        "--host",
        envvar="HOST",
        help="Where to listen.  [default: 127.0.0.1, or 0.0.0.0 with a master key]",
    ),
    click.option(
        "-p",
        "--port",
        envvar="PORT",
        type=click.IntRange(0, 65535),
        default=4000,
        show_default=True,
        help="The port to listen on.",
    ),
    click.option(
        "--debug",
        "--detailed_debug",
        is_flag=True,
        help="Log in detail. Never keys, never messages.",
    ),
)
"""What every command that serves takes."""


def accepts_usual_options(command: Command) -> Command:
    """A command with them, in this order."""
    for option in reversed(USUAL_OPTIONS):
        command = option(command)
    return command


@click.command()
@accepts_usual_options
@click.option(
    "--num_workers",
    envvar="NUM_WORKERS",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Worker processes.",
)
@click.option("--ssl_keyfile_path", type=click.Path(exists=True, dir_okay=False), help="A TLS key.")
@click.option(
    "--ssl_certfile_path", type=click.Path(exists=True, dir_okay=False), help="A TLS certificate."
)
@click.option(
    "--keepalive_timeout",
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
@click.option(
    "--drain_s",
    type=click.IntRange(min=0),
    default=60,
    show_default=True,
    help="Seconds that running requests may go on after SIGTERM.",
)
@click.option(
    "--record",
    type=click.Path(exists=True, file_okay=False, writable=True),
    help="A folder for cassettes: requests to hosts and their answers, without keys. For "
    "development: it holds what callers write, and makes each request slower.",
)
def serve(**options: Any) -> None:
    """Serve an OpenAI-compatible gateway.

    With --config the models of a LiteLLM config.yaml, with --model one model, with neither the
    embedded model, which needs no key and no network.
    """
    run_gateway(**options)


def run_gateway(**options: Any) -> None:
    """Serve with the options of `ServeOptions`, by keyword. Blocks until a signal."""
    from puna.gateway.logs.output import operator_output
    from puna.gateway.workers.run import serve as serve_gateway
    from puna.gateway.workers.settings import ServeOptions

    with operator_output() as announce:
        serve_gateway(ServeOptions(**options), announce=announce)
