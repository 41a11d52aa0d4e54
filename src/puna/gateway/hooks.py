"""The hooks that a configuration names: `module.attribute`, a file beside the configuration.

# hooks.py, next to config.yaml
def note(event: puna.telemetry.events.CallEvent) -> None: ...

# config.yaml
litellm_settings: {callbacks: [hooks.note]}
"""

from __future__ import annotations

import asyncio
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
    """A warning for each configured callback that names an integration of LiteLLM.

    None is built yet.
    """
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
    """Import the functions that `callbacks`, `success_callback` and `failure_callback` name.

    Raises:
        ConfigError: one cannot be imported, or is no function of one event.
    """
    settings = config.settings
    hooks = [
        *_load_all(settings.callbacks, config.file),
        *(_only_on("success", one) for one in _load_all(settings.success_callback, config.file)),
        *(_only_on("failure", one) for one in _load_all(settings.failure_callback, config.file)),
    ]
    if settings.turn_off_message_logging:
        hooks = [_without_texts(one) for one in hooks]
    return tuple(hooks)


def contained(hook: Hook) -> Hook:
    """Wrap a hook so that whatever it raises is an `Exception`, which is logged like any other.

    A hook that calls `sys.exit` would end the gateway, or leave its client without an answer: the
    event loop ends at once for `SystemExit` and `KeyboardInterrupt`, and others would count as the
    end of a task. SIGINT raises nothing in a gateway, so none of these is meant for it.
    """

    def note(event: CallEvent) -> Awaitable[None] | None:
        """Call the hook."""
        try:
            pending = hook(event)
        except Exception:
            raise
        except BaseException as error:
            raise _ended(error) from error
        return _contained(pending) if pending is not None else None

    return note


async def _contained(pending: Awaitable[None]) -> None:
    """Await what an asynchronous hook returned. Only a cancellation from outside stays one."""
    try:
        await pending
    except Exception:
        raise
    except BaseException as error:
        task = asyncio.current_task()
        if isinstance(error, asyncio.CancelledError) and task is not None and task.cancelling():
            raise
        raise _ended(error) from error


def _ended(error: BaseException) -> RuntimeError:
    """The error for a hook that tried to end more than itself."""
    return RuntimeError(f"the hook raised {type(error).__name__}: {error}")


def _load_all(names: Iterable[str], file: str | None) -> list[Hook]:
    """Import the hooks of one list; a name without a dot is an integration, and left out."""
    return [_load(name, file) for name in names if "." in name]


def _load(name: str, file: str | None) -> Hook:
    """Import one hook by `module.attribute`.

    Raises ConfigError where it fails or is no function.
    """
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
    """Import a module from a file beside the configuration, else an installed one.

    A file is run once, and again at a reload when its text has changed since.
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
    """Compiles a file each time, and ignores cached byte code.

    The cache compares times in whole seconds, so that it misses a quick change.
    """

    @override
    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _only_on(outcome: Outcome, hook: Hook) -> Hook:
    """Wrap a hook so that it is called only for calls with this outcome."""

    def note(event: CallEvent) -> Awaitable[None] | None:
        """Call the hook if the outcome matches."""
        return hook(event) if event.outcome == outcome else None

    return note


def _without_texts(hook: Hook) -> Hook:
    """Wrap a hook so that it gets no texts of requests and answers (`turn_off_message_logging`)."""

    def note(event: CallEvent) -> Awaitable[None] | None:
        """Call the hook with an event that has no texts."""
        return hook(replace(event, texts=Texts()))

    return note
