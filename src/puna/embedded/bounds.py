"""Makes JSON schemas finite, so that whatever the model writes under one comes to an end.

A small model that may write a string, a list or an object without a limit often never stops, and an
answer that is cut is no JSON. So the server gets a narrower schema: every value that fits it fits
the caller's schema as well, but for keywords that the server does not know; for those the answer is
checked against the caller's schema (`puna.embedded.checks`).

References are replaced by their schemas, a recursive one at most `MAX_REPEATS` times inside itself:
at the deepest level the branch that would recurse is left out, because a small model always takes
it.

Measured with the server's llguidance grammars: `maxLength` with `pattern`, `maxProperties` with
`patternProperties`, `multipleOf` and numeric limits are followed exactly; look-around in a
`pattern` and contradictions silently remove the whole grammar. The server's other way
(`response_format`, a GBNF grammar) hangs forever when `minLength` is above `maxLength`, so it is
not used.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, NoReturn, cast

from puna.errors import BadRequestError

MAX_STRING = 80
MAX_ITEMS = 8
MAX_FREE_PROPERTIES = 6
MOST_CHARACTERS = 2_000
MOST_ITEMS = 100
MOST_PROPERTIES = 100
"""Of the limits that a caller sets: the server gives up on a grammar with many more states."""

_LEAST = {"minLength": MOST_CHARACTERS, "minItems": MOST_ITEMS, "minProperties": MOST_PROPERTIES}

MAX_DEPTH = 60
MAX_REPEATS = 3
MAX_NODES = 5_000
MAX_INTEGER = 10**12
NUMBER_STEP = 0.0001
"""Numbers without a `multipleOf` of their own get four decimals, else a model writes zeros."""

_NO_EMOJI = "^[^\\U00010000-\\U0010FFFF]*$"
"""A small model likes to repeat them, at three tokens each."""

_FREE_KEY = "^[A-Za-z0-9_ -]{1,24}$"
_LOOK_AROUND = re.compile(r"\(\?[=!<]|\\[1-9]|\\[bB]")
_ENDLESS = re.compile(r"[*+]|,\}")

_SCHEMA_MAPS = ("properties", "patternProperties")
_SCHEMA_LISTS = ("allOf", "anyOf", "oneOf", "prefixItems")

_LEFT_OUT = frozenset((
    "$anchor", "$comment", "$defs", "$id", "$schema", "contains", "default", "definitions",
    "dependentRequired", "dependentSchemas", "deprecated", "description", "else", "example",
    "examples", "if", "maxContains", "minContains", "not", "nullable", "propertyNames",
    "readOnly", "strict", "then", "title", "unevaluatedItems", "unevaluatedProperties",
    "uniqueItems", "writeOnly",
))  # fmt: skip

_PAIRS = (
    ("minLength", "maxLength"),
    ("minItems", "maxItems"),
    ("minProperties", "maxProperties"),
    ("minimum", "maximum"),
)


def free_value() -> dict[str, Any]:
    """The schema of a small value of any type, without objects in it."""
    whole = {"type": "integer", "minimum": -MAX_INTEGER, "maximum": MAX_INTEGER}
    text = {"type": "string", "maxLength": MAX_STRING // 2, "pattern": _NO_EMOJI}
    return {
        "anyOf": [
            text,
            whole,
            {"type": "boolean"},
            {"type": "null"},
            {"type": "array", "maxItems": MAX_ITEMS, "items": {"anyOf": [text, whole]}},
        ]
    }


def bound_schema(schema: Any, *, param: str) -> dict[str, Any]:
    """Make a schema finite and free of references, for the server.

    `schema` is the caller's, and is not changed. `param` is its name in errors.

    Raises:
        BadRequestError: a reference leads out of the document or to nothing, limits contradict each
            other, no finite value fits, or the schema is too deep or too large.
    """
    made = _Bounds(schema, param).bound(schema, "", 0)
    if made is None:
        raise BadRequestError(
            f"Nothing finite fits the JSON schema of `{param}`: it requires `false`, or itself "
            "within itself.",
            param=param,
        )
    return made


class _Bounds:
    """The conversion of one schema. Paths are JSON pointers into it.

    A part that no finite value fits becomes None. What contains it does without it, or becomes None
    itself.
    """

    def __init__(self, root: Any, param: str) -> None:
        self._root = root
        self._param = param
        self._is_closing = not _combines(root, 0)
        self._entered: dict[str, int] = {}
        self._nodes = 0

    def bound(self, schema: Any, path: str, depth: int) -> dict[str, Any] | None:
        """Bound one schema; None where no finite value fits it."""
        self._nodes += 1
        if depth > MAX_DEPTH or self._nodes > MAX_NODES:
            self._refuse(path[:200], "is too deep or too large for the embedded model")
        if schema is True:
            return free_value()
        if schema is False:
            return None
        if not isinstance(schema, Mapping):
            self._refuse(path, "is no schema")
        given = cast("Mapping[str, Any]", schema)
        self._check_limits(given, path)
        if "$ref" in given:
            return self._bound_reference(given["$ref"], path, depth)
        made = {key: value for key, value in given.items() if key not in _LEFT_OUT}
        if not self._bound_children(made, path, depth):
            return None
        if "enum" in made or "const" in made:
            return made
        self._cap(made, given, path)
        return made

    def _bound_reference(self, reference: Any, path: str, depth: int) -> dict[str, Any] | None:
        """Bound the schema that a reference leads to."""
        target = self._resolve(reference, path)
        repeats = self._entered.get(reference, 0)
        if repeats == MAX_REPEATS:
            return None
        self._entered[reference] = repeats + 1
        try:
            return self.bound(target, reference[1:], depth + 1)
        finally:
            self._entered[reference] = repeats

    def _bound_children(self, made: dict[str, Any], path: str, depth: int) -> bool:
        """Bound the schemas inside a schema; False when no finite value can fit it any more."""
        return (
            self._bound_maps(made, path, depth)
            and self._bound_lists(made, path, depth)
            and self._bound_items(made, path, depth)
        )

    def _bound_maps(self, made: dict[str, Any], path: str, depth: int) -> bool:
        """Bound the keywords that hold schemas by name.

        False when a required one cannot be bounded.
        """
        for key in _SCHEMA_MAPS:
            if isinstance(made.get(key), Mapping):
                children = {
                    name: self.bound(child, f"{path}/{key}/{name}", depth + 1)
                    for name, child in made[key].items()
                }
                made[key] = {name: child for name, child in children.items() if child is not None}
                lost = children.keys() - made[key].keys()
                if key == "properties" and lost & set(made.get("required", ())):
                    return False
        others = made.get("additionalProperties")
        if isinstance(others, Mapping):
            bounded = self.bound(others, f"{path}/additionalProperties", depth + 1)
            made["additionalProperties"] = False if bounded is None else bounded
        return True

    def _bound_lists(self, made: dict[str, Any], path: str, depth: int) -> bool:
        """Bound the keywords that hold lists of schemas; False when nothing can fit any more."""
        if isinstance(made.get("items"), list):
            made["prefixItems"] = made.pop("items")
        for key in _SCHEMA_LISTS:
            if isinstance(made.get(key), list):
                children = [
                    self.bound(child, f"{path}/{key}/{i}", depth + 1)
                    for i, child in enumerate(made[key])
                ]
                left = [child for child in children if child is not None]
                if not left or (len(left) < len(children) and key in ("allOf", "prefixItems")):
                    return not children
                made[key] = left
        if "oneOf" in made and "anyOf" not in made:
            made["anyOf"] = made.pop("oneOf")
        return True

    def _bound_items(self, made: dict[str, Any], path: str, depth: int) -> bool:
        """Bound the schema of a list's items; False when the list needs items and none can fit."""
        if made.get("items") is False or isinstance(made.get("items"), Mapping):
            bounded = self.bound(made["items"], f"{path}/items", depth + 1)
            made["items"] = False if bounded is None else bounded
            if bounded is None:
                return len(made.get("prefixItems", ())) >= int(made.get("minItems", 0))
        return True

    def _check_sizes(self, made: dict[str, Any], path: str) -> None:
        """Convert size limits to ints, and refuse those that the context could never hold.

        The server builds what a lower limit demands in memory, so a huge one would crash it.
        """
        for name, most in _LEAST.items():
            least = made[name] = _whole(made.get(name, 0))
            if least > most:
                self._refuse(path, f"asks for `{name}` of more than {most}, which cannot be met")
            if not least:
                del made[name]
        for name in ("maxLength", "maxItems", "maxProperties"):
            if name in made:
                made[name] = _whole(made[name])

    def _cap(self, made: dict[str, Any], given: Mapping[str, Any], path: str) -> None:
        """Add limits to a schema by its type."""
        if "type" not in made:
            if "properties" in made or "patternProperties" in made or "required" in made:
                made["type"] = "object"
            elif "items" in made or "prefixItems" in made:
                made["type"] = "array"
            elif not any(key in made for key in _SCHEMA_LISTS):
                if not made:
                    made.update(free_value())
                return
        kinds = made.get("type", [])
        kinds = [kinds] if isinstance(kinds, str) else kinds
        self._check_sizes(made, path)
        if "string" in kinds:
            _cap_string(made)
        if "array" in kinds:
            _cap_array(made)
        if "integer" in kinds or "number" in kinds:
            _cap_number(made, is_integer="number" not in kinds)
        if "object" in kinds:
            self._cap_object(made, given)

    def _cap_object(self, made: dict[str, Any], given: Mapping[str, Any]) -> None:
        """Close an object's schema and limit its members."""
        required = [name for name in made.get("required", ()) if isinstance(name, str)]
        named = dict(made.get("properties", {}))
        others = made.get("additionalProperties")
        if "properties" not in made and "patternProperties" not in made:
            names = given.get("propertyNames")
            key = names.get("pattern") if isinstance(names, Mapping) else None
            value = others if isinstance(others, Mapping) else free_value()
            if others is not False and not required:
                made["patternProperties"] = {key or _FREE_KEY: value}
        for name in required:
            if name not in named:
                named[name] = others if isinstance(others, Mapping) else free_value()
        if named or "properties" in made or not self._is_closing:
            made["properties"] = named
        if "patternProperties" in made:
            limit = max(MAX_FREE_PROPERTIES, len(named), made.get("minProperties", 0))
            made["maxProperties"] = min(made.get("maxProperties", limit), limit)
        if self._is_closing or "patternProperties" in made:
            made["additionalProperties"] = False

    def _resolve(self, reference: Any, path: str) -> Any:
        """The schema that a reference leads to."""
        if not isinstance(reference, str) or not (reference == "#" or reference[:2] == "#/"):
            self._refuse(
                f"{path}/$ref",
                f"points out of the document (`{str(reference)[:80]}`); only `#/…` is followed",
            )
        here = self._root
        for part in reference.split("/")[1:]:
            name = part.replace("~1", "/").replace("~0", "~")
            if isinstance(here, Mapping) and name in here:
                here = cast("Mapping[str, Any]", here)[name]
            elif isinstance(here, list) and name.isdigit() and int(name) < len(here):
                here = cast("list[Any]", here)[int(name)]
            else:
                self._refuse(f"{path}/$ref", f"points to nothing (`{reference[:80]}`)")
        return here

    def _check_limits(self, given: Mapping[str, Any], path: str) -> None:
        """Refuse limits that contradict each other."""
        for low, high in _PAIRS:
            least, most = given.get(low), given.get(high)
            if isinstance(least, int | float) and isinstance(most, int | float) and least > most:
                self._refuse(path, f"has `{low}` above `{high}`, which nothing fits")
        if given.get("enum") == []:
            self._refuse(path, "has an empty `enum`, which nothing fits")

    def _refuse(self, path: str, problem: str) -> NoReturn:
        """Raise the error for a place in the schema."""
        raise BadRequestError(
            f"The JSON schema of `{self._param}` {problem} (at `#{path}`).",
            param=self._param,
        )


def _whole(number: Any) -> int:
    """An int from a JSON Schema integer, which may be written `3.0`."""
    return int(number)


def _cap_string(made: dict[str, Any]) -> None:
    """Limit the length of a string."""
    pattern = made.get("pattern")
    if isinstance(pattern, str) and _LOOK_AROUND.search(pattern):
        del made["pattern"]
        pattern = None
    is_endless = pattern is None or _ENDLESS.search(pattern) is not None
    least = made.get("minLength", 0)
    if "maxLength" in made:
        made["maxLength"] = max(least, min(made["maxLength"], MOST_CHARACTERS))
    elif is_endless:
        made["maxLength"] = max(MAX_STRING, least)
    if pattern is None and "format" not in made:
        made["pattern"] = _NO_EMOJI


def _cap_array(made: dict[str, Any]) -> None:
    """Limit the length of a list."""
    first = made.get("prefixItems", [])
    if made.get("items") in (None, True):
        made["items"] = free_value()
    if made["items"] is False:
        made["maxItems"] = min(made.get("maxItems", len(first)), len(first))
    elif "maxItems" not in made:
        made["maxItems"] = max(MAX_ITEMS, len(first), made.get("minItems", 0))
    else:
        most = min(made["maxItems"], MOST_ITEMS)
        made["maxItems"] = max(most, made.get("minItems", 0))


def _cap_number(made: dict[str, Any], *, is_integer: bool) -> None:
    """Limit a number's range, and its digits where the range is wide."""
    low = made.get("minimum", made.get("exclusiveMinimum"))
    high = made.get("maximum", made.get("exclusiveMaximum"))
    if low is None:
        made["minimum"] = -MAX_INTEGER if high is None else min(-MAX_INTEGER, high - MAX_INTEGER)
    if high is None:
        made["maximum"] = MAX_INTEGER if low is None else max(MAX_INTEGER, low + MAX_INTEGER)
    is_wide = low is None or high is None or high - low >= 10 * NUMBER_STEP
    if not is_integer and is_wide:
        made.setdefault("multipleOf", NUMBER_STEP)


def _combines(schema: Any, depth: int) -> bool:
    """Whether a schema combines others (`allOf` and such): closing each would exclude the rest."""
    if depth > MAX_DEPTH:
        return False
    if isinstance(schema, list):
        return any(_combines(child, depth + 1) for child in cast("list[Any]", schema))
    if not isinstance(schema, Mapping):
        return False
    fields = cast("Mapping[str, Any]", schema)
    is_combined = "allOf" in fields and len(fields.keys() - _LEFT_OUT) > 1
    several = fields.get("allOf")
    return (
        is_combined
        or (isinstance(several, list) and len(cast("list[Any]", several)) > 1)
        or ("$ref" in fields and "properties" in fields)
        or any(key in fields and "properties" in fields for key in ("anyOf", "oneOf"))
        or any(_combines(child, depth + 1) for child in fields.values())
    )


__all__ = [
    "MAX_FREE_PROPERTIES",
    "MAX_ITEMS",
    "MAX_STRING",
    "bound_schema",
    "free_value",
]
