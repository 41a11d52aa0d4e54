"""`puna models`."""

from __future__ import annotations

import json
from typing import Any

import click


@click.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, one object for each model.")
def models(*, as_json: bool) -> None:
    """List the models that the catalogue knows, with limits and what they can do.

    ENDS is the day on which the host ends a model for everybody, where that is known. Any other
    model of a known provider works as well; the catalogue only knows less of it.
    """
    from puna.catalog.facts import list_models
    from puna.catalog.retirements import find_retirement
    from puna.providers.table import PROVIDERS

    rows: list[dict[str, Any]] = []
    for name in PROVIDERS:
        for facts in list_models(name):
            end = find_retirement(name, facts.model)
            rows.append(
                {
                    "model": f"{name}/{facts.model}",
                    "max_input_tokens": facts.max_input_tokens,
                    "max_output_tokens": facts.max_output_tokens,
                    "input": list(facts.input_modalities),
                    "features": sorted(facts.features),
                    "ends_on": end.ends_on if end is not None else None,
                }
            )
    if as_json:
        click.echo("\n".join(json.dumps(row) for row in [*rows, *_gone(rows)]))
        return
    width = max(len(row["model"]) for row in rows)
    click.echo(f"{'MODEL':<{width}}  {'INPUT':>8}  {'OUTPUT':>7}  {'ENDS':<10}  READS")
    for row in rows:
        click.echo(
            f"{row['model']:<{width}}  {row['max_input_tokens'] or '?':>8}  "
            f"{row['max_output_tokens'] or '?':>7}  {row['ends_on'] or '':<10}  "
            f"{', '.join(row['input'])}"
        )
    click.echo("\nOther models that a host ends:")
    for row in _gone(rows):
        click.echo(f"{row['model']:<{width}}  {row['ends_on']}  {row['source']}, {row['as_of']}")


def _gone(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The ends of models that the catalogue has no other facts of; `*` stands for any text."""
    from puna.catalog.retirements import list_retirements
    from puna.providers.table import PROVIDERS

    listed = {row["model"] for row in rows}
    return [
        {
            "model": f"{name}/{end.pattern}",
            "ends_on": end.ends_on,
            "source": end.source,
            "as_of": end.as_of,
        }
        for name in PROVIDERS
        for end in list_retirements(name)
        if f"{name}/{end.pattern}" not in listed and end.pattern != "*"
    ]
