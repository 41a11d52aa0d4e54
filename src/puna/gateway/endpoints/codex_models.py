"""`GET /v1/models` as Codex reads it: its catalogue of models.

Codex asks with `?client_version=`. It reads the whole list as one value: an entry with a missing or
odd field rejects all of them, and Codex then assumes a window that the model may not have. Sources:
`codex-rs/protocol/src/openai_models.rs` of openai/codex (`ModelInfo`), and Codex 0.171.0 as
released, read 2026-11-30.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs

from puna.catalog.facts import find_model
from puna.errors import APIError
from puna.gateway.deployments.deployment import id_of
from puna.gateway.deployments.directory import Directory
from puna.routing.deployment import Deployment

_DESCRIPTIONS: Mapping[str, str] = {
    "low": "Answers fast, thinks little",
    "medium": "Thinks as much as most tasks need",
    "high": "Thinks long, for hard tasks",
}
_EFFORT = "medium"
_INSTRUCTIONS = "base_instructions"
"""In a deployment's `model_info`: the system prompt that Codex uses for it."""

_PROMPT = """\
You are a coding agent in the Codex CLI. You work in the user's repository, in a terminal, through \
the tools you are given. Be precise, safe and helpful.

# How you work

- Keep going until the user's request is completely done before you end your turn. Find out what \
you do not know with the tools: do not guess, and do not make up files, names or results.
- Read before you change. Look for files with `rg --files` and for text with `rg`; where `rg` is \
missing, use `find` and `grep`.
- Files named AGENTS.md hold instructions for the folder they are in and all below it. Follow them \
for every file that you touch; the deepest one wins, and what the user says wins over all.
- Fix causes, not symptoms. Keep changes small, in the style of the code around them, and leave \
alone what the task does not ask for. Do not commit, make branches or add licence headers unless \
you are asked to.
- When you are done, check your work: run the tests or commands that show it, the narrow ones \
first. Say so honestly if something fails or was not run.

# Tools

- Change files with `apply_patch`, where you have that tool. Its input is one patch:

*** Begin Patch
*** Update File: path/to/file.py
@@ def example():
-    old line
+    new line
*** Add File: path/to/new.py
+its first line
*** Delete File: path/to/old.py
*** End Patch

  Paths are relative. Lines of context begin with a space. After a patch that went well, the file \
need not be read again.
- Run commands with the shell tool you are given, with the working folder as a parameter rather \
than `cd`. The sandbox may refuse commands that write outside the workspace or use the network; \
then ask for approval with the tool's own parameters, with one sentence of reason, if that is \
allowed.
- Use `update_plan`, where you have it, for tasks of several steps: short steps, one of them in \
progress, each marked when it is done. Leave it out for simple tasks.
- Never use destructive commands such as `git reset --hard` or `rm -rf` unless the user asked for \
them. There may be changes in the repository that are not yours: leave them as they are.

# What you say

- Before a group of tool calls, say in one short sentence what you are about to do.
- End with a short summary: what you changed and where, how you checked it, what is left. Name \
files as `path/to/file.py:12`. Do not show whole files; the user has them.
- Write plainly, in the user's language. Use short lists and `code` for commands, paths and names.
"""
"""What Codex tells a model where the operator gives no `base_instructions`. Codex takes the prompt
of the catalogue in place of its own, and refuses a catalogue without one."""


def asks_catalog(query: str) -> bool:
    """Whether a query of `GET /models` is from Codex. No other client sends its version there."""
    return bool(parse_qs(query).get("client_version"))


def codex_catalog(directory: Directory, allows: Callable[[str], bool]) -> dict[str, Any]:
    """The body of `GET /models` for Codex, in its own format, in the order of the usual list.

    Only models that the caller may use, as `allows` says, are in it.
    """
    told = {id_of(one): one.model_info for one in directory.config.deployments}
    entries = [
        _catalog_entry(name, one, place, told.get(one.deployment_id, {}))
        for place, (name, one) in enumerate(_served_models(directory, allows))
    ]
    return {"models": entries}


def _served_models(
    directory: Directory, allows: Callable[[str], bool]
) -> list[tuple[str, Deployment]]:
    """Each listed model name with its first deployment, without names that cannot be served."""
    found: list[tuple[str, Deployment]] = []
    for name in filter(allows, directory.names()):
        try:
            found.append((name, directory.plan(name).group[0]))
        except APIError:
            continue
    return found


def _catalog_entry(
    name: str, one: Deployment, place: int, info: Mapping[str, Any]
) -> dict[str, Any]:
    """One model, with every field that Codex requires. `info` is the operator's `model_info`."""
    target = one.target
    prompt = info.get(_INSTRUCTIONS)
    facts = find_model(target.provider, target.model)
    thinks = facts is not None and facts.supports("reasoning")
    efforts = list(_DESCRIPTIONS) if thinks and target.quirks.accepts("reasoning_effort") else []
    modalities = target.input_modalities
    sees = modalities is None or "image" in modalities
    return {
        "slug": name,
        "display_name": name,
        "description": f"{target.model} at {target.provider}",
        "default_reasoning_level": _EFFORT if efforts else None,
        "supported_reasoning_levels": [
            {"effort": effort, "description": _DESCRIPTIONS[effort]} for effort in efforts
        ],
        "shell_type": "default",
        "visibility": "list",
        "supported_in_api": True,
        "priority": place,
        "additional_speed_tiers": [],
        "service_tiers": [],
        "availability_nux": None,
        "upgrade": None,
        "base_instructions": prompt if isinstance(prompt, str) and prompt.strip() else _PROMPT,
        "model_messages": None,
        "supports_reasoning_summaries": False,
        "default_reasoning_summary": "none",
        "support_verbosity": False,
        "default_verbosity": None,
        "apply_patch_tool_type": "freeform",
        "web_search_tool_type": "text",
        "truncation_policy": {"mode": "tokens", "limit": 10_000},
        "supports_parallel_tool_calls": target.quirks.accepts("parallel_tool_calls"),
        "supports_image_detail_original": False,
        "context_window": target.context_tokens,
        "max_context_window": target.context_tokens,
        "auto_compact_token_limit": None,
        "effective_context_window_percent": 95,
        "experimental_supported_tools": [],
        "input_modalities": ["text", "image"] if sees else ["text"],
        "supports_search_tool": False,
        "use_responses_lite": False,
    }
