"""A conversation of `puna chat`: commands, its history, and the terminal."""

from __future__ import annotations

import os
import pty
import select
import signal
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.support.commands import chat
from tests.support.processes import environment
from tests.support.upstream import Reply, Upstream

from puna.cli.conversation import history_file


def test_commands_steer_the_conversation_and_are_not_sent(upstream: Upstream) -> None:
    done = chat(
        *("--api_base", upstream.url, "-m", "one"),
        stdin="/help\nfirst\n/model two\nsecond\n/clear\nthird\n/wat\n /fourth\n/quit\nfifth\n",
    )
    assert done.exit_code == 0
    asked = [
        (
            request.json["model"],
            [m["content"] for m in request.json["messages"] if "user" in m["role"]],
        )
        for request in upstream.requests
    ]
    assert asked == [
        ("one", ["first"]),
        ("two", ["first", "second"]),
        ("two", ["third"]),
        ("two", ["third", "/fourth"]),
    ]
    for words in ("/quit", "/clear", "talking to two", "`/wat` is no command"):
        assert words in done.stderr


def test_a_model_that_no_provider_has_is_refused_and_the_old_one_stays(upstream: Upstream) -> None:
    done = chat(
        *("-m", "meta_llama/m"),
        stdin="/model grok/x\n/model\nhello\n",
        LLAMA_API_BASE=upstream.url,
    )
    assert "Unknown provider `grok`" in done.stderr
    assert "talking to meta_llama/m" in done.stderr
    assert upstream.requests[0].json["model"] == "m"


def test_empty_lines_are_passed_over(upstream: Upstream) -> None:
    assert chat("--api_base", upstream.url, "-m", "m", stdin="\n  \nhello\n\n").exit_code == 0
    assert len(upstream.requests) == 1


@pytest.mark.parametrize(
    ("environ", "path"),
    [
        ({"HOME": "/home/a"}, "/home/a/.local/state/puna/chat_history"),
        ({"HOME": "/home/a", "XDG_STATE_HOME": "/state"}, "/state/puna/chat_history"),
        ({"XDG_STATE_HOME": "relative"}, None),
        ({}, None),
    ],
)
def test_the_history_is_below_the_users_folder_for_states(
    environ: dict[str, str], path: str | None
) -> None:
    assert history_file(environ) == (Path(path) if path else None)


# In a terminal


class Screen:
    """A program in a terminal of its own, and what it showed so far."""

    def __init__(self, terminal: int) -> None:
        self._terminal = terminal
        self.text = ""

    def types(self, text: str) -> None:
        os.write(self._terminal, text.encode())

    def shows(self, words: str, *, within_s: float = 60.0) -> bool:
        """Whether it comes to show these words."""
        deadline = time.monotonic() + within_s
        while words not in self.text and time.monotonic() < deadline:
            if select.select([self._terminal], [], [], 0.2)[0]:
                try:
                    self.text += os.read(self._terminal, 65_536).decode("utf-8", "replace")
                except OSError:
                    break
        return words in self.text


@contextmanager
def chatting(upstream: Upstream, home: Path, **variables: str) -> Generator[Screen]:
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "puna.cli", "chat", "--api_base", upstream.url, "-m", "m"]
    environ = environment(**{"HOME": str(home), "TERM": "xterm", **variables})
    with subprocess.Popen(
        command, env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        try:
            yield Screen(ours)
            process.wait(timeout=60)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            os.close(ours)
    assert process.returncode == 0


@pytest.mark.end_to_end
def test_in_a_terminal_lines_are_edited_recalled_and_coloured(
    upstream: Upstream, tmp_path: Path
) -> None:
    upstream.plays_always(lambda _: Reply.text_stream("fine"))
    with chatting(upstream, tmp_path) as screen:
        assert screen.shows("/help shows the commands")
        screen.types("helXlo\x1b[D\x1b[D\x1b[D\x1b[3~\x1b[D\x1b[D\x1b[D\r")
        assert screen.shows("fine")
        assert "\x1b[32m" in screen.text
        screen.types("/quit\r")
    assert len(upstream.requests) == 1
    first = upstream.requests[0].json["messages"][-1]["content"]
    kept = tmp_path / ".local" / "state" / "puna" / "chat_history"
    assert first in kept.read_text()
    assert kept.stat().st_mode & 0o777 == 0o600

    with chatting(upstream, tmp_path, NO_COLOR="1") as screen:
        assert screen.shows("/help shows the commands")
        screen.types("\x1b[A\x1b[A\r")
        assert screen.shows("fine")
        screen.types("/quit\r")
    assert upstream.requests[-1].json["messages"][-1]["content"] == first
    assert "\x1b[32m" not in screen.text
