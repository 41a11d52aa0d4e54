"""nginx `proxy_pass`, one process, keep-alive to the upstream: the gateway's control."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.processes import MEASURED_CORE, free_port, running
from benchmarks.target import Target, wait_for_answer

NOT_INSTALLED = (
    "the same load sent to the upstream itself, which does none of a gateway's work "
    "(nginx would be the control, and is not installed)"
)
_CONFIG = """
daemon off; master_process off; worker_processes 1; pid {folder}/pid; error_log stderr crit;
events {{ worker_connections 4096; }}
http {{
  access_log {folder}/access.log combined buffer=8k flush=1s;
  client_body_buffer_size 1m; tcp_nodelay on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi; uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  keepalive_requests 10000000;
  upstream measured {{
    server 127.0.0.1:{upstream}; keepalive 256; keepalive_requests 10000000;
  }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location / {{
      proxy_pass {scheme}://measured; proxy_http_version 1.1; proxy_set_header Connection "";
      proxy_buffering off; {tls}
    }}
  }}
}}
"""
_TLS = (
    "proxy_ssl_verify on; proxy_ssl_trusted_certificate {certificate}; "
    "proxy_ssl_name localhost; proxy_ssl_server_name on; proxy_ssl_protocols TLSv1.3;"
)


def is_installed() -> bool:
    """Whether nginx is there."""
    return shutil.which("nginx") is not None


@contextmanager
def nginx(upstream_port: int, certificate: Path | None = None) -> Generator[Target]:
    """Run nginx before the upstream; over TLS where it must hold this certificate."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "nginx.conf")
        text = _CONFIG.format(
            folder=folder,
            upstream=upstream_port,
            port=port,
            scheme="https" if certificate else "http",
            tls=_TLS.format(certificate=certificate) if certificate else "",
        )
        config.write_text(text)
        command = ["nginx", "-p", folder, "-c", str(config), "-e", "stderr"]
        with running(command, MEASURED_CORE) as (process, _):
            target = Target("nginx", process.pid, port)
            wait_for_answer(process, target, limit_s=10)
            yield target
