"""`puna chat`."""

from __future__ import annotations

import os
from collections.abc import Mapping
from urllib.parse import urlsplit

import click

MASTER_KEY_VARIABLES = ("PUNA_MASTER_KEY", "LITELLM_MASTER_KEY")
_HERE = frozenset(("localhost", "127.0.0.1", "::1", "0.0.0.0"))  # noqa: S104 - as users write it


@click.command()
@click.option(
    "-m",
    "--model",
    default="embedded/smollm2-135m",
    show_default=True,
    help="The model to talk to.",
)
@click.option("--api_base", help="The address of an OpenAI-compatible server, such as a gateway.")
@click.option(
    "--api_key",
    help="The key for it. Without one that of the environment: for a gateway on this machine "
    "`PUNA_MASTER_KEY`, else the provider's variable.",
)
@click.option("--system", help="A system prompt.")
@click.option("--temperature", type=float, help="Sampling temperature.")
@click.option("--max_tokens", type=click.IntRange(min=1), help="The longest answer.")
@click.option("--no_history", is_flag=True, help="Keep no file of what is typed.")
@click.argument("message", nargs=-1)
def chat(  # noqa: PLR0913 - the options of a command; all by keyword
    *,
    model: str,
    api_base: str | None,
    api_key: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    no_history: bool,
    message: tuple[str, ...],
) -> None:
    """Talk to a model; answers stream into the terminal.

    With a MESSAGE one question is answered. Without one a conversation begins: `/help` lists its
    commands, `/quit` or Ctrl-D ends it, Ctrl-C stops an answer. Keys come from the environment, as
    for the SDK.
    """
    from puna.cli.conversation import Conversation, Terminal
    from puna.client.settings import ClientSettings
    from puna.client.synchronous import Client
    from puna.embedded.supervisor import Supervisor, SupervisorPool

    keywords = {
        "temperature": temperature,
        "max_tokens": max_tokens,
        "api_base": api_base,
        "api_key": api_key or find_key(api_base, os.environ),
    }
    if api_base is not None:
        keywords["custom_llm_provider"] = "litellm_proxy"
    pool = SupervisorPool(
        lambda name: Supervisor(name, progress=lambda text: click.echo(text, err=True))
    )
    terminal = Terminal.make(os.environ, keeps_history=not no_history)
    try:
        with Client(ClientSettings(), pool=pool) as client:
            conversation = Conversation(client, model, system, keywords, terminal)
            if message:
                conversation.answer(" ".join(message))
            else:
                conversation.hold()
    finally:
        pool.stop_all()


def find_key(api_base: str | None, environ: Mapping[str, str]) -> str | None:
    """The master key of the environment, for a gateway on this machine; None for any other host.

    Another host gets a key that was named for it only.
    """
    if api_base is None or (urlsplit(api_base).hostname or "") not in _HERE:
        return None
    values = (environ.get(name, "").strip() for name in MASTER_KEY_VARIABLES)
    return next((value for value in values if value), None)
