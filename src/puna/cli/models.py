"""`puna models`."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object for each model.")
def models(*, as_json: bool) -> None:
    """List the models that the catalogue knows, with limits and what they can do.

    Any other model of a known provider works as well; the catalogue only knows less of it.
    """
    from puna.catalog.facts import list_models
    from puna.providers.table import PROVIDERS

    rows: list[dict[str, Any]] = [
        {
            "model": f"{name}/{facts.model}",
            "max_input_tokens": facts.max_input_tokens,
            "max_output_tokens": facts.max_output_tokens,
            "input": list(facts.input_modalities),
            "features": sorted(facts.features),
        }
        for name in PROVIDERS
        for facts in list_models(name)
    ]
    if as_json:
        click.echo("\n".join(json.dumps(row) for row in rows))
        return
    width = max(len(row["model"]) for row in rows)
    click.echo(f"{'MODEL':<{width}}  {'INPUT':>8}  {'OUTPUT':>6}  READS")
    for row in rows:
        click.echo(
            f"{row['model']:<{width}}  {row['max_input_tokens'] or '?':>8}  "
            f"{row['max_output_tokens'] or '?':>6}  {', '.join(row['input'])}"
        )
