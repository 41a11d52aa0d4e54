"""What load is sent to: the upstream itself, nginx before it, and Puna's gateway before it."""

from __future__ import annotations

import json
import secrets
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.processes import MEASURED_CORE, free_port, running, upstream, wait_for_answer
from benchmarks.upstream import model_name

STREAM_CHUNKS = 64
MODELS = [model_name(STREAM_CHUNKS, pause_ms) for pause_ms in (0, 10, 20)]

_NGINX = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 2048; }}
http {{
  access_log off; client_body_buffer_size 1m; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 10000000;
  upstream measured {{
    server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 10000000;
  }}
  server {{
    listen 127.0.0.1:{port};
    location / {{
      proxy_pass http://measured; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off;
    }}
  }}
}}
"""


@dataclass(frozen=True, slots=True)
class Target:
    """A server under load; `first_answer_s` is from its start to its first good chat answer."""

    name: str
    pid: int
    port: int
    key: str = ""
    first_answer_s: float = 0.0


@contextmanager
def all_targets() -> Generator[tuple[Target, Target | None, Target]]:
    """The upstream, nginx where it is installed, and Puna, all running."""
    with ExitStack() as stack:
        pid, port = stack.enter_context(upstream())
        direct = Target("direct", pid, port)
        nginx = stack.enter_context(_nginx(port)) if shutil.which("nginx") else None
        yield direct, nginx, stack.enter_context(puna(port))


@contextmanager
def puna(upstream_port: int | None) -> Generator[Target]:
    """`puna serve` with one worker: a config with the upstream's models, or the embedded model.

    With a config there is a master key, as in real use.
    """
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        command = [str(Path(sys.executable).with_name("puna")), "serve", "--port", str(port)]
        key, model = "", "embedded/smollm2-135m"
        if upstream_port is not None:
            key, model = f"sk-{secrets.token_hex(24)}", MODELS[0]
            config = Path(folder, "config.yaml")
            config.write_text(_config(upstream_port, key))
            command += ["--config", str(config), "--host", "127.0.0.1"]
        began_at = time.monotonic()
        with running(command, MEASURED_CORE) as (process, _):
            wait_for_answer(process, port, _question(model), key)
            spent_s = time.monotonic() - began_at
            yield Target("puna", process.pid, port, key, spent_s)


@contextmanager
def _nginx(upstream_port: int) -> Generator[Target]:
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        config.write_text(_NGINX.format(folder=folder, upstream=upstream_port, port=port))
        command = ["nginx", "-p", folder, "-c", str(config), "-e", "stderr"]
        with running(command, MEASURED_CORE) as (process, _):
            _wait(process, port)
            yield Target("nginx", process.pid, port)


def _wait(process: subprocess.Popen[str], port: int) -> None:
    wait_for_answer(process, port, _question(MODELS[0]), limit_s=10)


def _config(upstream_port: int, key: str) -> str:
    models = [
        {
            "model_name": name,
            "litellm_params": {
                "model": f"openai/{name}",
                "api_base": f"http://127.0.0.1:{upstream_port}/v1",
                "api_key": "k",
            },
        }
        for name in MODELS
    ]
    # JSON is YAML.
    return json.dumps({"model_list": models, "general_settings": {"master_key": key}}, indent=1)


def _question(model: str) -> bytes:
    messages = [{"role": "user", "content": "Say hi."}]
    return json.dumps({"model": model, "messages": messages, "max_tokens": 1}).encode()
