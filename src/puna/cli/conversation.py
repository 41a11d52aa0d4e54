"""A conversation in the terminal: what is typed, what a model answers, and the commands."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click

from puna.errors import APIError, BadRequestError

_HELP = """\
/help           show this
/model [NAME]   talk to another model; without a name show which it is
/clear          forget the conversation
/quit           end (Ctrl-D, too)
Ctrl-C stops an answer. A line that begins with a blank is never a command."""
_MOST_LINES = 1_000
_NAME = "chat_history"

Style = dict[str, Any]
_PROMPT: Style = {"fg": "green", "bold": True}
_ERROR: Style = {"fg": "red"}
_ASIDE: Style = {"dim": True}


@dataclass
class Terminal:
    """What stands between the user and a conversation.

    Attributes:
        is_interactive: lines are typed at a prompt, not read from a pipe.
        has_colour: texts are styled; never where `NO_COLOR` is set (no-color.org) or output is no
            terminal.
        history: the file of earlier lines, or None.
    """

    is_interactive: bool = False
    has_colour: bool = False
    history: Path | None = None

    @classmethod
    def make(cls, environ: Mapping[str, str], *, keeps_history: bool) -> Terminal:
        """The terminal of this process. With one to type in, lines can be edited and recalled."""
        is_interactive = sys.stdin.isatty() and sys.stderr.isatty()
        is_plain = bool(environ.get("NO_COLOR")) or environ.get("TERM") == "dumb"
        terminal = cls(
            is_interactive=is_interactive,
            has_colour=is_interactive and sys.stdout.isatty() and not is_plain,
            history=history_file(environ) if is_interactive and keeps_history else None,
        )
        if is_interactive:
            terminal.edit_lines()
        return terminal

    def edit_lines(self) -> None:
        """Have `input` edit lines, and recall those of the file. Without readline nothing."""
        with contextlib.suppress(ImportError):  # some builds of Python have none
            import readline

            readline.set_history_length(_MOST_LINES)
            if self.history is not None:
                with contextlib.suppress(OSError):  # there is none yet
                    readline.read_history_file(self.history)

    def save(self) -> None:
        """Write the lines that were typed; only the user may read them."""
        if self.history is None:
            return
        try:
            import readline

            self.history.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(self.history, os.O_WRONLY | os.O_CREAT, 0o600))
            self.history.chmod(0o600)
            readline.write_history_file(self.history)
        except ImportError:
            return
        except OSError as error:
            self.aside(f"The history cannot be kept in {self.history}: {error.strerror}.")

    def read(self) -> str:
        """The next line. Raises EOFError at the end, and KeyboardInterrupt for Ctrl-C."""
        return input(self._prompt()) if self.is_interactive else input()

    def aside(self, text: str) -> None:
        """Say something that is no answer."""
        click.echo(self.styled(text, _ASIDE), err=True)

    def error(self, text: str) -> None:
        """Say what went wrong."""
        click.echo(self.styled(f"puna: {text}", _ERROR), err=True)

    def styled(self, text: str, style: Style) -> str:
        """The text in colour, where there is colour."""
        return click.style(text, **style) if self.has_colour else text

    def _prompt(self) -> str:
        if not self.has_colour:
            return "> "
        # Readline counts columns, so what has no width stands between \001 and \002.
        colour, reset = click.style(">", **_PROMPT).split(">")
        return f"\001{colour}\002>\001{reset}\002 "


def history_file(environ: Mapping[str, str]) -> Path | None:
    """Where the lines of conversations are kept: below the user's folder for states."""
    state, home = environ.get("XDG_STATE_HOME", ""), environ.get("HOME", "")
    if state.startswith("/"):
        return Path(state) / "puna" / _NAME
    return Path(home) / ".local" / "state" / "puna" / _NAME if home else None


@dataclass
class Conversation:
    """Messages so far, and who answers. A question that fails is forgotten."""

    client: Any
    model: str
    system: str | None
    keywords: Mapping[str, Any] = field(repr=False)
    terminal: Terminal = field(default_factory=Terminal)
    messages: list[dict[str, str]] = field(default_factory=list[dict[str, str]])

    def __post_init__(self) -> None:
        self._clear("")

    def hold(self) -> None:
        """Answer line after line until the end. Raises nothing for an answer that fails."""
        if self.terminal.is_interactive:
            self.terminal.aside(f"{self.model}: type a message; /help shows the commands.")
        try:
            while (line := self._next()) is not None:
                self._answer_safely(line)
        finally:
            self.terminal.save()

    def answer(self, question: str) -> None:
        """Stream the answer to one question to stdout; Ctrl-C stops it and keeps what came.

        Raises:
            APIError: there is none.
        """
        asked = [*self.messages, {"role": "user", "content": question}]
        pieces: list[str] = []
        with self.client.completion(self.model, asked, stream=True, **self.keywords) as stream:
            try:
                for chunk in stream:
                    text = chunk.choices[0].delta.content if chunk.choices else None
                    if text:
                        pieces.append(text)
                        click.echo(text, nl=False)
            except KeyboardInterrupt:
                click.echo(" [stopped]", nl=False)
            except APIError:
                if pieces:
                    click.echo()  # the error stands on a line of its own
                raise
        click.echo()
        self.messages = [*asked, {"role": "assistant", "content": "".join(pieces)}]

    def _answer_safely(self, line: str) -> None:
        try:
            self.answer(line)
        except APIError as error:
            self.terminal.error(str(error))
        except KeyboardInterrupt:
            click.echo("[stopped]")  # before the answer began

    def _next(self) -> str | None:
        """The next line for the model, after the commands before it; None at the end."""
        while True:
            try:
                line = self.terminal.read()
            except (EOFError, KeyboardInterrupt):
                if self.terminal.is_interactive:
                    click.echo(err=True)
                return None
            if not line.startswith("/"):
                if line.strip():
                    return line.strip()
            elif self._is_end(line):
                return None

    def _is_end(self, line: str) -> bool:
        """Do what a command says. Whether the conversation is over."""
        name, _, rest = line[1:].partition(" ")
        if name in ("quit", "exit", "q", "bye"):
            return True
        commands: Mapping[str, Callable[[str], None]] = {
            "help": lambda _: self.terminal.aside(_HELP),
            "?": lambda _: self.terminal.aside(_HELP),
            "model": self._change_model,
            "clear": self._clear,
        }
        command = commands.get(name)
        if command is None:
            self.terminal.error(
                f"`/{name}` is no command: /help lists them, and a blank before the line sends it."
            )
        else:
            command(rest.strip())
        return False

    def _change_model(self, name: str) -> None:
        if name and "custom_llm_provider" not in self.keywords:
            from puna.providers.table import split_model

            try:
                split_model(name)
            except BadRequestError as error:
                self.terminal.error(str(error))
                return
        self.model = name or self.model
        self.terminal.aside(f"talking to {self.model}")

    def _clear(self, _: str) -> None:
        self.messages = [{"role": "system", "content": self.system}] if self.system else []
