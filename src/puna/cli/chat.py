"""`puna chat`."""

from __future__ import annotations

import sys
from typing import Any

import click

from puna.errors import APIError


@click.command()
@click.option(
    "-m",
    "--model",
    default="embedded/smollm2-135m",
    show_default=True,
    help="The model to talk to.",
)
@click.option("--api_base", help="The address of an OpenAI-compatible server, such as a gateway.")
@click.option("--system", help="A system prompt.")
@click.option("--temperature", type=float, help="Sampling temperature.")
@click.option("--max_tokens", type=click.IntRange(min=1), help="The longest answer.")
@click.argument("message", nargs=-1)
def chat(
    *,
    model: str,
    api_base: str | None,
    system: str | None,
    temperature: float | None,
    max_tokens: int | None,
    message: tuple[str, ...],
) -> None:
    """Talk to a model; answers stream into the terminal.

    With a MESSAGE one question is answered. Without one a conversation begins: an empty line or
    Ctrl-D ends it, Ctrl-C stops an answer. Keys come from the environment, as for the SDK.
    """
    from puna.client.settings import ClientSettings
    from puna.client.synchronous import Client
    from puna.embedded.supervisor import Supervisor, SupervisorPool

    keywords = {"temperature": temperature, "max_tokens": max_tokens, "api_base": api_base}
    if api_base is not None:
        keywords["custom_llm_provider"] = "litellm_proxy"
    history: list[dict[str, str]] = [{"role": "system", "content": system}] if system else []
    pool = SupervisorPool(
        lambda name: Supervisor(name, progress=lambda text: click.echo(text, err=True))
    )
    try:
        with Client(ClientSettings(), pool=pool) as client:
            if message:
                _answer(client, model, [*history, _said("user", " ".join(message))], keywords)
            else:
                _converse(client, model, history, keywords)
    finally:
        pool.stop_all()


def _converse(
    client: Any, model: str, history: list[dict[str, str]], keywords: dict[str, Any]
) -> None:
    is_terminal = sys.stdin.isatty()
    if is_terminal:
        click.echo(f"{model}: type a message; an empty line ends.", err=True)
    while True:
        try:
            text = input("> " if is_terminal else "").strip()
        except (EOFError, KeyboardInterrupt):
            return
        if not text:
            return
        history.append(_said("user", text))
        try:
            answer = _answer(client, model, history, keywords)
        except APIError as error:
            click.echo(f"puna: {error}", err=True)
            history.pop()  # the conversation goes on without it
        except KeyboardInterrupt:
            click.echo("[stopped]")  # before the answer began
            history.pop()
        else:
            history.append(_said("assistant", answer))


def _answer(
    client: Any, model: str, messages: list[dict[str, str]], keywords: dict[str, Any]
) -> str:
    """Stream one answer to stdout; Ctrl-C stops it and keeps what came."""
    pieces: list[str] = []
    with client.completion(model, messages, stream=True, **keywords) as stream:
        try:
            for chunk in stream:
                text = chunk.choices[0].delta.content if chunk.choices else None
                if text:
                    pieces.append(text)
                    click.echo(text, nl=False)
        except KeyboardInterrupt:
            click.echo(" [stopped]", nl=False)
    click.echo()
    return "".join(pieces)


def _said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}
