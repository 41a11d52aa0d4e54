"""Callbacks of a configuration: functions beside its file, and what they see."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.support.lane_pairs import AUTH, CONFIG
from tests.support.lane_requests import HI, STREAMED, ended, plain_reply
from tests.support.lanes import Edge, request_bytes
from tests.support.ledger import Ledger
from tests.support.served_files import LIST

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.errors import ConfigError
from puna.gateway.hooks import load_hooks
from puna.gateway.workers.settings import ServeOptions, load_directory
from puna.telemetry.events import CallEvent, Texts
from puna.types.report import CallReport

# Hooks

EVENT = CallEvent(
    CallReport(call_id="c"),
    "success",
    texts=Texts(lambda: {"messages": ({"role": "user"},)}, lambda: "x"),
)


@pytest.fixture
def module(tmp_path: Path) -> Iterator[Path]:
    yield tmp_path / "own_hooks.py"
    sys.modules.pop("own_hooks", None)


def config_with(folder: Path, settings: str) -> Any:
    return parse_litellm_yaml(
        f"{LIST}litellm_settings: {{{settings}}}\n", {}, str(folder / "config.yaml")
    )


@pytest.mark.case(164, 173)
def test_callbacks_are_functions_beside_the_file(module: Path) -> None:
    module.write_text("seen = []\ndef note(event):\n    seen.append(event)\n")
    settings = (
        "callbacks: [own_hooks.note], success_callback: own_hooks.note, "
        "failure_callback: [own_hooks.note]"
    )
    hooks = load_hooks(config_with(module.parent, settings))
    for hook in hooks:
        hook(EVENT)
    assert sys.modules["own_hooks"].seen == [EVENT, EVENT]


def test_without_message_logging_hooks_see_no_texts(module: Path) -> None:
    module.write_text("seen = []\nasync def note(event):\n    seen.append(event)\n")
    settings = "callbacks: [own_hooks.note], turn_off_message_logging: true"
    (hook,) = load_hooks(config_with(module.parent, settings))
    pending = hook(EVENT)
    assert pending is not None
    with pytest.raises(StopIteration):
        pending.__await__().__next__()
    (seen,) = sys.modules["own_hooks"].seen
    assert (seen.messages, seen.answer, seen.report.call_id) == ((), None, "c")


@pytest.mark.parametrize(
    ("content", "name", "said"),
    [
        ("raise ValueError('no')\n", "own_hooks.note", "ValueError: no"),
        ("", "own_hooks.note", "AttributeError"),
        ("note = 5\n", "own_hooks.note", "is no function"),
        ("", "not_there_at_all.note", "ModuleNotFoundError"),
    ],
)
def test_a_callback_that_cannot_be_loaded_is_one_line(
    module: Path, content: str, name: str, said: str
) -> None:
    module.write_text(content)
    with pytest.raises(ConfigError) as caught:
        load_hooks(config_with(module.parent, f"callbacks: [{name}]"))
    assert said in str(caught.value)
    assert name in str(caught.value)


@pytest.mark.case(164)
def test_the_name_of_an_integration_is_a_warning(config_file: Path) -> None:
    config_file.write_text(
        f"{LIST}litellm_settings: {{callbacks: [otel], success_callback: [otel]}}\n"
    )
    directory = load_directory(ServeOptions(config=str(config_file)), {})
    (notice,) = directory.notices
    assert "`otel`" in notice.message
    assert load_hooks(directory.config) == ()


@pytest.mark.parametrize("is_fast", [True, False])
@pytest.mark.parametrize("asked", [HI, STREAMED])
@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize(
    "error", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), BaseException("x")]
)
def test_a_hook_that_tries_to_end_the_program_ends_neither_it_nor_an_answer(
    error: BaseException,
    asked: dict[str, Any],
    caplog: pytest.LogCaptureFixture,
    *,
    is_async: bool,
    is_fast: bool,
) -> None:
    """`sys.exit` in a hook, or in a library that it calls."""

    def at_once(_: CallEvent) -> None:
        raise error

    async def awaited(_: CallEvent) -> None:
        raise error

    async def run() -> None:
        ledger = Ledger()
        edge = Edge(
            lambda _: ended() if asked is STREAMED else plain_reply(),
            CONFIG,
            is_fast=is_fast,
            hooks=(awaited if is_async else at_once, later),
            ledger=ledger,
        )
        answer = await edge.ask(request_bytes(asked, AUTH))
        assert answer.status == 200
        assert len(ledger.closed_visits) == len(ledger.settled) == 1
        await edge.app.hook_tasks.close(5)

    seen: list[CallEvent] = []

    async def later(event: CallEvent) -> None:
        seen.append(event)

    asyncio.run(run())
    assert [event.outcome for event in seen] == ["success"]
    assert "A hook failed" in caplog.text
