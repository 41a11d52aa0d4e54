"""Released coding agents from npm, each as a user runs it for one task without a terminal.

They are installed in `tests/agents` from its lock. Their programs come in packages for one kind of
machine, and are started directly: the wrappers around them would need a script of the install.
opencode's wrapper names packages that a registry may not have, on which `npm ci` ends: the lock
names its program for Linux on x64 alone.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PACKAGES = Path(__file__).parents[1] / "agents" / "node_modules"
_LIMIT_S = 240

KEY = "sk-agents"
MODEL = "a-model"

Call = tuple[str, dict[str, object]]
"""A tool's name and its arguments."""


@dataclass(frozen=True, slots=True)
class Done:
    """How a task ended."""

    status: int
    output: str


@dataclass(frozen=True, slots=True)
class CodingAgent:
    """One agent.

    Attributes:
        program: where its program lies below the packages; `*` stands for the kind of machine.
        set_up: writes its settings into the folder of a task, for a gateway's address, and gives
            the arguments that run a prompt and the variables of its environment.
        write, view: the calls of its tools that write a file and look at a picture.
    """

    name: str
    program: str
    set_up: Callable[[Path, str], tuple[list[str], Mapping[str, str]]]
    write: Callable[[Path, str], Call]
    view: Callable[[Path], Call]

    def run(self, prompt: str, folder: Path, url: str) -> Done:
        """Let it work on a prompt in `folder/work`; its settings are in `folder/home`."""
        for name in ("home", "work"):
            (folder / name).mkdir(exist_ok=True)
        arguments, variables = self.set_up(folder, url)
        (program,) = _PACKAGES.glob(self.program)
        environment = {"HOME": str(folder / "home"), "PATH": os.environ["PATH"], **variables}
        done = subprocess.run(
            [str(program), *arguments, prompt],
            cwd=folder / "work",
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_LIMIT_S,
            check=False,
        )
        return Done(done.returncode, done.stdout + done.stderr)


def _claude_code(_: Path, url: str) -> tuple[list[str], Mapping[str, str]]:
    return ["--permission-mode", "acceptEdits", "--output-format", "json", "--print"], {
        "ANTHROPIC_BASE_URL": url,
        "ANTHROPIC_AUTH_TOKEN": KEY,
        "ANTHROPIC_MODEL": MODEL,
        "ANTHROPIC_DEFAULT_HAIKU_MODEL": MODEL,
        "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
    }


def _codex(folder: Path, url: str) -> tuple[list[str], Mapping[str, str]]:
    provider = {"name": "Puna", "base_url": f"{url}/v1", "env_key": "KEY", "wire_api": "responses"}
    lines = [f'model = "{MODEL}"', 'model_provider = "puna"', "[model_providers.puna]"]
    lines += [f"{name} = {json.dumps(value)}" for name, value in provider.items()]
    (folder / "home" / "config.toml").write_text("\n".join(lines))
    options = ["--skip-git-repo-check", "--dangerously-bypass-approvals-and-sandbox"]
    return ["exec", *options], {"CODEX_HOME": str(folder / "home"), "KEY": KEY}


def _opencode(folder: Path, url: str) -> tuple[list[str], Mapping[str, str]]:
    model = {
        "name": MODEL,
        "limit": {"context": 100_000, "output": 8_000},
        "attachment": True,
        "modalities": {"input": ["text", "image"], "output": ["text"]},
    }
    provider = {
        "npm": "@ai-sdk/openai-compatible",
        "name": "Puna",
        "options": {"baseURL": f"{url}/v1", "apiKey": KEY},
        "models": {MODEL: model},
    }
    settings = {"provider": {"puna": provider}, "permission": {"*": "allow"}, "share": "disabled"}
    (folder / "work" / "opencode.json").write_text(json.dumps(settings))
    return ["run", "--format", "json", "--model", f"puna/{MODEL}"], {
        "OPENCODE_DISABLE_MODELS_FETCH": "1",
        "OPENCODE_DISABLE_AUTOUPDATE": "1",
        "OPENCODE_DISABLE_LSP_DOWNLOAD": "1",
    }


CLAUDE_CODE = CodingAgent(
    name="claude-code",
    program="@anthropic-ai/claude-code-*/claude",
    set_up=_claude_code,
    write=lambda path, text: ("Write", {"file_path": str(path), "content": text}),
    view=lambda path: ("Read", {"file_path": str(path)}),
)
CODEX = CodingAgent(
    name="codex",
    program="@openai/codex-*/vendor/*/bin/codex",
    set_up=_codex,
    write=lambda path, text: ("exec_command", {"cmd": f"cat > {path} <<'END'\n{text}END\n"}),
    view=lambda path: ("view_image", {"path": str(path)}),
)
OPENCODE = CodingAgent(
    name="opencode",
    program="opencode-linux-x64/bin/opencode",
    set_up=_opencode,
    write=lambda path, text: ("write", {"filePath": str(path), "content": text}),
    view=lambda path: ("read", {"filePath": str(path)}),
)
AGENTS = (CLAUDE_CODE, CODEX, OPENCODE)
