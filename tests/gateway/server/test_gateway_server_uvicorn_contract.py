"""The installed uvicorn has every part in `uvicorn_contract.PARTS`, and it does what is relied on.

With a new release of uvicorn, what fails here is what to look at.
"""

from __future__ import annotations

import ast
import asyncio
import importlib
import inspect
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import uvicorn
from packaging.requirements import Requirement
from tests.support.lanes import Wire
from typing_extensions import override
from uvicorn.protocols.http import httptools_impl
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol
from uvicorn.server import Server, ServerState
from uvicorn.supervisors.multiprocess import Process

from puna.gateway.passing.cycle import FastCycle
from puna.gateway.server.uvicorn_contract import PARTS

ROOT = Path(__file__).parents[3]
GATEWAY = ROOT / "src/puna/gateway"
HEAD = b"POST /a?b=1 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"


async def answer(scope: Any, receive: Any, send: Any) -> None:
    """An application that reads the body and answers with its length."""
    body = b""
    is_more = True
    while is_more:
        message = await receive()
        body += message.get("body", b"")
        is_more = message["type"] == "http.request" and message["more_body"]
    length = str(len(body)).encode()
    headers = [(b"content-length", str(len(length)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": length})
    del scope


def config() -> uvicorn.Config:
    made = uvicorn.Config(
        answer, interface="asgi3", http=HttpToolsProtocol, lifespan="off", log_config=None
    )
    made.load()
    return made


def connected() -> tuple[HttpToolsProtocol, Wire]:
    """A connection of uvicorn's own. Needs a running loop."""
    state = ServerState()
    state.default_headers = [(b"date", b"today")]
    protocol = HttpToolsProtocol(config(), state, {}, asyncio.get_running_loop())
    wire = Wire()
    protocol.connection_made(wire)
    return protocol, wire


async def turns(count: int = 20) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


async def owners() -> Mapping[str, Any]:
    """A real object of each class, and the modules."""
    protocol, _ = connected()
    protocol.data_received(HEAD)
    cycle, flow, state = protocol.cycle, protocol.flow, protocol.server_state
    protocol.connection_lost(None)
    await turns()
    return {
        "HttpToolsProtocol": protocol,
        "RequestResponseCycle": cycle,
        "FlowControl": flow,
        "ServerState": state,
        "Server": Server(config()),
        "Process": Process(config(), []),
    }


def parameters_of(function: Any) -> str:
    signature = inspect.signature(function)
    bare = [
        one.replace(annotation=inspect.Parameter.empty) for one in signature.parameters.values()
    ]
    return str(inspect.Signature(bare))


@pytest.mark.anyio
async def test_every_part_is_there_with_its_parameters() -> None:
    found = await owners()
    wrong: list[str] = []
    for part in PARTS:
        owner = found.get(part.owner) or importlib.import_module(part.owner)
        if not hasattr(owner, part.name):
            wrong.append(f"{part.owner} has no {part.name}: {part.why}")
        elif part.parameters is not None:
            is_own = part.name in dir(type(owner))
            value = getattr(type(owner) if is_own else owner, part.name)
            if parameters_of(value) != part.parameters:
                wrong.append(f"{part.owner}.{part.name}{parameters_of(value)}: {part.why}")
    assert not wrong


def test_the_release_is_one_that_was_looked_at() -> None:
    """Each minor release may change a private part, so the dependency ends before the next."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    stated = [Requirement(one) for one in project["optional-dependencies"]["gateway"]]
    wanted = next(one.specifier for one in stated if one.name == "uvicorn")
    major, minor, *_ = (int(number) for number in version("uvicorn").split("."))
    assert wanted.contains(version("uvicorn"))
    assert not wanted.contains(f"{major}.{minor + 1}.0")
    locked = (ROOT / "requirements/runtime.in").read_text().splitlines()
    assert next(Requirement(one) for one in locked if one.startswith("uvicorn")).specifier == wanted


# --- that the table is whole: what the gateway's modules use of uvicorn's objects

CYCLE, FLOW, STATE = "RequestResponseCycle", "FlowControl", "ServerState"
RECEIVERS: Mapping[str, Mapping[str, str]] = {
    "server/uvicorn_protocol.py": {"known": CYCLE, "open_cycle": CYCLE, "cycle": CYCLE},
    "server/protocol.py": {"cycle": CYCLE},
    "server/asgi_connection.py": {"cycle": CYCLE, "one": CYCLE},
    "workers/processes.py": {"self._process": "Process"},
    "workers/run.py": {"server": "Server"},
}
"""The modules, and what else is an object of uvicorn's there."""

EVERYWHERE = {
    "self.cycle": CYCLE,
    "self.flow": FLOW,
    "cycle.flow": FLOW,
    "self.server_state": STATE,
}
BASES = {
    "HttpToolsProtocol": "HttpToolsProtocol",
    "LimitedProtocol": "HttpToolsProtocol",
    "uvicorn.Server": "Server",
    "Process": "Process",
}
PUBLIC = {("uvicorn", "Config"), ("uvicorn", "Server"), ("Server", "run"), ("Server", "config")}


def used_in(path: Path, receivers: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Whose attributes and imports of uvicorn a module names."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uvicorn"):
            yield from ((str(node.module), one.name) for one in node.names)
        elif isinstance(node, ast.ClassDef):
            for base in node.bases:
                if owner := BASES.get(ast.unparse(base)):
                    yield from used_by(node, owner)
        elif isinstance(node, ast.Attribute):
            receiver = ast.unparse(node.value)
            if owner := receivers.get(receiver) or EVERYWHERE.get(receiver):
                yield owner, node.attr


def used_by(derived: ast.ClassDef, owner: str) -> Iterator[tuple[str, str]]:
    """What a class derived from uvicorn's overrides, and uses of itself."""
    for node in ast.walk(derived):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield owner, node.name
        elif isinstance(node, ast.Attribute) and ast.unparse(node.value) in ("self", "super()"):
            yield owner, node.attr


@pytest.mark.anyio
async def test_the_table_names_exactly_what_the_gateway_uses() -> None:
    found = await owners()
    used: set[tuple[str, str]] = set()
    for name, receivers in RECEIVERS.items():
        for owner, attribute in used_in(GATEWAY / name, receivers):
            is_there = owner.startswith("uvicorn") or hasattr(found[owner], attribute)
            if is_there and not attribute.startswith("__") and (owner, attribute) not in PUBLIC:
                used.add((owner, attribute))
    told = {(part.owner, part.name) for part in PARTS}
    assert len(told) == len(PARTS)
    assert used == told


def test_every_other_module_of_the_gateway_uses_the_documented_interface_alone() -> None:
    named = {
        str(path.relative_to(GATEWAY))
        for path in GATEWAY.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("uvicorn.")
    }
    assert named <= set(RECEIVERS)


def test_uvicorn_asks_of_a_cycle_only_what_the_fast_one_has() -> None:
    """What uvicorn's connection does with `self.cycle` in methods that are not overridden."""
    tree = ast.parse(inspect.getsource(httptools_impl))
    asked = {
        (function.name, node.attr)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef)
        for node in ast.walk(function)
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("self.cycle", "existing_cycle")
    }
    # Bodies are only read for a cycle of uvicorn's; `shutdown` is overridden.
    theirs = {name for function, name in asked if function not in ("on_body", "shutdown")}
    assert theirs == {"disconnected", "message_event", "more_body", "response_complete"}
    for name in theirs:
        assert hasattr(FastCycle, name)


# --- what they do


@pytest.mark.anyio
async def test_a_scope_holds_the_list_that_headers_are_added_to() -> None:
    protocol, _ = connected()
    protocol.on_message_begin()
    assert protocol.headers == []
    assert dict(protocol.scope)["headers"] is protocol.headers


@pytest.mark.anyio
async def test_a_head_makes_a_cycle_whose_task_has_not_begun() -> None:
    protocol, wire = connected()
    protocol.data_received(HEAD)
    cycle = protocol.cycle
    assert (cycle.response_started, cycle.response_complete, cycle.more_body) == (
        False,
        False,
        True,
    )
    assert cycle.on_response == protocol.on_response_complete
    assert cycle.flow is protocol.flow
    assert len(protocol.tasks) == 1
    # Replaced before the task begins, `send` and the transport are what the application gets.
    other = Wire()
    cycle.transport = other
    sent: list[str] = []
    before = cycle.send

    async def send(message: Any) -> None:
        sent.append(message["type"])
        await before(message)

    cycle.send = send  # type: ignore[method-assign] # as `LimitedProtocol` does
    protocol.data_received(b"body")
    assert not cycle.more_body
    await turns()
    assert sent == ["http.response.start", "http.response.body"]
    assert not wire.written
    assert bytes(other.written).startswith(httptools_impl.STATUS_LINE[200] + b"date: today\r\n")
    assert protocol.server_state.total_requests == 1
    assert protocol.timeout_keep_alive_task is not None
    protocol._unset_keepalive_if_required()
    assert protocol.timeout_keep_alive_task is None


@pytest.mark.anyio
async def test_requests_that_wait_are_newest_at_the_left() -> None:
    protocol, _ = connected()
    protocol.data_received(HEAD)
    first = protocol.cycle
    for _ in range(2):
        protocol.data_received(b"body" + HEAD)
    second, third = protocol.pipeline[1][0], protocol.pipeline[0][0]
    assert third is protocol.cycle
    assert len({id(one) for one in (first, second, third)}) == 3
    assert protocol.flow.read_paused
    assert len(protocol.tasks) == 1
    _, app = protocol.pipeline.pop()
    protocol._start_asgi_task(second, app)
    assert len(protocol.tasks) == 2
    protocol.connection_lost(None)
    await turns()


@pytest.mark.anyio
async def test_a_lost_connection_tells_its_newest_request_alone() -> None:
    protocol, _ = connected()
    assert protocol in protocol.connections
    protocol.data_received(HEAD)
    first = protocol.cycle
    protocol.data_received(b"body" + HEAD)
    newest = protocol.cycle
    protocol.connection_lost(None)
    assert (first.disconnected, newest.disconnected) == (False, True)
    assert newest.message_event.is_set()
    assert protocol.connections == set()
    assert (await newest.receive())["type"] == "http.disconnect"
    await turns()


class _Ending:
    """A connection that counts how often it is told of the end."""

    told = 0

    def shutdown(self) -> None:
        self.told += 1


@pytest.mark.anyio
async def test_the_server_makes_a_new_list_of_headers_each_second() -> None:
    server = Server(config())
    await server.on_tick(0)
    first = server.server_state.default_headers
    await server.on_tick(1)
    assert server.server_state.default_headers is first
    await server.on_tick(10)
    assert server.server_state.default_headers is not first


@pytest.mark.anyio
async def test_after_a_signal_the_server_tells_its_connections_of_the_end() -> None:
    server = Server(config())
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup([])
    assert server.started
    ending: Any = _Ending()
    server.server_state.connections.add(ending)
    server.handle_exit(15, None)
    assert server.should_exit
    server.force_exit = True  # it waits for no connection
    await server.shutdown([])
    assert ending.told == 1


class _Worker(Process):
    """As the gateway's: `target` is what the new process runs."""

    @override
    def target(self, sockets: Any = None) -> None:
        self.child_conn.send((type(self.config).__name__, sockets))


def test_a_worker_runs_its_target_with_a_pipe_to_the_parent() -> None:
    worker = _Worker(uvicorn.Config("a:b"), [])
    assert (worker.pid, worker.exitcode) == (None, None)
    worker.start()
    assert worker.pid is not None
    assert worker.parent_conn.poll(60)
    assert worker.parent_conn.recv() == ("Config", [])
    worker.join()
    assert worker.exitcode == 0
    worker.terminate()  # it has ended: nothing is sent
