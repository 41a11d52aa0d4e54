"""A key that is withdrawn is refused at its next request, on an open connection too."""

from __future__ import annotations

import socket

import pytest
from tests.support.lanes import read_answer, request_bytes
from tests.support.live import Live
from tests.support.upstream import Upstream

from puna.types.secret import Secret

OLD, NEW = "sk-master-old-1122", "sk-master-new-3344"
CONFIG = f"""
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_key: sk-host, api_base: "UPSTREAM"}}
general_settings: {{master_key: {OLD}}}
"""


def ask(connection: socket.socket, key: str, path: str, body: object) -> tuple[int, str]:
    """Status and lane of one request."""
    connection.sendall(request_bytes(body, {"authorization": f"Bearer {key}"}, path))
    data = b""
    while (answer := read_answer(data)) is None:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return answer.status, answer.headers.get("x-puna-lane", "")


@pytest.mark.parametrize(
    ("path", "body", "lane"),
    [
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": "hi"}]}, "fast"),
        ("/v1/responses", {"input": "hi"}, "fast"),
        ("/v1/completions", {"prompt": "hi"}, "full"),
    ],
)
def test_a_withdrawn_key_is_refused_on_a_connection_that_is_open(
    upstream: Upstream, path: str, body: dict[str, object], lane: str
) -> None:
    asked = {"model": "m", **body}
    with Live(CONFIG.replace("UPSTREAM", upstream.url)) as live, live.connect() as connection:
        # The third head is known by its bytes.
        assert [ask(connection, OLD, path, asked) for _ in range(3)] == [(200, lane)] * 3
        live.do(lambda: live.app.change_keys(live.app.keys.changed(Secret(NEW))))
        before = len(upstream.requests)
        assert ask(connection, OLD, path, asked)[0] == 401
        assert len(upstream.requests) == before
        assert [ask(connection, NEW, path, asked) for _ in range(3)] == [(200, lane)] * 3
        assert ask(connection, OLD, path, asked)[0] == 401
        # A later version that has the first key again: it is right again.
        live.do(lambda: live.app.change_keys(live.app.keys.changed(Secret(OLD))))
        assert ask(connection, NEW, path, asked)[0] == 401
        assert ask(connection, OLD, path, asked) == (200, lane)
