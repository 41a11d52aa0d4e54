"""`puna serve` with a config, as a server under load."""

from __future__ import annotations

import json
import secrets
import sys
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from benchmarks.processes import MEASURED_CORE, free_port, running
from benchmarks.target import MODELS, Target, wait_for_answer

_EMBEDDED = "embedded/smollm2-135m"


@dataclass(frozen=True, slots=True)
class Setup:
    """How it is started.

    Attributes:
        config: the config file; empty for none, which serves the embedded model.
        key: what callers send.
        options: further options of `puna serve`.
        variables: further variables of its environment.
        files: texts of files beside the config, by name.
        core: where it runs; None for everywhere.
        program: what runs in the place of `puna`.
    """

    config: Mapping[str, Any] = field(default_factory=dict[str, Any])
    key: str = ""
    options: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    core: int | None = MEASURED_CORE
    program: tuple[str, ...] = (str(Path(sys.executable).with_name("puna")),)


def usual_setup(base_url: str, models: Sequence[str] = tuple(MODELS)) -> Setup:
    """One deployment for each of the upstream's models, and a master key, as in real use."""
    key = f"sk-{secrets.token_hex(24)}"
    deployments = [
        {
            "model_name": name,
            "litellm_params": {"model": f"openai/{name}", "api_base": base_url, "api_key": "k"},
        }
        for name in models
    ]
    return Setup({"model_list": deployments, "general_settings": {"master_key": key}}, key)


@contextmanager
def puna(upstream_port: int | None) -> Generator[Target]:
    """One worker with the usual config before the upstream; without one, the embedded model."""
    is_embedded = upstream_port is None
    setup = Setup() if is_embedded else usual_setup(base_url_of(upstream_port or 0))
    with serving(setup) as target:
        yield target


def base_url_of(upstream_port: int, scheme: str = "http", host: str = "127.0.0.1") -> str:
    """The upstream's address in a config."""
    return f"{scheme}://{host}:{upstream_port}/v1"


@contextmanager
def serving(setup: Setup) -> Generator[Target]:
    """Puna, up and answering."""
    port = free_port()
    command = [*setup.program, "serve", "--port", str(port)]
    model = _EMBEDDED
    with tempfile.TemporaryDirectory() as folder:
        if setup.config:
            model = setup.config["model_list"][0]["model_name"]
            config = Path(folder, "config.yaml")
            config.write_text(json.dumps(setup.config, indent=1))  # JSON is YAML
            command += ["--config", str(config), "--host", "127.0.0.1"]
        for name, text in setup.files.items():
            Path(folder, name).write_text(text)
        command += setup.options
        began_at = time.monotonic()
        with running(command, setup.core, variables=setup.variables) as (process, _):
            target = Target("puna", process.pid, port, setup.key)
            wait_for_answer(process, target, model)
            yield replace(target, first_answer_s=time.monotonic() - began_at)
