"""`docs/reference/admin-api.md`: the admin API's endpoints and fields, from its tables."""

from __future__ import annotations

from collections.abc import Sequence

from puna.gateway.admin.fields import NOT_BUILT, Field
from puna.gateway.endpoints.admin_table import ADMIN_ENDPOINTS, BODIES
from puna.gateway.endpoints.rows import Endpoint


def admin_page() -> str:
    """Each endpoint with its fields; fields that stand in several are told each time."""
    lines = [
        "# The admin API",
        "",
        "LiteLLM's, for a gateway with a [database](../guides/database.md); what it is for:",
        "[virtual keys](../guides/virtual-keys.md). Fields that are not known are refused, with",
        "the nearest name. In an update null gives a field's default back.",
        "",
        "| method | path | what it does |",
        "|---|---|---|",
        *(f"| {one.method} | `{one.path}` | {one.summary} |" for one in ADMIN_ENDPOINTS),
        "",
    ]
    for one in ADMIN_ENDPOINTS:
        lines += [f"## {one.method} {one.path}", "", *_fields_of(one), ""]
    lines += [
        "## Not built yet",
        "",
        "These fields of LiteLLM are refused, unless they are empty: "
        + ", ".join(f"`{name}`" for name in sorted(NOT_BUILT))
        + ".",
    ]
    return "\n".join(lines)


def _fields_of(one: Endpoint) -> list[str]:
    if one.body is None:
        names = ", ".join(f"`{parameter['name']}`" for parameter in one.parameters)
        return [f"Query: {names}." if names else "No parameters."]
    return ["| field | what it must be | what it says |", "|---|---|---|", *_rows(one)]


def _rows(one: Endpoint) -> Sequence[str]:
    shape = one.body
    if shape is None:
        return []
    return [_row(field, is_needed=field.name in shape.required) for field in BODIES[shape.schema]]


def _row(one: Field, *, is_needed: bool) -> str:
    about = f"{one.about}; stored, without an effect yet" if one.is_waiting else one.about
    return f"| `{one.name}`{' (needed)' if is_needed else ''} | {one.kind.words} | {about} |"
