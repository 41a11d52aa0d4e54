"""Visits over real sockets, in both lanes, that end in every way there is.

However a request ends, it is admitted at most once, closed once, its hold is settled, its line is
written, and no socket is left open.
"""

from __future__ import annotations

import logging
import re
import socket
import struct
from collections import Counter
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.support.lanes import read_answer, request_bytes
from tests.support.ledger import Ledger
from tests.support.live import Live
from tests.support.upstream import Received, Reply, Upstream, answer

from puna.gateway.visit import Visit
from puna.telemetry.events import CallEvent

KEY = "sk-master-5566"
CONFIG = f"""
model_list:
  - model_name: m
    litellm_params: {{model: openai/m, api_key: sk-host, api_base: "UPSTREAM"}}
  - model_name: poor
    litellm_params: {{model: openai/poor, api_key: sk-host, api_base: "UPSTREAM"}}
litellm_settings: {{num_retries: 0}}
router_settings: {{disable_cooldowns: true}}
general_settings: {{master_key: {KEY}}}
"""
_HOST = re.compile(rb"host (well|error|cut|hang) ([0-9]+)")
_LINE = re.compile(r"(POST|GET) /\S* [0-9]{3} ")

Shape = Literal["chat", "tool", "text", "messages", "responses"]
PATHS: dict[Shape, str] = {
    "chat": "/v1/chat/completions",
    "tool": "/v1/chat/completions",
    "text": "/v1/completions",
    "messages": "/v1/messages",
    "responses": "/v1/responses",
}


@dataclass(frozen=True)
class Asking:
    """One request of a client, and what becomes of it.

    Attributes:
        host: what the host does; `cut` ends its answer after `bytes_of_host` bytes, `hang` is
            silent for ever.
        who: `stranger` has a wrong key, `poor` has spent all.
        sends, reads: bytes after which the client leaves, of its request and of the answer.
        is_twice: whether the request comes twice in one write, so that the second one waits.
        is_reset: whether the client leaves with a reset.
        breaks_hook: whether a hook fails on it.
        reload: when the configuration is swapped meanwhile, if it is: after half of the request
            was sent, or before any of the answer is read.
    """

    shape: Shape
    is_stream: bool
    host: Literal["well", "error", "cut", "hang"] = "well"
    bytes_of_host: int = 0
    who: Literal["known", "stranger", "poor"] = "known"
    sends: int | None = None
    reads: int | None = None
    is_twice: bool = False
    is_reset: bool = False
    breaks_hook: bool = False
    reload: Literal["request", "answer"] | None = None

    def to_bytes(self) -> bytes:
        """The request, as it goes on the wire."""
        said = f"host {self.host} {self.bytes_of_host} {'broken' * self.breaks_hook}"
        fields: dict[str, Any] = {"model": "poor" if self.who == "poor" else "m"}
        match self.shape:
            case "text":
                fields["prompt"] = [said, said]
            case "responses":
                fields["input"] = said
            case _:
                fields["messages"] = [{"role": "user", "content": said}]
        if self.shape == "messages":
            fields["max_tokens"] = 9
        if self.shape == "tool":
            fields["tools"] = [{"type": "function", "function": {"name": "f"}}]
        if self.is_stream:
            fields["stream"] = True
        key = KEY if self.who != "stranger" else "sk-other"
        headers = {"authorization": f"Bearer {key}"}
        return request_bytes(fields, headers, PATHS[self.shape])


ASKINGS = st.builds(
    Asking,
    shape=st.sampled_from(list(PATHS)),
    is_stream=st.booleans(),
    host=st.sampled_from(["well", "well", "error", "cut", "hang"]),
    bytes_of_host=st.integers(0, 900),
    who=st.sampled_from(["known", "known", "known", "stranger", "poor"]),
    sends=st.none() | st.none() | st.integers(0, 400),
    reads=st.none() | st.none() | st.integers(0, 900),
    is_twice=st.booleans(),
    is_reset=st.booleans(),
    breaks_hook=st.booleans(),
    reload=st.sampled_from([None, None, "request", "answer"]),
)


def play(received: Received) -> Reply:
    """What the request wants of the host."""
    found = _HOST.search(received.body)
    assert found is not None
    usual = answer(received)
    match found[1]:
        case b"error":
            return Reply.error(503)
        case b"hang":
            return Reply.hang()
        case b"cut":
            body = b"".join(step for step in usual.steps if isinstance(step, bytes))
            head = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n" % (
                usual.headers["content-type"].encode(),
                len(body) + 1,
            )
            return Reply.raw((head + body)[: int(found[2])], end="reset")
        case _:
            return usual


class Poor(Ledger):
    """Refuses whoever asks for the model of the poor."""

    def _reserve(self, visit: Visit) -> Any:
        self.refuses = visit.bound.model == "poor"
        return super()._reserve(visit)


def break_some(event: CallEvent) -> None:
    """A hook that fails on some calls."""
    if "broken" in str(event.messages) + str(event.input):
        raise ZeroDivisionError("a hook's own fault")


class Lines(logging.Handler):
    """Keeps the lines of requests."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        if _LINE.match(record.getMessage()):
            self.lines.append(record.getMessage())


@contextmanager
def lines_of_requests() -> Generator[Lines]:
    """The lines that are written meanwhile."""
    log, lines = logging.getLogger("puna.gateway"), Lines()
    before = log.level
    log.addHandler(lines)
    log.setLevel(logging.INFO)
    try:
        yield lines
    finally:
        log.removeHandler(lines)
        log.setLevel(before)


def ask(live: Live, asking: Asking, config: str) -> None:
    """Send the request and leave, when its time has come or the answer is whole."""
    data = asking.to_bytes() * (1 + asking.is_twice)
    half = len(data[: asking.sends]) // 2 if asking.reload == "request" else 0
    with closing(live.connect()) as connection:
        try:
            connection.sendall(data[:half])
            if asking.reload == "request":
                live.reload(config, hooks=(break_some,))
            connection.sendall(data[half : asking.sends])
            if asking.reload == "answer":
                live.reload(config, hooks=(break_some,))
            if asking.sends is None or asking.sends >= len(data):
                read(connection, asking)
        except ConnectionError:
            pass  # the gateway was first
        if asking.is_reset:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)


def read(connection: socket.socket, asking: Asking) -> None:
    """Read what the client wants of the answer."""
    most = 0 if asking.host == "hang" and asking.who == "known" else asking.reads
    got = b""
    while read_answer(got) is None and (most is None or len(got) < most):
        piece = connection.recv(65_536 if most is None else most - len(got))
        if not piece:
            return
        got += piece


def check_quiet(live: Live, upstream: Upstream, ledger: Ledger) -> None:
    """All that was asked has ended: nothing is open, nothing held, each visit closed once."""
    state = live.server.server_state
    # Connections are accepted in their order: when this one is answered, those before are known.
    with closing(live.connect()) as last:
        last.sendall(b"GET /health/liveness HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        while last.recv(65_536):
            pass
    assert upstream.sees(lambda: live.do(lambda: not state.connections and not state.tasks))
    assert upstream.sees(lambda: upstream.open_replies == 0)
    assert not live.do(lambda: any(one.is_in_use for one in (*live.app.retired, live.app.config)))
    closed = Counter(map(id, ledger.closed_visits))
    assert set(closed.values()) <= {1}
    admitted = Counter(map(id, ledger.admitted))
    assert set(admitted.values()) <= {1}
    assert admitted.keys() <= closed.keys()
    settled = Counter(map(id, ledger.settled))
    assert settled.keys() <= admitted.keys()
    assert set(settled.values()) <= {1}
    assert ledger.held == 0
    reports = [report for visit in ledger.closed_visits for report, _ in visit.reports]
    assert Counter(map(id, reports)) == Counter(id(report) for report, _ in ledger.noted)
    for visit in ledger.closed_visits:
        assert visit.status
        assert bool(visit.reports) <= (id(visit) in settled)
        if visit.status == 200:
            assert bool(visit.reports) is (visit.endpoint != "alive")
        for report, outcome in visit.reports:
            if outcome == "cancelled" and report.attempts and not report.completion_tokens:
                assert report.usage_certainty != "exact", "a host was asked, and nobody knows"


def test_however_requests_end_each_is_closed_once_and_nothing_is_left(upstream: Upstream) -> None:
    upstream.plays_always(play)
    ledger = Poor()
    config = CONFIG.replace("UPSTREAM", upstream.url)

    with lines_of_requests() as lines:
        with Live(config, hooks=(break_some,), admission=ledger, meters=(ledger,)) as live:

            @settings(
                suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
            )
            @given(askings=st.lists(ASKINGS, min_size=1, max_size=4))
            def run(askings: list[Asking]) -> None:
                for asking in askings:
                    ask(live, asking, config)
                check_quiet(live, upstream, ledger)

            run()
        # The end of the gateway has written what waited.
        assert len(lines.lines) == len(ledger.closed_visits)
        assert live.app.keys.version > 0, "it was reloaded"
    outcomes = {outcome for _, outcome in ledger.noted}
    assert outcomes == {"success", "failure", "cancelled"}
    assert {report.lane for report, _ in ledger.noted} == {"fast", "full"}
    assert {200, 401, 429, 499, 503} <= {visit.status for visit in ledger.closed_visits}


@pytest.mark.parametrize("is_stream", [True, False])
def test_the_end_of_the_server_closes_each_visit(upstream: Upstream, *, is_stream: bool) -> None:
    upstream.plays_always(Reply.endless() if is_stream else Reply.hang())
    ledger = Poor()
    config = CONFIG.replace("UPSTREAM", upstream.url)
    shapes = list(PATHS)
    with lines_of_requests() as lines:
        with Live(config, admission=ledger, meters=(ledger,), drain_s=0) as live:
            connections = [live.connect() for _ in shapes]
            for connection, shape in zip(connections, shapes, strict=True):
                connection.sendall(Asking(shape, is_stream).to_bytes())
            assert upstream.sees(lambda: len(ledger.admitted) == len(shapes))
            assert upstream.sees(lambda: upstream.open_replies >= len(shapes))
        for connection in connections:
            connection.close()
        assert upstream.sees(lambda: upstream.open_replies == 0)
        assert len(ledger.closed_visits) == len(set(map(id, ledger.closed_visits))) == len(shapes)
        assert len(ledger.settled) == len(shapes)
        assert ledger.held == 0
        assert len(lines.lines) == len(shapes)
    for visit in ledger.closed_visits:
        assert visit.status in (200, 499, 503)
        assert {outcome for _, outcome in visit.reports} == {"cancelled"}
        assert {report.usage_certainty for report, _ in visit.reports} == {"at_least"}
