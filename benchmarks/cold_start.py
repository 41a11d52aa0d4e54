"""Fresh interpreters: what an import costs, and what it may not load."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from statistics import median

from benchmarks.processes import OTHER_CORE, environment, pinned
from benchmarks.report import Measurement, Row, Section, Settings

PUNA_GOAL_MS = 60
LITELLM_GOAL_MS = 250

HEAVY = frozenset(
    (
        *("httpx", "httpx2", "httpcore", "httpcore2", "http.client", "aiohttp", "requests"),
        *("urllib3", "h11", "h2", "httptools", "openai"),
        *("uvicorn", "starlette", "fastapi", "granian", "hypercorn", "uvloop", "http.server"),
        *("sqlite3", "aiosqlite", "asyncpg", "psycopg", "psycopg2", "sqlalchemy", "redis"),
    )
)
"""HTTP clients, servers and database drivers."""

_ANSWERED = """import puna
puna.completion("openai/m", [{"role": "user", "content": "hi"}], mock_response="hi", api_key="k")
"""
_PROGRAMS = {
    "bare": "pass",
    "puna": "import puna",
    "litellm": "import litellm",
    "first answer": _ANSWERED,
    "openai": "import openai; openai.OpenAI(api_key='k').chat.completions",
}


def _run(settings: Settings) -> Section:
    times_ms: dict[str, list[float]] = {name: [] for name in _PROGRAMS}
    rounds = settings.pick(20, 5)
    with tempfile.TemporaryDirectory() as folder, pinned(OTHER_CORE):
        for number in range(rounds + 1):
            for name, program in _PROGRAMS.items():
                spent_ms = _start_ms(program, folder)
                if number:  # the first start of each fills the caches
                    times_ms[name].append(spent_ms)
        loaded = {name: _loaded(f"import {name}", folder) for name in ("puna", "litellm")}
    medians = {name: median(values) for name, values in times_ms.items()}
    bare = medians["bare"]

    def row(what: str, name: str, goal: float | None = None) -> Row:
        return Row(f"{what}, ms", medians[name], bare, goal, decimals=1)

    openai = medians["openai"]
    return Section(
        title="Cold start",
        control="the bare interpreter (`python -c pass`); in the last row `import openai` and its "
        "client, above the bare interpreter too",
        how=f"Wall time of a fresh interpreter, median of {rounds}, taken in turns, files in the "
        "page cache.",
        rows=(
            row("whole start with `import puna`", "puna", PUNA_GOAL_MS),
            row("whole start with `import litellm` (drop-in)", "litellm", LITELLM_GOAL_MS),
            Row("`import puna` above the bare interpreter, ms", medians["puna"] - bare, decimals=1),
            Row("`import litellm` above the bare one, ms", medians["litellm"] - bare, decimals=1),
            Row(
                "import and first answer (mocked) above the bare one, ms",
                medians["first answer"] - bare,
                openai - bare,
                decimals=1,
            ),
        ),
        notes=[
            f"`python -X importtime -c 'import {name}'`: {len(modules)} modules above the bare "
            f"interpreter's; HTTP clients, servers and database drivers: "
            f"{', '.join(_heavy(modules)) or 'none'}"
            for name, modules in loaded.items()
        ],
        failures=[
            f"`import {name}` loads {', '.join(_heavy(modules))}"
            for name, modules in loaded.items()
            if _heavy(modules)
        ],
    )


def _start_ms(program: str, folder: str) -> float:
    began_at = time.perf_counter()
    subprocess.run([sys.executable, "-c", program], cwd=folder, env=environment(), check=True)
    return (time.perf_counter() - began_at) * 1000


def _loaded(program: str, folder: str) -> set[str]:
    """The modules that a program loads above those of the bare interpreter."""
    return _imports(program, folder) - _imports("pass", folder)


def _imports(program: str, folder: str) -> set[str]:
    command = [sys.executable, "-X", "importtime", "-c", program]
    done = subprocess.run(
        command, cwd=folder, env=environment(), check=True, capture_output=True, text=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")]
    return {line.rpartition("|")[2].strip() for line in lines[1:]}


def _heavy(modules: set[str]) -> list[str]:
    return sorted(
        module for module in modules if module in HEAVY or module.partition(".")[0] in HEAVY
    )


MEASUREMENT = Measurement("cold_start", _run)
