"""What must hold across processes, hosts and threads."""

from __future__ import annotations

import os
import threading
import time
from typing import Any

import pytest
from tests.support.clock import FakeClock
from tests.support.upstream import Received, Reply, Upstream, completion_body

from puna.client import Client, ClientSettings
from puna.engine import Stream
from puna.errors import APIError, BadRequestError
from puna.transports.replay import Recorded, ReplayTransport
from puna.types.chat import ChatCompletionChunk

MODEL = "meta_llama/m"


def hello(text: str = "Hello") -> list[dict[str, str]]:
    return [{"role": "user", "content": text}]


@pytest.mark.case(12)
def test_a_forked_process_never_reads_its_parents_answers(upstream: Upstream) -> None:
    def echo(received: Received) -> Reply:
        return Reply.json(completion_body({"content": received.json["messages"][0]["content"]}))

    upstream.plays_always(echo)
    client = Client(ClientSettings(environ={"LLAMA_API_BASE": upstream.url}, max_retries=0))

    def ask(text: str) -> bool:
        return client.completion(MODEL, hello(text)).choices[0].message.content == text

    assert ask("before the fork")
    children: list[int] = []
    for number in range(4):
        child = os.fork()
        if child == 0:
            os._exit(0 if all(ask(f"child {number} {turn}") for turn in range(5)) else 1)
        children.append(child)
    own = [ask(f"parent {turn}") for turn in range(5)]
    statuses = [os.waitpid(child, 0)[1] for child in children]
    client.close()

    assert all(own)
    assert statuses == [0] * 4


@pytest.mark.case(7, 144)
def test_a_credential_in_a_header_stays_with_the_host_it_was_given_for() -> None:
    transport = ReplayTransport(lambda _: Recorded(500))
    client = Client(
        ClientSettings(environ={"OPENAI_API_KEY": "sk-own"}, max_retries=0),
        transport=transport,
        clock=FakeClock(),
    )
    headers = {"Authorization": "Bearer for-a", "X-Api-Key": "for-a", "X-Trace": "7"}

    with pytest.raises(APIError):
        client.completion(
            MODEL, hello(), api_base="http://a.test", extra_headers=headers, fallbacks=["openai/z"]
        )

    first, second = transport.requests
    assert first.headers["authorization"] == "Bearer for-a"
    assert second.headers["authorization"] == "Bearer sk-own"
    assert "x-api-key" not in second.headers
    assert (first.headers["x-trace"], second.headers["x-trace"]) == ("7", "7")


@pytest.mark.case(57)
def test_a_stream_is_closed_while_another_thread_reads_it(upstream: Upstream) -> None:
    upstream.plays(
        Reply.sse({"choices": [{"delta": {"content": "a"}}]}, is_done=False).ending("hang")
    )
    client = Client(ClientSettings(environ={"LLAMA_API_BASE": upstream.url}, max_retries=0))
    stream: Stream[ChatCompletionChunk] = client.completion(MODEL, hello(), stream=True)
    ended: list[Any] = []

    def read() -> None:
        try:
            ended.extend(stream)
        except APIError as error:
            ended.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    time.sleep(0.2)
    stream.close()
    reader.join(timeout=2)

    assert not reader.is_alive()
    assert upstream.sees(lambda: upstream.open_connections == 0)
    client.close()


@pytest.mark.case(145)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("timeout", 1e300),
        ("timeout", 10**400),
        ("custom_llm_provider", [1]),
        ("mock_response", "half \ud800"),
        ("drop_params", "yes"),
    ],
)
def test_a_keyword_that_is_wrong_is_named(name: str, value: Any) -> None:
    client = Client(ClientSettings(environ={}), transport=ReplayTransport(lambda _: Recorded()))

    with pytest.raises(BadRequestError) as raised:
        client.completion(MODEL, hello(), api_base="http://a.test", **{name: value})

    assert raised.value.param == name
