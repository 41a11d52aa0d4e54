"""`puna chat`: keys, commands, and the terminal."""

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
from click.testing import CliRunner, Result
from tests.support.asgi import MODEL
from tests.support.commands import start
from tests.support.processes import environment
from tests.support.upstream import TEXT, Reply, Upstream

from puna.cli.chat import find_key
from puna.cli.conversation import history_file
from puna.cli.main import puna

MASTER = "sk-master-canary-4410"


def run(*arguments: str, stdin: str | None = None, **variables: str) -> Result:
    return CliRunner(env=variables).invoke(puna, ("chat", *arguments), input=stdin)


def sent_key(upstream: Upstream) -> str | None:
    return upstream.requests[-1].headers.get("authorization")


def test_the_key_of_the_command_is_sent(upstream: Upstream) -> None:
    done = run("--api_base", upstream.url, "-m", "m", "--api_key", "sk-mine", "Hello")
    assert done.exit_code == 0, done.output
    assert sent_key(upstream) == "Bearer sk-mine"


@pytest.mark.parametrize("name", ["PUNA_MASTER_KEY", "LITELLM_MASTER_KEY"])
def test_a_gateway_on_this_machine_gets_the_master_key_of_the_environment(
    upstream: Upstream, name: str
) -> None:
    assert run("--api-base", upstream.url, "-m", "m", "Hello", **{name: MASTER}).exit_code == 0
    assert sent_key(upstream) == f"Bearer {MASTER}"


@pytest.mark.parametrize(
    ("base", "found"),
    [
        ("http://localhost:4000", MASTER),
        ("http://127.0.0.1:4000/v1", MASTER),
        ("https://[::1]:4000", MASTER),
        ("http://0.0.0.0:4000", MASTER),
        ("https://localhost.evil.test", None),
        ("https://api.groq.com/openai/v1", None),
        ("http://localhost@evil.test/v1", None),
        ("nonsense", None),
        (None, None),
    ],
)
def test_no_other_host_gets_the_master_key(base: str | None, found: str | None) -> None:
    assert find_key(base, {"PUNA_MASTER_KEY": MASTER}) == found


def test_commands_steer_the_conversation_and_are_not_sent(upstream: Upstream) -> None:
    done = run(
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
    done = run(
        *("-m", "meta_llama/m"),
        stdin="/model grok/x\n/model\nhello\n",
        LLAMA_API_BASE=upstream.url,
    )
    assert "Unknown provider `grok`" in done.stderr
    assert "talking to meta_llama/m" in done.stderr
    assert upstream.requests[0].json["model"] == "m"


def test_empty_lines_are_passed_over(upstream: Upstream) -> None:
    assert run("--api_base", upstream.url, "-m", "m", stdin="\n  \nhello\n\n").exit_code == 0
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


def test_chat_asks_a_gateway_one_question(upstream: Upstream) -> None:
    done = run(
        "--api_base",
        upstream.url,
        "-m",
        MODEL,
        "--system",
        "Be brief.",
        "Hello",
        "there",
        LITELLM_PROXY_API_KEY="k",
    )
    assert done.exit_code == 0
    assert done.stdout == f"{TEXT}\n"
    sent = upstream.requests[0].json
    assert sent["model"] == MODEL
    assert sent["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello there"},
    ]


def test_chat_holds_a_conversation_and_survives_an_error(upstream: Upstream) -> None:
    upstream.plays(Reply.text_stream("one"), Reply.error(400, "no good"), Reply.text_stream("two"))
    done = run("--api_base", upstream.url, "-m", "m", stdin="a\nb\nc\n\n")
    assert done.exit_code == 0
    assert done.stdout.replace("\n", "") == "onetwo"
    assert "no good" in done.stderr
    said = [message["content"] for message in upstream.requests[-1].json["messages"]]
    assert said == ["a", "one", "c"]


@pytest.mark.end_to_end
def test_ctrl_c_before_an_answer_begins_stops_the_answer_and_not_the_conversation(
    upstream: Upstream,
) -> None:
    upstream.plays(Reply(delay_s=30.0), Reply.text_stream("two"))
    command = [sys.executable, "-m", "puna.cli", "chat", "--api_base", upstream.url, "-m", "m"]
    with subprocess.Popen(
        command,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as chat:
        assert chat.stdin is not None
        chat.stdin.write("a\n")
        chat.stdin.flush()
        deadline = time.monotonic() + 30
        while not upstream.requests and time.monotonic() < deadline:
            time.sleep(0.05)
        chat.send_signal(signal.SIGINT)
        out, err = chat.communicate("b\n\n", timeout=30)
    assert (chat.returncode, out, err) == (0, "[stopped]\ntwo\n", "")
    assert [one["content"] for one in upstream.requests[-1].json["messages"]] == ["b"]


def test_chat_ends_with_its_input(upstream: Upstream) -> None:
    assert run("--api_base", upstream.url, "-m", "m", stdin="").exit_code == 0
    assert upstream.requests == []


@pytest.mark.end_to_end
@pytest.mark.xdist_group("embedded")
def test_chat_asks_the_embedded_model() -> None:
    done = start("chat", "--max_tokens", "8", "--temperature", "0", "Name a colour.")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert "loading smollm2-135m" in done.stderr


@pytest.mark.end_to_end
def test_chat_with_an_unknown_model_is_one_line_and_status_1() -> None:
    done = start("chat", "-m", "none/x", "Hi")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("puna: Unknown provider `none`")
