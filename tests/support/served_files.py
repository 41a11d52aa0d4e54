"""Configuration files that are loaded to be served."""

from __future__ import annotations

from pathlib import Path

from puna.gateway.deployments.directory import Directory
from puna.gateway.workers.settings import ServeOptions, load_directory

LIST = "model_list: [{model_name: a, litellm_params: {model: groq/a, api_key: k}}]\n"


def load(file: Path, text: str, *, allow_unset: bool = False, **environ: str) -> Directory:
    file.write_text(text)
    return load_directory(ServeOptions(config=str(file)), environ, allow_unset=allow_unset)


def listed(*params: str) -> str:
    """A file with a model `m0`, `m1`, … for each of these `litellm_params`."""
    entries = (
        f"  - model_name: m{index}\n    litellm_params: {{{text}}}\n"
        for index, text in enumerate(params)
    )
    return "model_list:\n" + "".join(entries)
