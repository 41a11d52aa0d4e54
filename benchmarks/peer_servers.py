"""Other gateways: how each is started before the upstream, and asked. Installed by hand, elsewhere.

Each has a folder of its own in the folder of peers: a Python environment, or one of npm.
"""

from __future__ import annotations

import json
import secrets
import tempfile
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.asks import CHAT
from benchmarks.processes import MEASURED_CORE, free_port, running
from benchmarks.target import MODELS, Target, wait_for_answer

_LITELLM_CONFIG = """
model_list:
- model_name: {model}
  litellm_params: {{model: openai/{model}, api_base: "http://127.0.0.1:{upstream}/v1", api_key: k}}
general_settings: {{master_key: os.environ/LITELLM_MASTER_KEY}}
litellm_settings: {{telemetry: false, disable_hf_tokenizer_download: true}}
"""
_TENSORZERO_CONFIG = """
[gateway]
observability.enabled = false
[models.{model}]
routing = ["upstream"]
[models.{model}.providers.upstream]
type = "openai"
model_name = "{model}"
api_base = "http://127.0.0.1:{upstream}/v1"
api_key_location = "env::UPSTREAM_KEY"
"""
# The wheel holds the gateway, and serves it on a port of its own choice.
_TENSORZERO = """
import signal, sys
from tensorzero.tensorzero import _start_http_gateway as start
gateway = start(config_file=sys.argv[1], clickhouse_url=None, postgres_url=None, valkey_url=None,
                async_setup=False)
print(gateway.base_url.split(":")[2].split("/")[0], flush=True)
signal.pause()
"""


@dataclass(frozen=True, slots=True)
class Peer:
    """One gateway. Texts may hold `{home}`, `{folder}`, `{port}`, `{upstream}`, `{key}`, `{model}`.

    Attributes:
        home: its folder in the folder of peers.
        program: the file in it that is there when it is installed.
        release: its distribution in a Python environment, or its `package.json`.
        files: what is written beside the run, by name.
        tells_port: it chooses its port, and prints it.
        floor: the least that Puna should do, as a multiple of its requests a second per core.
        remark: what a reader must know of the comparison.
    """

    name: str
    home: str
    program: str
    release: str
    command: tuple[str, ...]
    files: Mapping[str, str] = field(default_factory=dict[str, str])
    variables: Mapping[str, str] = field(default_factory=dict[str, str])
    headers: Mapping[str, str] = field(default_factory=dict[str, str])
    path: str = CHAT
    model_form: str = "{}"
    tells_port: bool = False
    floor: float | None = None
    remark: str = ""

    def is_installed(self, peers: Path) -> bool:
        """Whether its program is there."""
        return (peers / self.home / self.program).exists()

    def version(self, peers: Path) -> str:
        """Its release, as installed."""
        home = peers / self.home
        if self.release.endswith(".json"):
            return str(json.loads((home / self.release).read_text())["version"])
        found = sorted(home.glob(f"lib/python*/site-packages/{self.release}-[0-9]*.dist-info"))
        return found[0].stem.partition("-")[2] if found else "unknown"


PEERS: tuple[Peer, ...] = (
    Peer(
        name="LiteLLM",
        home="litellm",
        program="bin/litellm",
        release="litellm",
        command=(
            *("{home}/bin/litellm", "--config", "{folder}/litellm.yaml"),
            *("--host", "127.0.0.1", "--port", "{port}", "--num_workers", "1"),
        ),
        files={"litellm.yaml": _LITELLM_CONFIG},
        variables={
            "LITELLM_MASTER_KEY": "{key}",
            "LITELLM_LOCAL_MODEL_COST_MAP": "True",  # else it fetches one at its start
            "LITELLM_LOG": "ERROR",
            "NO_DOCS": "True",
        },
        headers={"authorization": "Bearer {key}"},
        floor=100,
        remark="checks its master key",
    ),
    Peer(
        name="Portkey",
        # The newest @hono/node-server breaks its streams; this environment pins an older one.
        home="portkey-pin",
        program="node_modules/@portkey-ai/gateway/build/start-server.js",
        release="node_modules/@portkey-ai/gateway/package.json",
        command=(
            *("node", "{home}/node_modules/@portkey-ai/gateway/build/start-server.js"),
            *("--headless", "--port={port}"),
        ),
        variables={"TRUSTED_CUSTOM_HOSTS": "127.0.0.1,localhost", "NODE_ENV": "production"},
        headers={
            "authorization": "Bearer k",
            "x-portkey-provider": "openai",
            "x-portkey-custom-host": "http://127.0.0.1:{upstream}/v1",
        },
        floor=10,
        remark="checks no key of its callers",
    ),
    Peer(
        name="TensorZero",
        home="tensorzero",
        program="bin/python",
        release="tensorzero",
        command=("{home}/bin/python", "-c", _TENSORZERO, "{folder}/tensorzero.toml"),
        files={"tensorzero.toml": _TENSORZERO_CONFIG},
        variables={"UPSTREAM_KEY": "k", "RUST_LOG": "error"},
        path="/openai/v1/chat/completions",
        model_form="tensorzero::model_name::{}",
        tells_port=True,
        floor=2,
        remark="checks no key as set up here",
    ),
    Peer(
        name="SGLang's model gateway",
        home="smg",
        program="bin/smg",
        release="smg",
        command=(
            *("{home}/bin/smg", "launch", "--host", "127.0.0.1", "--port", "{port}"),
            *("--worker-urls", "http://127.0.0.1:{upstream}", "--policy", "round_robin"),
            *("--log-level", "error", "--disable-load-monitoring"),
        ),
        remark="checks no key as set up here",
    ),
)


@contextmanager
def peer_running(
    peer: Peer, peers: Path, upstream_port: int, model: str = MODELS[0]
) -> Generator[Target]:
    """A peer that serves this model on the measured core, up and answering.

    Raises:
        RuntimeError: it did not start, or gave no good answer.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = {
            "home": str(peers / peer.home),
            "folder": name,
            "port": str(free_port()),
            "upstream": str(upstream_port),
            "key": f"sk-{secrets.token_hex(24)}",
            "model": model,
        }
        for file, text in peer.files.items():
            (folder / file).write_text(text.format(**values))
        with running(
            [word.format(**values) for word in peer.command],
            MEASURED_CORE,
            reads_line=peer.tells_port,
            variables=filled(peer.variables, values),
            folder=folder,
        ) as (process, line):
            target = Target(
                peer.name,
                process.pid,
                int(line if peer.tells_port else values["port"]),
                path=peer.path,
                headers=filled(peer.headers, values),
                model_form=peer.model_form,
            )
            wait_for_answer(process, target, model)
            yield target


def filled(texts: Mapping[str, str], values: Mapping[str, str]) -> dict[str, str]:
    """Texts with their placeholders filled in."""
    return {name: text.format(**values) for name, text in texts.items()}
