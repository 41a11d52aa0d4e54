"""The hooks that a configuration names: `module.attribute`, a file beside the configuration.

# hooks.py, next to config.yaml
def note(event: puna.telemetry.events.CallEvent) -> None: ...

# config.yaml
litellm_settings: {callbacks: [hooks.note]}
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Iterable
from dataclasses import replace
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType
from typing import Final, cast

from typing_extensions import override

from puna.config.schema import GatewayConfig, Notice
from puna.errors import ConfigError
from puna.telemetry.events import CallEvent, Hook, Outcome, Texts

_TEXT: Final = "__puna_text__"
"""Where a module that was loaded from beside the configuration keeps its file's text."""


def report_callbacks(config: GatewayConfig) -> list[Notice]:
    """A warning for each callback that is the name of an integration: none is built yet."""
    settings = config.settings
    names = (*settings.callbacks, *settings.success_callback, *settings.failure_callback)
    return [
        Notice(
            "warning", f"the callback `{name}` is known to LiteLLM, not built in Puna yet: ignored"
        )
        for name in dict.fromkeys(names)
        if "." not in name
    ]


def load_hooks(config: GatewayConfig) -> tuple[Hook, ...]:
    """The hooks of `callbacks`, `success_callback` and `failure_callback`.

    Raises:
        ConfigError: one cannot be imported, or is no function of one event.
    """
    settings = config.settings
    hooks = [
        *_load_all(settings.callbacks, config.file),
        *(_only("success", one) for one in _load_all(settings.success_callback, config.file)),
        *(_only("failure", one) for one in _load_all(settings.failure_callback, config.file)),
    ]
    if settings.turn_off_message_logging:
        hooks = [_without_texts(one) for one in hooks]
    return tuple(hooks)


def _load_all(names: Iterable[str], file: str | None) -> list[Hook]:
    return [_load(name, file) for name in names if "." in name]


def _load(name: str, file: str | None) -> Hook:
    module_name, _, attribute = name.rpartition(".")
    try:
        found = getattr(_import(module_name, file), attribute)
    except BaseException as error:  # a file that calls `sys.exit` must not end a running gateway
        raise ConfigError(
            f"the callback `{name}` cannot be loaded: {type(error).__name__}: {error}", file=file
        ) from error
    if not callable(found):
        raise ConfigError(
            f"the callback `{name}` is no function: give one that takes a `CallEvent`", file=file
        )
    return cast("Hook", found)


def _import(name: str, file: str | None) -> ModuleType:
    """A module in a file beside the configuration, else one that is installed.

    A file is run once, and again where its text has changed since.
    """
    folder = Path(file or "config.yaml").resolve().parent
    path = folder.joinpath(*name.split(".")).with_suffix(".py")
    if not path.is_file():
        return importlib.import_module(name)
    before = sys.modules.get(name)
    loader = _FreshLoader(name, str(path))
    text = loader.get_data(str(path))
    if before is not None and getattr(before, _TEXT, text) == text:
        return before
    spec = importlib.util.spec_from_file_location(name, path, loader=loader)
    assert spec is not None, "a loader was given"  # noqa: S101 - narrows
    module = sys.modules[name] = importlib.util.module_from_spec(spec)
    setattr(module, _TEXT, text)
    try:
        loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        if before is not None:
            sys.modules[name] = before
        raise
    return module


class _FreshLoader(SourceFileLoader):
    """Compiles a file anew: byte code on disk is told apart by whole seconds only."""

    @override
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _only(outcome: Outcome, hook: Hook) -> Hook:
    def note(event: CallEvent) -> Awaitable[None] | None:
        return hook(event) if event.outcome == outcome else None

    return note


def _without_texts(hook: Hook) -> Hook:
    def note(event: CallEvent) -> Awaitable[None] | None:
        return hook(replace(event, texts=Texts()))

    return note
