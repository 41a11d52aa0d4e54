"""A gateway under a memory limit: what does not fit is refused, the next request is answered."""

from __future__ import annotations

import http.client
import json
import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.support.server import Served
from tests.support.upstream import Reply, Upstream, completion_body

from puna.gateway.requests.free_memory import SMALL_BODY, FreeMemory

MB = 2**20
SIZE = 12_000_000
HI = [{"role": "user", "content": "hi"}]
CHAT_PATH = "/v1/chat/completions"
SMALL = json.dumps({"model": "m", "messages": HI}).encode()


def asked(**fields: object) -> bytes:
    return json.dumps({"model": "m", **fields}).encode()


LONG = "x" * SIZE
BODIES = {
    "a long text": (CHAT_PATH, asked(messages=[{"role": "user", "content": LONG}])),
    "a long text, the long way": (
        CHAT_PATH,
        asked(messages=[{"role": "user", "content": LONG}], num_retries=0),
    ),
    "many messages": (
        CHAT_PATH,
        asked(messages=[{"role": "user", "content": "x" * 90}] * (SIZE // 130)),
    ),
    "broken JSON": (CHAT_PATH, b'{"model":"m","x":"' + b"\\" * SIZE),
    "the Messages API": ("/v1/messages", asked(messages=HI, system=LONG, max_tokens=9)),
    "the Responses API": ("/v1/responses", asked(input=LONG)),
    "a text completion": ("/v1/completions", asked(prompt=LONG)),
    "texts to embed": ("/v1/embeddings", asked(input=["x" * 1_000] * (SIZE // 1_000))),
}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A gateway that may take 48 MB more than it has after its first request."""
    path = tmp_path_factory.mktemp("memory") / "config.yaml"
    with Upstream() as host:
        host.plays_always(Reply.json(completion_body()))
        path.write_text(
            "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/m\n"
            f"      api_base: {host.url}\n      api_key: k\n"
        )
        with Served("--config", str(path)) as gateway:
            assert ask(gateway, CHAT_PATH, SMALL) == 200
            limit = virtual_bytes(gateway.process.pid) + 48 * MB
            resource.prlimit(gateway.process.pid, resource.RLIMIT_AS, (limit, limit))
            yield gateway


def virtual_bytes(pid: int) -> int:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
    return pages * resource.getpagesize()


def ask(gateway: Served, path: str, body: bytes, *, is_chunked: bool = False) -> int:
    connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
    kind = {"content-type": "application/json"}
    try:
        if is_chunked:
            pieces = (body[at : at + 65_536] for at in range(0, len(body), 65_536))
            connection.request("POST", path, pieces, kind, encode_chunked=True)
        else:
            connection.request("POST", path, body, kind)
        answer = connection.getresponse()
        answer.read()
        return answer.status
    finally:
        connection.close()


@pytest.mark.parametrize("is_chunked", [False, True], ids=["told length", "chunked"])
@pytest.mark.parametrize("name", BODIES)
def test_a_body_that_does_not_fit_is_refused_and_small_ones_are_answered(
    name: str, served: Served, *, is_chunked: bool
) -> None:
    path, body = BODIES[name]
    assert ask(served, path, body, is_chunked=is_chunked) in (413, 503)
    assert ask(served, CHAT_PATH, SMALL) == 200
    assert ask(served, "/v1/messages", asked(messages=HI, max_tokens=9)) == 200


def test_many_at_once_are_each_answered_in_time(served: Served) -> None:
    """The first ones may fit, alone; together they do not."""
    body = asked(messages=[{"role": "user", "content": "x" * 90}] * 8_000, num_retries=0)
    with ThreadPoolExecutor(8) as clients:
        asking = [
            clients.submit(ask, served, CHAT_PATH, body, is_chunked=number % 2 == 0)
            for number in range(16)
        ]
        statuses = {one.result() for one in asking}
    assert statuses <= {200, 413, 503}
    assert ask(served, CHAT_PATH, SMALL) == 200


@pytest.mark.parametrize("store", [False, True], ids=["memory", "file"])
def test_a_gateway_without_room_for_a_thread_stops_with_status_0(
    tmp_path: Path, *, store: bool
) -> None:
    """It has long steps behind it (tokens counted), and a store that was not used yet."""
    path = tmp_path / "config.yaml"
    path.write_text(
        "model_list:\n  - model_name: m\n    litellm_params:\n      model: openai/m\n"
        "      api_base: http://127.0.0.1:9\n      api_key: k\n"
        + (f"general_settings:\n  response_store: {tmp_path / 'store.db'}\n" if store else "")
    )
    with Served("--config", str(path)) as gateway:
        assert ask(gateway, "/v1/messages/count_tokens", asked(messages=HI)) == 200
        limit = virtual_bytes(gateway.process.pid) + 4 * MB
        resource.prlimit(gateway.process.pid, resource.RLIMIT_AS, (limit, limit))
        assert gateway.stop() == 0, gateway.log
    assert "Traceback" not in gateway.log


def tree(root: Path, files: dict[str, str]) -> FreeMemory:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return FreeMemory(root)


V2 = "sys/fs/cgroup"
V1 = "sys/fs/cgroup/memory"


def test_what_a_control_group_leaves(tmp_path: Path) -> None:
    free = tree(
        tmp_path,
        {
            "proc/self/cgroup": "0::/pod/box\n",
            f"{V2}/pod/box/memory.max": "max\n",
            f"{V2}/pod/box/memory.current": str(90 * MB),
            f"{V2}/pod/memory.max": str(100 * MB),
            f"{V2}/pod/memory.current": str(95 * MB),
            f"{V2}/pod/memory.stat": f"anon 1\ninactive_file {35 * MB}\n",
        },
    )
    assert free.left() == 40 * MB
    assert free.fits(3 * MB // 2)
    assert not free.fits(3 * MB // 2 + 1)


def test_bodies_that_are_being_read_are_counted_until_they_are(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "0::/\n",
        f"{V2}/memory.max": str(80 * MB),
        f"{V2}/memory.current": "0",
        f"{V2}/memory.stat": "",
    }
    free = tree(tmp_path, files)
    with free.hold() as first, free.hold() as second:
        assert first(MB)
        assert first(2 * MB)  # the same body, of which more has come
        assert second(2 * MB)
        assert not second(2 * MB + 1)
        assert first(4 * MB)  # what was refused is not held
        assert not second(SMALL_BODY + 1)
        assert second(SMALL_BODY)
        assert not free.fits(SMALL_BODY + 1)
    assert free.fits(4 * MB)


def test_what_a_control_group_of_version_1_leaves(tmp_path: Path) -> None:
    files = {
        "proc/self/cgroup": "9:name=systemd:/\n4:cpu,memory:/docker/abc\n",
        f"{V1}/memory.limit_in_bytes": str(64 * MB),
        f"{V1}/memory.usage_in_bytes": str(60 * MB),
        f"{V1}/memory.stat": f"inactive_file 1\ntotal_inactive_file {2 * MB}\n",
    }
    free = tree(tmp_path, files)
    assert free.left() == 6 * MB
    assert free.fits(SMALL_BODY)
    assert not free.fits(SMALL_BODY + 1)
    (tmp_path / V1 / "memory.limit_in_bytes").write_text("9223372036854771712")
    assert free.left() is None


@pytest.mark.parametrize(
    "files",
    [
        {},
        {"proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "max", f"{V2}/memory.current": "5"},
        {"proc/self/cgroup": "0::/\n", f"{V2}/memory.max": "100"},
        {"proc/self/cgroup": "0::/../../elsewhere\n"},
    ],
)
def test_without_a_limit_each_body_fits(tmp_path: Path, files: dict[str, str]) -> None:
    assert tree(tmp_path, files).left() is None
    assert FreeMemory(tmp_path).fits(10**12)
