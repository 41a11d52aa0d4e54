"""Names of LiteLLM 1.106.2 that the drop-in has no code of its own for.

Programs import many names that they use seldom or never, so every public name of the release can
be imported. `released_names.txt` lists them by module (`record_names.py` wrote it); this module
makes the object for a name when it is first asked for:

* a pydantic model, typed dict, enum or exception works: it has the fields, members and defaults;
* a setting or constant has its value; a type alias is `typing.Any`;
* a function, class or object that does something is refused when it is used: NotImplementedError
  with its name, the reason and what to do (`_REASONS`). Importing it, naming it in an annotation,
  `isinstance` and subclassing are no use.

A module of LiteLLM that the drop-in lacks is made the same way, by `ReleasedModules`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import import_module
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any, NoReturn, cast

VERSION = "1.106.2"

_REASONS: tuple[tuple[str, str], ...] = (
    (
        "litellm.proxy",
        "the gateway is `puna serve` (or the `litellm` command), which runs in its own process",
    ),
    (
        "litellm.integrations",
        "this logging integration is not built: put a `CustomLogger` into `litellm.callbacks`",
    ),
    (
        "litellm.llms.custom_httpx",
        "Puna has HTTP transports of its own: give `timeout`, `ssl_verify` or `client=`",
    ),
    (
        "litellm.llms",
        "Puna speaks to hosts in its own way: call `litellm.completion`, or use `CustomLLM`",
    ),
    ("litellm.caching", "answers are not cached: keep them in your program"),
    (
        "litellm.router",
        "it is a part of LiteLLM's router that Puna's router does not have: see `litellm.Router`",
    ),
    ("litellm.images", "images are not built: ask the host with its own client"),
    ("litellm.files", "files are not built: ask the host with its own client"),
    ("litellm.batches", "batches are not built: ask the host with its own client"),
    ("litellm.fine_tuning", "fine-tuning is not built: ask the host with its own client"),
    ("litellm.assistants", "assistants are not built: use `litellm.responses`"),
    ("litellm.rerank_api", "reranking is not built: ask the host with its own client"),
    ("litellm.", "it is not built: use the host's own client, or ask for it"),
)
"""Why a name is refused, and what to do instead; the first prefix of its address counts."""

_OPENAI = "it is a class of the `openai` package: `pip install openai`"


def reason_for(address: str) -> str:
    """The sentence with which a use of this name is refused."""
    if address.startswith("openai."):
        return _OPENAI
    return next(reason for prefix, reason in _REASONS if f"{address}.".startswith(prefix))


def refuse(address: str) -> NoReturn:
    """Raise NotImplementedError for a use of the name at this address."""
    raise NotImplementedError(
        f"`{address}` is in LiteLLM {VERSION} and can be imported here, but not used: "
        f"{reason_for(address)}."
    )


@cache
def _lines() -> dict[str, str]:
    """The names of each module, still as JSON text."""
    from pathlib import Path

    text = Path(__file__).with_name("released_names.txt").read_text(encoding="utf-8")
    rows = (line.partition("\t") for line in text.splitlines())
    return {module: names for module, _, names in rows}


@cache
def names_of(module: str) -> Mapping[str, Any]:
    """What the release has in a module, by kind (`record_names.py`). Empty for no such module."""
    import json

    names: dict[str, Any] = json.loads(_lines().get(module, "{}"))
    return names


def getattr_of(module: str) -> Callable[[str], Any]:
    """A `__getattr__` for a module, which finds its submodules and LiteLLM's other names."""

    def find(name: str) -> Any:
        value = find_name(module, name)
        return vars(sys.modules[module]).setdefault(name, value)

    return find


def find_name(module: str, name: str) -> Any:
    """The object that LiteLLM has under a name in a module.

    Raises:
        AttributeError: LiteLLM has no such name there.
    """
    if not name.startswith("__"):
        address = f"{module}.{name}"
        if address in _lines():
            return import_module(address)
        names = names_of(module)
        for kind, make in _MAKERS.items():
            if name in names.get(kind, ()):
                return make(address, names[kind])
        for home, known in names.get("from", {}).items():
            for entry in known:
                if entry.partition("=")[0] == name:
                    return _imported(home, entry.partition("=")[2] or name)
    raise AttributeError(f"module {module!r} has no attribute {name!r}")


def _imported(home: str, name: str) -> Any:
    """A name from the module that defines it; a class to refuse where that is not to be had."""
    try:
        return getattr(import_module(home), name)
    except (ModuleNotFoundError, AttributeError):
        return _make_class(f"{home}.{name}", {name: ""})


def _last(address: str) -> str:
    return address.rpartition(".")[2]


def _made(cls: Any, address: str) -> Any:
    cls.__module__, _, cls.__qualname__ = address.rpartition(".")
    return cls


def _base(address: str, names: Mapping[str, str], default: type) -> type:
    """The class above a class, if it has one that can be made."""
    above = names[_last(address)]
    if not above or above == address:
        return default
    home, _, name = above.rpartition(".")
    try:
        found = getattr(import_module(home), name)
    except (ImportError, AttributeError):
        return default
    return found if isinstance(found, type) else default


def _make_function(address: str, _names: object) -> Any:
    def function(*_args: Any, **_kwargs: Any) -> NoReturn:
        refuse(address)

    function.__name__ = _last(address)
    function.__doc__ = f"Not built: {reason_for(address)}."
    return _made(function, address)


class _RefusedClass(type):
    """The class of classes that can be named but not used."""

    def __getattr__(cls, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(f"type object {cls.__name__!r} has no attribute {name!r}")
        address = f"{cls.__module__}.{cls.__qualname__}"
        raise AttributeError(f"`{address}.{name}` is not built: {reason_for(address)}.")


def _make_class(address: str, names: Mapping[str, str]) -> Any:
    def refuse_init(_self: object, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse(address)

    base = _base(address, names, object)
    body = {"__init__": refuse_init, "__doc__": f"Not built: {reason_for(address)}."}
    # A class that can be used may have a metaclass of its own, which has to be the metaclass here.
    meta = _RefusedClass if type(base) in {type, _RefusedClass} else type(base)
    return _made(meta(_last(address), (base,), body), address)


class _RefusedObject:
    """An object of LiteLLM's that can be imported but not used."""

    def __init__(self, address: str) -> None:
        self._address = address

    def __repr__(self) -> str:
        return f"<{self._address} of LiteLLM {VERSION}, not built>"

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise AttributeError(f"`{self._address}.{name}` is not built: {reason_for(self._address)}.")

    def __call__(self, *_args: Any, **_kwargs: Any) -> NoReturn:
        refuse(self._address)


def _make_exception(address: str, names: Mapping[str, str]) -> Any:
    base = _base(address, names, Exception)
    body: dict[str, Any] = {"__doc__": "An exception of LiteLLM's; nothing here raises it."}
    if base is Exception:
        body["__init__"] = _keep_arguments
    return _made(type(_last(address), (base,), body), address)


def _keep_arguments(self: Exception, *args: Any, **kwargs: Any) -> None:
    Exception.__init__(self, *args)
    self.__dict__.update(kwargs)


def _make_model(address: str, models: Mapping[str, Any]) -> Any:
    import warnings

    from pydantic import BaseModel, ConfigDict, create_model

    class Base(BaseModel):
        """Fields that are not named are kept."""

        model_config = ConfigDict(
            extra="allow", protected_namespaces=(), arbitrary_types_allowed=True
        )

    entry = models[_last(address)]
    base = _base(address, {_last(address): entry["base"]}, Base)
    fields: dict[str, Any] = {
        name: (Any, _field(default)) for name, default in entry["fields"].items()
    }
    with warnings.catch_warnings():  # a few of LiteLLM's fields have names of pydantic's methods
        warnings.simplefilter("ignore")
        made = create_model(_last(address), __base__=cast("type[BaseModel]", base), **fields)
    return _made(made, address)


def _field(default: Any) -> Any:
    from pydantic import Field

    if default == {"$": "required"}:
        return ...
    if isinstance(default, list | dict):
        return Field(default_factory=lambda: _value(default))
    return default


def _make_dict(address: str, dicts: Mapping[str, list[str]]) -> Any:
    from typing_extensions import TypedDict

    fields = dict.fromkeys(dicts[_last(address)], Any)
    make: Any = TypedDict
    return _made(make(_last(address), fields, total=False), address)


def _make_enum(address: str, enums: Mapping[str, Any]) -> Any:
    from enum import Enum

    entry = enums[_last(address)]
    make: Any = Enum
    made = make(_last(address), entry["members"], **({"type": str} if entry["text"] else {}))
    return _made(made, address)


def _make_value(address: str, values: Mapping[str, Any]) -> Any:
    return _value(values[_last(address)])


def _value(told: Any) -> Any:
    """A recorded value, new each time: callers change the lists."""
    if isinstance(told, dict):
        mark = told.get("$")
        if mark is not None:
            return {"set": set, "tuple": tuple}[mark](told["items"])
        return {name: _value(value) for name, value in told.items()}
    return [_value(value) for value in told] if isinstance(told, list) else told


def _make_alias(_address: str, _names: object) -> Any:
    return Any


def _make_object(address: str, _names: object) -> Any:
    return _RefusedObject(address)


def _make_table(address: str, _names: object) -> Any:
    from litellm.model_table import make_table

    return make_table(_last(address))


def _find_module(address: str, modules: Mapping[str, str]) -> Any:
    return import_module(modules[_last(address)])


_MAKERS: dict[str, Callable[[str, Any], Any]] = {
    "functions": _make_function,
    "classes": _make_class,
    "exceptions": _make_exception,
    "models": _make_model,
    "dicts": _make_dict,
    "enums": _make_enum,
    "values": _make_value,
    "aliases": _make_alias,
    "objects": _make_object,
    "tables": _make_table,
    "modules": _find_module,
}


class ReleasedModules:
    """The import system's finder for modules of LiteLLM's that have no file here.

    It stands last in `sys.meta_path`, so files come first.
    """

    @classmethod
    def find_spec(
        cls, fullname: str, path: object = None, target: object = None
    ) -> ModuleSpec | None:
        """How to make a module, or None for one that LiteLLM does not have."""
        del path, target
        if not fullname.startswith("litellm.") or fullname not in _lines():
            return None
        return ModuleSpec(fullname, cast("Any", cls), is_package=True)

    @staticmethod
    def create_module(spec: ModuleSpec) -> ModuleType | None:
        """Leave the making to the import system."""
        del spec
        return None

    @staticmethod
    def exec_module(module: ModuleType) -> None:
        """Let the module find its names when they are asked for."""
        module.__doc__ = f"A module of LiteLLM {VERSION}: {reason_for(module.__name__)}."
        vars(module)["__getattr__"] = getattr_of(module.__name__)


def install() -> None:
    """Let the import system ask `ReleasedModules`, once."""
    if not any(getattr(each, "__module__", "") == __name__ for each in sys.meta_path):
        sys.meta_path.append(cast("Any", ReleasedModules))
