"""The supervisor with a stand-in for the child: a few lines of Python that load nothing."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from puna.embedded.child import POLL_S
from puna.embedded.supervisor import (
    ChildAddress,
    ServerSettings,
    Supervisor,
    SupervisorPool,
    child_command,
)
from puna.errors import NotFoundError, ServiceUnavailableError

_GOOD = """
import json, sys
got = json.loads(sys.stdin.readline())
assert got["n_ctx"] == 4 * 2048 and got["parent_pid"] and len(got["api_key"]) > 20
print(json.dumps({"base_url": "http://127.0.0.1:9"}), flush=True)
sys.stdin.read()
"""


def fake(program: str) -> tuple[str, ...]:
    return (sys.executable, "-c", program)


@pytest.fixture
def supervisor() -> Iterator[Supervisor]:
    made = Supervisor(command=fake(_GOOD), check=lambda: None)
    yield made
    made.stop()


def test_nothing_runs_before_it_is_needed(supervisor: Supervisor) -> None:
    assert supervisor.pid is None
    assert supervisor.pid is None
    assert supervisor.has_died(0.0)


def test_a_child_is_started_once_and_stopped(supervisor: Supervisor) -> None:
    address = supervisor.ensure_running()
    assert address.base_url == "http://127.0.0.1:9"
    assert supervisor.ensure_running() is address
    assert not supervisor.has_died(0.0)
    supervisor.stop()
    assert supervisor.pid is None
    supervisor.stop()


def test_twenty_threads_get_one_child(supervisor: Supervisor) -> None:
    barrier = threading.Barrier(20)

    def start() -> ChildAddress:
        barrier.wait()
        return supervisor.ensure_running()

    with ThreadPoolExecutor(20) as threads:
        addresses = {f.result() for f in [threads.submit(start) for _ in range(20)]}
    assert len(addresses) == 1


def test_a_killed_child_is_replaced(supervisor: Supervisor) -> None:
    first = supervisor.ensure_running()
    pid = supervisor.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert supervisor.has_died(5.0)
    second = supervisor.ensure_running()
    assert supervisor.pid != pid
    assert second.api_key != first.api_key


def test_the_key_is_not_shown(supervisor: Supervisor) -> None:
    address = supervisor.ensure_running()
    assert address.api_key.reveal() not in repr(address)


def test_a_child_that_ends_at_its_start_is_reported_with_its_last_words() -> None:
    program = "import sys; sys.stderr.write('no such /home/me/x.gguf tensor\\n'); sys.exit(3)"
    supervisor = Supervisor(command=fake(program), check=lambda: None)
    with pytest.raises(ServiceUnavailableError, match="ended before it could answer") as caught:
        supervisor.ensure_running()
    assert "tensor" in str(caught.value)
    assert "/home" not in str(caught.value)
    assert not caught.value.is_retryable
    assert supervisor.pid is None


def test_a_child_that_reads_nothing_and_says_nonsense_has_failed() -> None:
    for program in ("import os; os.close(0); print('x', flush=True)", "print('{}')", "print('3')"):
        with pytest.raises(ServiceUnavailableError, match="ended before"):
            Supervisor(command=fake(program), check=lambda: None).ensure_running()


def test_a_child_that_takes_too_long_is_ended() -> None:
    supervisor = Supervisor(
        command=fake("import time; time.sleep(60)"), check=lambda: None, start_timeout_s=0.3
    )
    with pytest.raises(ServiceUnavailableError, match=r"not ready within 0\.3 s"):
        supervisor.ensure_running()
    assert supervisor.pid is None


def test_threads_that_wait_for_a_failing_start_share_its_error() -> None:
    told: list[str] = []
    supervisor = Supervisor(
        command=fake("import time; time.sleep(0.5)"), check=lambda: None, progress=told.append
    )
    barrier = threading.Barrier(8)

    def start() -> str:
        barrier.wait()
        with pytest.raises(ServiceUnavailableError) as caught:
            supervisor.ensure_running()
        return str(caught.value)

    with ThreadPoolExecutor(8) as threads:
        errors = {f.result() for f in [threads.submit(start) for _ in range(8)]}
    assert len(errors) == 1
    assert told == ["loading smollm2-135m…"]


def test_a_child_that_ignores_the_end_is_killed() -> None:
    program = _GOOD.replace("import json, sys", "import json, signal, sys, time").replace(
        "got =", "signal.signal(signal.SIGTERM, signal.SIG_IGN); got ="
    )
    supervisor = Supervisor(command=fake(program + "time.sleep(60)"), check=lambda: None)
    supervisor.ensure_running()
    supervisor.stop()
    assert supervisor.pid is None


def test_progress_is_told() -> None:
    told: list[str] = []
    supervisor = Supervisor(command=fake(_GOOD), check=lambda: None, progress=told.append)
    supervisor.ensure_running()
    supervisor.stop()
    assert told[0] == "loading smollm2-135m…"
    assert told[1].startswith("ready in ")


def test_a_server_that_cannot_run_here_starts_nothing() -> None:
    def check() -> None:
        message = "no AVX2"
        raise ServiceUnavailableError(message)

    told: list[str] = []
    with pytest.raises(ServiceUnavailableError, match="no AVX2"):
        Supervisor(command=fake(_GOOD), check=check, progress=told.append).ensure_running()
    assert told == []


def test_an_unknown_model_starts_nothing() -> None:
    with pytest.raises(NotFoundError):
        Supervisor("llama-9", command=fake(_GOOD), check=lambda: None).ensure_running()


def test_no_key_of_ours_reaches_the_child(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLAMA_API_KEY", "canary")
    program = "import os; assert 'LLAMA_API_KEY' not in os.environ\n"
    program += "assert os.environ['OMP_WAIT_POLICY'] == 'passive'\n" + _GOOD
    supervisor = Supervisor(command=fake(program), check=lambda: None)
    supervisor.ensure_running()
    supervisor.stop()


def test_a_forked_process_starts_its_own_child_and_leaves_ours_alone() -> None:
    program = """
import os, sys
from puna.embedded.supervisor import Supervisor
supervisor = Supervisor(command=(sys.executable, "-c", sys.argv[1]), check=lambda: None)
supervisor.ensure_running()
ours = supervisor.pid
pid = os.fork()
if pid == 0:
    assert supervisor.pid is None
    supervisor.ensure_running()
    is_own = supervisor.pid not in (ours, None)
    supervisor.stop()
    os._exit(0 if is_own else 1)
_, status = os.waitpid(pid, 0)
assert supervisor.pid == ours
supervisor.stop()
sys.exit(os.waitstatus_to_exitcode(status))
"""
    import subprocess

    result = subprocess.run(
        [sys.executable, "-c", program, _GOOD], capture_output=True, check=False, timeout=30
    )
    assert result.returncode == 0, result.stderr.decode()


def test_the_pool_has_one_supervisor_a_model() -> None:
    pool = SupervisorPool(lambda model: Supervisor(model, command=fake(_GOOD), check=lambda: None))
    supervisor = pool.get("smollm2-135m")
    assert pool.get("smollm2-135m") is supervisor
    assert pool.get("other") is not supervisor
    supervisor.ensure_running()
    pool.stop_all()
    assert supervisor.pid is None


def test_the_defaults_leave_half_the_cores_to_others() -> None:
    settings = ServerSettings()
    assert settings.threads == max(1, (os.cpu_count() or 2) // 2)
    assert child_command()[0] == sys.executable
    assert POLL_S < 1
