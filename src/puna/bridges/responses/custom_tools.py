"""Free-form (`custom`) tools over chat, which has functions only.

The tool becomes a function with one text parameter, `input`; its call is converted back.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, cast

from puna.wire.json_size import check_nested_json

_FIELD = "input"
_PARAMETERS: Mapping[str, Any] = {
    "type": "object",
    "properties": {_FIELD: {"type": "string", "description": "The whole input of the tool."}},
    "required": [_FIELD],
    "additionalProperties": False,
}


def custom_function(tool: Mapping[str, Any]) -> dict[str, Any]:
    """Convert a checked custom tool to a function. A grammar goes into the description."""
    parts = [tool.get("description") or ""]
    form = tool.get("format") or {}
    if form.get("type") == "grammar":
        parts.append(
            f"`{_FIELD}` must follow this {form.get('syntax', '')} grammar:\n"
            f"{form.get('definition', '')}"
        )
    description = "\n\n".join(part for part in parts if part)
    return {
        "name": tool["name"],
        **({"description": description} if description else {}),
        "parameters": dict(_PARAMETERS),
    }


def custom_arguments(text: str) -> str:
    """Wrap the input of a custom call as a function's JSON arguments."""
    return json.dumps({_FIELD: text}, ensure_ascii=False)


def custom_input(arguments: str) -> str:
    """Unwrap a function's JSON arguments to the input of a custom call.

    Where the model did not write the expected object, the text is returned as it is.
    """
    try:
        check_nested_json(arguments)
        given: Any = json.loads(arguments)
    except (ValueError, RecursionError):
        return arguments
    value = cast("dict[str, Any]", given).get(_FIELD) if isinstance(given, dict) else None
    return value if isinstance(value, str) else arguments
