"""Record the public names of a released LiteLLM: run with an environment that has it.

    .venv-litellm/bin/python compat/litellm/record_names.py

Writes `src/litellm/released_names.txt`, from which `litellm.released` answers imports of names that
the drop-in has no code for. A line is a module: its dotted name, a tab, and a JSON object with

* `functions`, `classes`, `exceptions`: names; classes and exceptions with the base's address;
* `models`, `dicts`, `enums`: the fields of pydantic models and typed dicts, the members of enums;
* `values`: plain settings and constants, with their value;
* `aliases`: types such as unions; `objects`: everything else;
* `from`: names that the module has from another one, by the address of that module.

Only names and plain values are recorded, no code.
"""

from __future__ import annotations

import contextlib
import enum
import importlib
import inspect
import io
import json
import os
import sys
import types
import typing
import warnings
from collections import defaultdict
from pathlib import Path
from typing import Any

import typing_extensions

OUT = Path(__file__).parent / "src" / "litellm" / "released_names.txt"
LONGEST_VALUE = 1500
PROXY_MODULES = ("litellm.proxy", "litellm.proxy._types", "litellm.proxy.proxy_server")
REEXPORTING = ("litellm", "litellm.types.", "litellm.proxy.proxy_server")
"""Modules whose names from elsewhere are recorded, beside `litellm.utils` and its neighbours."""
LISTS = ("functions", "aliases", "objects", "tables")
VALUED = ("litellm", "litellm.constants", "litellm.types.", "litellm.caching")
"""Modules whose plain values are recorded; others have most of theirs from these."""
PRIVATE = ("litellm", "litellm.main", "litellm.utils", "litellm.litellm_core_utils.")
"""Modules of which importers also take names that begin with an underscore."""
PLAIN = (str, int, float, bool, type(None))


def main() -> None:
    """Import everything, write the file, print what could not be imported."""
    warnings.simplefilter("ignore")
    os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"
    import pydantic

    import litellm

    root = Path(litellm.__file__).parent
    lines: list[str] = []
    for name in sorted(_module_names(root)):
        try:
            with (
                contextlib.redirect_stdout(io.StringIO()),
                contextlib.redirect_stderr(io.StringIO()),
            ):
                module = importlib.import_module(name)
        except BaseException as error:  # noqa: BLE001 - an import of theirs may fail in any way
            print(f"{name}: {error!r}"[:120], file=sys.stderr)
            lines.append(f"{name}\t{{}}")
            continue
        names = _names_of(module, pydantic.BaseModel)
        lines.append(f"{name}\t{json.dumps(names, separators=(',', ':'), sort_keys=True)}")
    OUT.write_text("\n".join(lines) + "\n")


def _module_names(root: Path) -> set[str]:
    """The modules that are recorded, and the folders above them, which may have no `__init__`."""
    names: set[str] = set(PROXY_MODULES)
    for path in root.rglob("*.py"):
        parts = path.relative_to(root.parent).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
        if not name.startswith("litellm.proxy."):
            names.add(name)
    return names | {".".join(n.split(".")[:k]) for n in names for k in range(1, n.count(".") + 1)}


def _names_of(module: types.ModuleType, model_base: type) -> dict[str, Any]:
    """The names of a module by kind."""
    kinds: dict[str, dict[str, Any]] = defaultdict(dict)
    home = module.__name__
    listed = {*dir(module), *(_lazy_names() if home == "litellm" else ())}
    for name in sorted(listed):
        if name.startswith("__") or (name.startswith("_") and not _is_in(home, PRIVATE)):
            continue
        value = getattr(module, name, None)
        origin = getattr(value, "__module__", None)
        if origin == home and (inspect.isclass(value) or inspect.isroutine(value)):
            _note(name, value, kinds, model_base)
        else:
            _note_other(home, name, value, kinds)
    named: dict[str, Any] = {
        kind: list(entries) if kind in LISTS else entries for kind, entries in kinds.items()
    }
    return named


def _note_other(home: str, name: str, value: Any, kinds: dict[str, dict[str, Any]]) -> None:
    """Note a name that is no function or class of the module itself."""
    origin = str(getattr(value, "__module__", ""))
    if isinstance(value, types.ModuleType):
        if value.__name__.startswith("litellm.") and value.__name__ != f"{home}.{name}":
            kinds["modules"][name] = value.__name__
    elif inspect.isclass(value) or inspect.isroutine(value) or _is_alias(value):
        if _is_in(home, REEXPORTING) or home.count(".") == 1:
            _note_import(name, value, origin, kinds)
    elif (plain := _plain(value)) is not None and not name.endswith("_models"):
        if _is_in(home, VALUED):
            kinds["values"][name] = plain["value"]
    elif isinstance(value, set | list | dict) and home == "litellm":
        kinds["tables"][name] = None
    elif origin.startswith("litellm") or home == "litellm":
        kinds["objects"][name] = None


def _note_import(name: str, value: Any, origin: str, kinds: dict[str, dict[str, Any]]) -> None:
    """Note a name that the module has from elsewhere."""
    if _is_alias(value):
        kinds["aliases"][name] = None
    elif origin.partition(".")[0] in {"litellm", "openai"}:
        known = getattr(value, "__name__", name)
        entry = name if known == name else f"{name}={known}"
        kinds["from"].setdefault(origin, []).append(entry)


def _is_in(home: str, places: tuple[str, ...]) -> bool:
    return home in places or any(home.startswith(p) for p in places if p.endswith("."))


def _lazy_names() -> set[str]:
    registry = vars(importlib.import_module("litellm._lazy_imports_registry"))
    return {
        name
        for key, names in registry.items()
        if key.endswith("_NAMES") and isinstance(names, tuple)
        for name in names
    }


def _note(name: str, value: Any, kinds: dict[str, dict[str, Any]], model_base: type) -> None:
    """Note a function or class of the module."""
    if not inspect.isclass(value):
        kinds["functions"][name] = None
    elif typing_extensions.is_typeddict(value):
        kinds["dicts"][name] = sorted(inspect.get_annotations(value))
    elif issubclass(value, enum.Enum):
        members = {key: member.value for key, member in value.__members__.items()}
        if all(isinstance(member, PLAIN) for member in members.values()):
            kinds["enums"][name] = {"text": issubclass(value, str), "members": members}
        else:
            kinds["classes"][name] = ""
    elif issubclass(value, model_base):
        kinds["models"][name] = {"base": _base_of(value), "fields": _fields_of(value)}
    elif issubclass(value, BaseException):
        kinds["exceptions"][name] = _base_of(value)
    else:
        kinds["classes"][name] = _base_of(value)


def _fields_of(model: Any) -> dict[str, Any]:
    """A model's own fields with their defaults; None for a default that is not plain."""
    above = getattr(model.__mro__[1], "model_fields", {}) if _base_of(model) else {}
    fields: dict[str, Any] = {}
    for key, field in model.model_fields.items():
        if key in above and key not in inspect.get_annotations(model):
            continue
        default = field.default_factory() if _makes_plain(field) else field.default
        plain = _plain(default)
        if field.is_required() and "__init__" not in vars(model):  # else its constructor decides
            fields[key] = {"$": "required"}
        else:
            fields[key] = plain["value"] if plain is not None else None
    return fields


def _makes_plain(field: Any) -> bool:
    return field.default_factory in {list, dict, set}


def _base_of(value: type) -> str:
    """The address of the first base that is LiteLLM's."""
    for base in value.__mro__[1:]:
        if base.__module__.startswith("litellm") and "[" not in base.__qualname__:
            return f"{base.__module__}.{base.__qualname__}"
    return ""


def _is_alias(value: Any) -> bool:
    return (
        typing.get_origin(value) is not None
        or isinstance(value, typing.TypeVar)
        or type(value).__module__ in {"typing", "typing_extensions"}
    )


def _plain(value: Any) -> dict[str, Any] | None:
    """A value that JSON holds; tuples and sets under a mark. None for anything else."""
    if isinstance(value, enum.Enum):
        return None
    mark = next(
        (
            m
            for kind, m in ((tuple, "tuple"), (set, "set"), (frozenset, "set"))
            if isinstance(value, kind)
        ),
        None,
    )
    told: Any = value
    try:
        if mark is not None:
            told = {"$": mark, "items": sorted(value) if mark == "set" else list(value)}
        text = json.dumps(told)
        if json.loads(text) != told or len(text) > LONGEST_VALUE:
            return None
    except (TypeError, ValueError):
        return None
    if any(place in text for place in ("site-packages", str(Path.cwd()))):
        return None
    return {"value": told}


if __name__ == "__main__":
    main()
