"""`puna chat`: whose key is sent, one question, and conversations by pipe."""

from __future__ import annotations

import signal
import subprocess
import sys
import time

import pytest
from tests.support.asgi import MODEL
from tests.support.commands import chat, start
from tests.support.processes import environment
from tests.support.upstream import TEXT, Reply, Upstream

from puna.cli.chat import find_key

MASTER = "sk-master-canary-4410"


def sent_key(upstream: Upstream) -> str | None:
    return upstream.requests[-1].headers.get("authorization")


def test_the_key_of_the_command_is_sent(upstream: Upstream) -> None:
    done = chat("--api_base", upstream.url, "-m", "m", "--api_key", "sk-mine", "Hello")
    assert done.exit_code == 0, done.output
    assert sent_key(upstream) == "Bearer sk-mine"


@pytest.mark.parametrize("name", ["PUNA_MASTER_KEY", "LITELLM_MASTER_KEY"])
def test_a_gateway_on_this_machine_gets_the_master_key_of_the_environment(
    upstream: Upstream, name: str
) -> None:
    assert chat("--api-base", upstream.url, "-m", "m", "Hello", **{name: MASTER}).exit_code == 0
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


def test_chat_asks_a_gateway_one_question(upstream: Upstream) -> None:
    done = chat(
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
    done = chat("--api_base", upstream.url, "-m", "m", stdin="a\nb\nc\n\n")
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
    assert chat("--api_base", upstream.url, "-m", "m", stdin="").exit_code == 0
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
