"""SIGHUP has a running gateway serve with the file as it stands then; no client notices."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.support.asgi import CHAT, CONFIG
from tests.support.reloads import RELOADED, reload_often
from tests.support.server import Served, becomes, is_alive
from tests.support.upstream import Upstream

pytestmark = [pytest.mark.end_to_end, pytest.mark.xdist_group("gateway")]

TIMES = 30
"""`python -m benchmarks.reloads` reloads a thousand times."""


@pytest.fixture(scope="module")
def up() -> Iterator[Upstream]:
    with Upstream() as server:
        yield server


def models(served: Served) -> list[str]:
    _, _, body = served.request("GET", "/v1/models")
    return [one["id"] for one in json.loads(body)["data"]]


def hang_up(served: Served, line: str, *, times: int = 1) -> None:
    """Send SIGHUP, and wait until a line was written so many times more."""
    before = served.log.count(line)
    served.process.send_signal(signal.SIGHUP)
    assert becomes(lambda: served.log.count(line) == before + times, within_s=30), served.log


@pytest.mark.parametrize("workers", [1, 2])
def test_reloads_under_load_fail_no_request_and_leave_no_file_open(
    up: Upstream, tmp_path: Path, workers: int
) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config)
    options = ("--config", str(file), "--num_workers", str(workers))
    with Served(*options, LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        processes = served.children
        outcome = reload_often(served, file, config, workers=workers, times=TIMES)
        assert outcome.failures == []
        assert outcome.answers > TIMES
        # What is kept for later requests: a connection to the host for each client.
        assert all(more < TIMES - 10 for more in outcome.files), outcome
        assert f"extra-{TIMES - 1}" in models(served)
        assert served.children == processes, "no worker was replaced"
        assert "Traceback" not in served.log


@pytest.mark.parametrize("workers", [1, 2])
def test_a_wrong_file_changes_nothing_and_the_log_says_why(
    up: Upstream, tmp_path: Path, workers: int
) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config)
    (tmp_path / "exits.py").write_text("raise SystemExit(3)\n")
    (tmp_path / "breaks.py").write_text("raise KeyboardInterrupt\n")
    options = ("--config", str(file), "--num_workers", str(workers))
    with Served(*options, LLAMA_API_KEY="k") as served:
        hang_up(served, RELOADED, times=workers)  # all have started
        known = models(served)
        for wrong, said in [
            ("model_list: [\n", f"{file}:2: not valid YAML"),
            (config.replace("meta_llama/", "no_such_host/"), f"{file}:3: model `no_such_host/"),
            (config + "litellm_settings: {callbacks: [gone.note]}\n", "the callback `gone.note`"),
            (
                config + "general_settings: {max_connections: no}\n",
                f"{file}:8: `general_settings.max_connections` must be",
            ),
            (config + 'environment_variables: {"A=B": x}\n', "`environment_variables.A=B` is no"),
            (config + "litellm_settings: {callbacks: [exits.note]}\n", "SystemExit: 3"),
            (config + "litellm_settings: {callbacks: [breaks.note]}\n", "KeyboardInterrupt"),
        ]:
            file.write_text(wrong)
            hang_up(served, said)
            assert models(served) == known
        file.write_text(
            config.replace(
                "model_list:",
                "model_list:\n  - model_name: later\n"
                '    litellm_params: {model: openai/x, api_key: k, api_base: "http://127.0.0.1:9"}',
                1,
            )
        )
        hang_up(served, RELOADED, times=workers)
        assert "later" in models(served)
        assert "Traceback" not in served.log


def test_hooks_variables_and_keys_of_the_file_are_read_again(up: Upstream, tmp_path: Path) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    config += "litellm_settings: {callbacks: [own.note]}\n"
    own = tmp_path / "own.py"
    told = "import os\ndef note(event): print('WORD', os.environ.get('OF_FILE'), flush=True)\n"
    own.write_text(told.replace("WORD", "one"))
    file.write_text(config + "environment_variables: {OF_FILE: first}\n")
    with Served("--config", str(file), LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert becomes(lambda: "one first\n" in served.log, within_s=10), served.log
        file.write_text(config + "environment_variables: {OF_FILE: second}\n")
        own.write_text(told.replace("WORD", "two"))  # as long as before, in the same second
        hang_up(served, RELOADED)
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert becomes(lambda: "two second\n" in served.log, within_s=10), served.log
        own.write_text("1 / 0\n")
        hang_up(served, "ZeroDivisionError")
        file.write_text(config)
        own.write_text(told.replace("WORD", "two"))
        hang_up(served, RELOADED)
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert becomes(lambda: "two None\n" in served.log, within_s=10), served.log


@pytest.mark.parametrize("host", [(), ("--host", "0.0.0.0")])  # noqa: S104 - as in a container
def test_a_master_key_that_goes_does_not_open_the_gateway_to_all(
    up: Upstream, tmp_path: Path, host: tuple[str, ...]
) -> None:
    """With a key it listens on every address; without one a fresh start would not."""
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    keyed = config + "general_settings: {master_key: sk-1}\n"
    file.write_text(keyed)
    with Served("--config", str(file), *host, LLAMA_API_KEY="k") as served:
        file.write_text(config)
        hang_up(served, "there is no master key any more")
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 401
        file.write_text(keyed.replace("sk-1", "sk-2"))
        hang_up(served, RELOADED)
        for key, status in (("sk-1", 401), ("sk-2", 200)):
            headers = {"authorization": f"Bearer {key}"}
            assert served.request("POST", "/v1/chat/completions", CHAT, headers)[0] == status


def test_a_master_key_that_goes_on_one_machine_is_told(up: Upstream, tmp_path: Path) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config + "general_settings: {master_key: sk-1}\n")
    with Served("--config", str(file), "--host", "127.0.0.1", LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 401
        file.write_text(config)
        hang_up(served, "There is no master key any more")
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200


def test_a_master_key_that_comes_holds_and_the_address_waits_for_a_restart(
    up: Upstream, tmp_path: Path
) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config)
    with Served("--config", str(file), LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        file.write_text(config + "general_settings: {master_key: sk-1}\n")
        hang_up(served, "listens on 127.0.0.1 until it is restarted")
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 401


@pytest.mark.parametrize("workers", [1, 2])
def test_without_a_file_there_is_nothing_to_reload_and_sighup_ends_the_gateway(
    up: Upstream, workers: int
) -> None:
    options = ("--model", "openai/m", "--api_base", up.url, "--num_workers", str(workers))
    with Served(*options, OPENAI_API_KEY="k") as served:
        processes = served.children
        assert served.stop(signal.SIGHUP) == 0
        assert becomes(lambda: not any(map(is_alive, processes)), within_s=10)
        assert RELOADED not in served.log


@pytest.mark.parametrize("workers", [1, 2])
def test_sighup_before_the_gateway_serves_ends_nothing_and_is_not_forgotten(
    up: Upstream, tmp_path: Path, workers: int
) -> None:
    """Several workers read the file after it: they start later."""
    file = tmp_path / "config.yaml"
    file.write_text(CONFIG.replace("UPSTREAM", up.url) + "litellm_settings: {callbacks: [h.note]}")
    (tmp_path / "h.py").write_text(
        "import multiprocessing, os, signal\n"
        "if multiprocessing.parent_process() is None: os.kill(os.getpid(), signal.SIGHUP)\n"
        "def note(event): ...\n"
    )
    options = ("--config", str(file), "--num_workers", str(workers))
    with Served(*options, LLAMA_API_KEY="k") as served:
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert becomes(lambda: workers > 1 or RELOADED in served.log, within_s=30), served.log


@pytest.mark.parametrize("workers", [1, 2])
def test_a_file_of_hooks_that_never_ends_keeps_no_gateway_from_ending(
    up: Upstream, tmp_path: Path, workers: int
) -> None:
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config)
    (tmp_path / "waits.py").write_text(
        "import threading\nprint('WAITS', flush=True)\nthreading.Event().wait()\n"
    )
    options = ("--config", str(file), "--num_workers", str(workers))
    with Served(*options, LLAMA_API_KEY="k") as served:
        file.write_text(config + "litellm_settings: {callbacks: [waits.note]}")
        hang_up(served, "WAITS")
        assert served.request("POST", "/v1/chat/completions", CHAT)[0] == 200
        assert served.stop(signal.SIGTERM) == 0


def test_a_worker_that_reads_a_file_of_hooks_that_never_ends_is_ended_while_it_starts(
    up: Upstream, tmp_path: Path
) -> None:
    """The file is changed while the gateway serves, and a lost worker's successor waits for it."""
    file, config = tmp_path / "config.yaml", CONFIG.replace("UPSTREAM", up.url)
    file.write_text(config)
    (tmp_path / "waits.py").write_text(
        "import threading\nprint('WAITS', flush=True)\nthreading.Event().wait()\n"
    )
    with Served("--config", str(file), "--num_workers", "2", LLAMA_API_KEY="k") as served:
        assert becomes(lambda: len(served.children) >= 2, within_s=30)
        file.write_text(config + "litellm_settings: {callbacks: [waits.note]}")
        os.kill(served.children[-1], signal.SIGKILL)
        assert becomes(lambda: "WAITS" in served.log, within_s=30), served.log
        assert served.stop(signal.SIGTERM) == 0
