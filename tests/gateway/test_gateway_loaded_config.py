"""A configuration is swapped while requests are under way, over real sockets, in both lanes.

A request ends with the configuration that it began with, the next one on the same connection has
the new one, and what nobody uses any more is closed and forgotten.
"""

from __future__ import annotations

import gc
import json
import socket
import threading
import weakref
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.support.asgi import Answer
from tests.support.lanes import read_answer, request_bytes
from tests.support.ledger import Ledger
from tests.support.live import Live
from tests.support.upstream import (
    DONE,
    Reply,
    Step,
    Upstream,
    completion_body,
    event,
    text_chunks,
    usage_chunk,
)

from puna.telemetry.events import CallEvent
from puna.types.secret import Secret

KEY = "sk-master-8899"
CONFIG = f"""
model_list:
  - model_name: m
    litellm_params: {{model: openai/MODEL, api_key: sk-host, api_base: "UPSTREAM"}}
router_settings: {{allowed_fails: 0, cooldown_s: 600, num_retries: 0}}
general_settings: {{master_key: {KEY}}}
"""
TALK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
LANES = [
    pytest.param("/v1/chat/completions", TALK, id="fast"),
    pytest.param("/v1/messages", {**TALK, "max_tokens": 9}, id="messages"),
    pytest.param("/v1/responses", {"model": "m", "input": "hi"}, id="responses"),
    pytest.param("/v1/completions", {"model": "m", "prompt": "hi"}, id="full"),
]


def config_for(upstream: Upstream, model: str = "old") -> str:
    return CONFIG.replace("UPSTREAM", upstream.url).replace("MODEL", model)


def send(connection: socket.socket, path: str, body: Any, key: str = KEY) -> None:
    headers = {"host": "gateway.example", "authorization": f"Bearer {key}"}
    connection.sendall(request_bytes(body, headers, path))


def receive(connection: socket.socket, data: bytes = b"") -> Answer:
    while (answer := read_answer(data)) is None:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return answer


def ask(connection: socket.socket, path: str, body: Any, key: str = KEY) -> Answer:
    send(connection, path, body, key)
    return receive(connection)


def held_reply(gate: threading.Event, *, is_stream: bool) -> Reply:
    """The usual answer, whose second half comes when the gate is open."""
    first, *others = text_chunks()
    parts = [json.dumps(completion_body()).encode()[:9], json.dumps(completion_body()).encode()[9:]]
    if is_stream:
        parts = [event(first), b"".join(map(event, [*others, usage_chunk()])) + DONE]

    def steps() -> Iterator[Step]:
        yield parts[0]
        while not gate.is_set():
            yield 0.01
        yield parts[1]

    kind = "text/event-stream" if is_stream else "application/json"
    return Reply(200, {"content-type": kind}, steps(), is_chunked=True)


@contextmanager
def no_collector() -> Generator[None]:
    """What refers to itself is not freed."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@pytest.mark.parametrize("is_stream", [True, False])
@pytest.mark.parametrize(("path", "body"), LANES)
def test_a_request_under_way_ends_with_the_configuration_that_it_began_with(
    upstream: Upstream, path: str, body: dict[str, Any], *, is_stream: bool
) -> None:
    gate, heard, ledger = threading.Event(), list[str](), Ledger()

    def note_old(_: CallEvent) -> None:
        heard.append("old")

    def note_new(_: CallEvent) -> None:
        heard.append("new")

    with (
        Live(config_for(upstream), hooks=(note_old,), admission=ledger, meters=(ledger,)) as live,
        live.connect() as one,
        live.connect() as other,
    ):
        assert ask(one, path, body).status == 200
        upstream.plays(held_reply(gate, is_stream=is_stream))
        send(one, path, {**body, "stream": True} if is_stream else body)
        assert upstream.sees(lambda: upstream.open_replies == 1)
        with no_collector():
            old = weakref.ref(live.app.config)
            live.reload(config_for(upstream, "new"), hooks=(note_new,))
            assert len(live.app.retired) == 1
            assert ask(other, path, body).status == 200
            assert heard == ["old", "new"]
            gate.set()
            assert receive(one).status == 200
            assert ask(one, path, body).status == 200
            assert heard == ["old", "new", "old", "new"]
            assert upstream.sees(lambda: live.app.retired == (), within_s=5)
            assert old() is None
        assert [got.json["model"] for got in upstream.requests] == ["old", "old", "new", "new"]
        # The connections to the host are the new configuration's, too.
        assert upstream.connections == 2
    assert len(ledger.closed_visits) == len(ledger.settled) == 4
    assert ledger.held == 0


@pytest.mark.parametrize(("path", "body"), LANES)
def test_many_reloads_leave_nothing_behind(
    upstream: Upstream, path: str, body: dict[str, Any]
) -> None:
    """A stream is under way all the time, and idle connections have asked under each of them."""
    gate, made = threading.Event(), list[weakref.ref[object]]()
    with ExitStack() as stack, Live(config_for(upstream)) as live, no_collector():
        streaming, *idle = [stack.enter_context(live.connect()) for _ in range(6)]
        made += parts_of(live)
        upstream.plays(held_reply(gate, is_stream=True))
        send(streaming, path, {**body, "stream": True})
        assert upstream.sees(lambda: upstream.open_replies == 1)
        for number in range(60):
            live.reload(config_for(upstream, f"m-{number}"))
            made += parts_of(live)
            assert ask(idle[number % 5], path, body).status == 200
            assert upstream.requests[-1].json["model"] == f"m-{number}"
        live.do(lambda: None)  # the last request's task has ended by now
        assert [at for at, one in enumerate(made) if one() is not None] == [
            *range(4),
            *range(len(made) - 4, len(made)),
        ], "the first configuration, which the stream is served with, and the present one"
        gate.set()
        assert receive(streaming).status == 200
        assert upstream.sees(lambda: live.app.retired == (), within_s=5)
        assert [one() for one in made[:4]] == [None] * 4
        assert upstream.connections == 2


def parts_of(live: Live) -> list[weakref.ref[object]]:
    config = live.app.config
    assert config.fast_lane is not None
    parts = (config, config.directory, config.parts.pipeline.engine, config.fast_lane)
    return [weakref.ref(part) for part in parts]


@pytest.mark.parametrize(("path", "body"), LANES)
def test_a_reload_withdraws_a_key_on_an_open_connection(
    upstream: Upstream, path: str, body: dict[str, Any]
) -> None:
    later = config_for(upstream).replace(KEY, "sk-master-later-1")
    with Live(config_for(upstream)) as live, live.connect() as connection:
        # The third head is known by its bytes.
        assert [ask(connection, path, body).status for _ in range(3)] == [200] * 3
        live.reload(config_for(upstream))
        assert [ask(connection, path, body).status for _ in range(3)] == [200] * 3
        live.reload(later)
        before = len(upstream.requests)
        assert ask(connection, path, body).status == 401
        assert ask(connection, path, body, "sk-master-later-1").status == 200
        assert ask(connection, path, body).status == 401
        assert len(upstream.requests) == before + 1
        # A key that is changed by itself is withdrawn as well, and the next reload counts on.
        live.do(lambda: live.app.change_keys(live.app.keys.changed(Secret("sk-third-2"))))
        assert ask(connection, path, body, "sk-master-later-1").status == 401
        assert ask(connection, path, body, "sk-third-2").status == 200
        version = live.app.keys.version
        live.reload(later)
        assert live.app.keys.version > version
        assert ask(connection, path, body, "sk-third-2").status == 401


def test_a_body_that_comes_after_a_reload_is_of_the_new_configuration(upstream: Upstream) -> None:
    """Its head was read, and its key found right, before the key was withdrawn."""
    path = "/v1/chat/completions"
    data = request_bytes(TALK, {"authorization": f"Bearer {KEY}"}, path)
    later = config_for(upstream).replace(KEY, "sk-master-later-1")
    with Live(config_for(upstream)) as live:
        for is_known in (False, True):
            live.reload(config_for(upstream))
            with live.connect() as connection:
                if is_known:
                    assert ask(connection, path, TALK).status == 200
                connection.sendall(data[:-5])
                assert ask_quietly(live)
                live.reload(later)
                connection.sendall(data[-5:])
                assert receive(connection).status == 401
    assert len(upstream.requests) == 1


def ask_quietly(live: Live) -> bool:
    """Whether another client is answered: what was sent before has been read by then."""
    with live.connect() as connection:
        connection.sendall(b"GET /health/liveness HTTP/1.1\r\nhost: x\r\n\r\n")
        return receive(connection).status == 200


def test_limits_and_host_names_of_a_reload_hold_on_open_connections(upstream: Upstream) -> None:
    path, long = "/v1/chat/completions", {**TALK, "user": "u" * 2_000}
    small = config_for(upstream).replace("{master_key", "{max_request_size_mb: 0.001, master_key")
    with Live(config_for(upstream)) as live, live.connect() as connection:
        assert [ask(connection, path, long).status for _ in range(3)] == [200] * 3
        live.reload(small)
        assert ask(connection, path, TALK).status == 200
        assert ask(connection, path, long).status == 413
    keyless = config_for(upstream).replace(
        f"{{master_key: {KEY}}}", "{allowed_hosts: [gateway.example]}"
    )
    with Live(keyless) as live, live.connect() as connection:
        assert [ask(connection, path, TALK).status for _ in range(3)] == [200] * 3
        live.reload(keyless.replace("gateway.example", "other.example"))
        assert ask(connection, path, TALK).status == 403


def test_cooldowns_of_deployments_that_did_not_change_carry_over(upstream: Upstream) -> None:
    other = """
  - model_name: other
    litellm_params: {model: openai/other, api_key: KEY-2, api_base: "UPSTREAM"}
router_settings"""
    two = config_for(upstream).replace("\nrouter_settings", other, 1)
    two = two.replace("UPSTREAM", upstream.url)

    def resting(live: Live) -> set[str]:
        with live.connect() as connection:
            line = f"authorization: Bearer {KEY}"
            connection.sendall(f"GET /health HTTP/1.1\r\nhost: x\r\n{line}\r\n\r\n".encode())
            return {
                one["model"] for one in json.loads(receive(connection).body)["unhealthy_endpoints"]
            }

    with Live(two) as live, live.connect() as connection:
        assert resting(live) == set()
        live.reload(two)
        upstream.plays(Reply.error(503), Reply.error(503))
        for name in ("m", "other"):
            assert ask(connection, "/v1/chat/completions", {**TALK, "model": name}).status == 503
        assert resting(live) == {"m", "other"}
        live.reload(two.replace("KEY-2", "KEY-3"))  # another key: it is tried at once
        assert resting(live) == {"m"}
        live.reload(
            two.replace("KEY-2", "KEY-3").replace("allowed_fails: 0", "disable_cooldowns: true")
        )
        assert resting(live) == set()


def test_stored_responses_stay_until_another_store_is_named(
    upstream: Upstream, tmp_path: Path
) -> None:
    path, asked = "/v1/responses", {"model": "m", "input": "hi"}
    file = tmp_path / "responses.db"
    filed = config_for(upstream).replace("{master_key", f"{{response_store: {file}, master_key")

    def get(connection: socket.socket, name: str) -> int:
        line = f"authorization: Bearer {KEY}"
        connection.sendall(f"GET {path}/{name} HTTP/1.1\r\nhost: x\r\n{line}\r\n\r\n".encode())
        return receive(connection).status

    with Live(config_for(upstream)) as live, live.connect() as connection:
        in_memory = json.loads(ask(connection, path, asked).body)["id"]
        live.reload(config_for(upstream, "new"))
        assert get(connection, in_memory) == 200
        size = "{response_store_size_mb: 7, master_key"  # it is that of a file
        live.reload(config_for(upstream).replace("{master_key", size))
        assert get(connection, in_memory) == 200
        store = live.app.responses.store
        live.reload(filed)
        assert get(connection, in_memory) == 404
        in_file = json.loads(ask(connection, path, asked).body)["id"]
        live.reload(filed)
        assert live.app.responses.store is not store
        assert get(connection, in_file) == 200
        live.reload(config_for(upstream))
        assert get(connection, in_file) == 404


def test_other_proxies_or_certificates_bring_other_connections(upstream: Upstream) -> None:
    path = "/v1/chat/completions"
    named = config_for(upstream) + "environment_variables: {NO_PROXY: example.com}\n"
    gate = threading.Event()
    with Live(config_for(upstream)) as live, live.connect() as one, live.connect() as other:
        upstream.plays(held_reply(gate, is_stream=True))
        send(one, path, {**TALK, "stream": True})
        assert upstream.sees(lambda: upstream.open_replies == 1)
        before = live.app.config.transport
        live.reload(named)
        assert live.app.config.transport is not before
        assert ask(other, path, TALK).status == 200
        assert upstream.open_connections == 2
        gate.set()
        assert receive(one).status == 200
        # Those of the earlier configuration are closed when nobody uses them any more.
        assert upstream.sees(lambda: upstream.open_connections == 1, within_s=5)
        assert ask(one, path, TALK).status == 200
        assert upstream.connections == 2
