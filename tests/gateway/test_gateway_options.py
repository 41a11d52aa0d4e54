"""Options, hooks and log lines."""

from __future__ import annotations

import io
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from puna.config.litellm_yaml import parse_litellm_yaml
from puna.errors import ConfigError
from puna.gateway.hooks import load_hooks
from puna.gateway.logs import JSONFormatter, set_up_logging
from puna.gateway.options import EMBEDDED_NAME, ServeOptions, host_of, load_directory
from puna.telemetry.events import CallEvent
from puna.types.report import CallReport

LIST = "model_list: [{model_name: a, litellm_params: {model: meta_llama/a, api_key: k}}]\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "config.yaml"
    path.write_text(LIST)
    return path


def test_without_options_the_embedded_model_answers_every_name() -> None:
    directory = load_directory(ServeOptions(), {})
    assert directory.names() == (EMBEDDED_NAME,)
    assert directory.embedded_models() == ("smollm2-135m",)
    for name in ("gpt-4", "meta_llama/x", EMBEDDED_NAME):
        assert directory.plan(name).group[0].target.model == "smollm2-135m"
    assert host_of(ServeOptions(), directory) == "127.0.0.1"


def test_an_empty_model_list_means_the_embedded_model_and_says_so(file: Path) -> None:
    file.write_text("litellm_settings: {drop_params: true}\n")
    directory = load_directory(ServeOptions(config=str(file)), {})
    assert directory.names() == (EMBEDDED_NAME,)
    assert any("model_list is empty" in notice.message for notice in directory.notices)


@pytest.mark.case(169)
def test_one_model_is_served_without_a_file() -> None:
    options = ServeOptions(
        model="meta_llama/X",
        alias="x",
        api_base="http://127.0.0.1:9",
        temperature=0.5,
        max_tokens=3,
        request_timeout=4,
        drop_params=True,
    )
    directory = load_directory(ServeOptions.from_json(options.to_json()), {})
    (one,) = directory.plan("x").group
    assert one.target.model == "X"
    assert one.params == {"temperature": 0.5, "max_tokens": 3}
    assert one.timeout_s == 4
    assert one.drop_params
    assert directory.names() == ("x",)
    assert directory.notices == ()


def test_one_model_without_its_key_does_not_start() -> None:
    with pytest.raises(ConfigError, match="LLAMA_API_KEY"):
        load_directory(ServeOptions(model="meta_llama/X"), {})


@pytest.mark.case(170)
@pytest.mark.parametrize("name", ["PUNA_MASTER_KEY", "LITELLM_MASTER_KEY"])
def test_the_master_key_may_come_from_the_environment(name: str) -> None:
    directory = load_directory(ServeOptions(), {name: " sk-master "})
    assert not directory.is_open
    key = directory.config.server.master_key
    assert key is not None
    assert key.reveal() == "sk-master"
    assert host_of(ServeOptions(), directory) == "0.0.0.0"  # noqa: S104 - what is expected
    assert host_of(ServeOptions(host="::1"), directory) == "::1"
    assert load_directory(ServeOptions(), {name: "  "}).is_open


def test_the_files_master_key_wins(file: Path) -> None:
    file.write_text(f"{LIST}general_settings: {{master_key: sk-of-the-file}}\n")
    directory = load_directory(ServeOptions(config=str(file)), {"LITELLM_MASTER_KEY": "sk-env"})
    key = directory.config.server.master_key
    assert key is not None
    assert key.reveal() == "sk-of-the-file"


def test_options_without_effect_are_reported(file: Path) -> None:
    given = ServeOptions(config=str(file), model="meta_llama/b", max_tokens=1)
    said = [notice.message for notice in load_directory(given, {}).notices]
    assert said == [
        "--model has no effect: --config names the models",
        "--max_tokens has no effect: --config names the models",
    ]
    (notice,) = load_directory(ServeOptions(alias="x"), {}).notices
    assert notice.message == "--alias has no effect: there is no --model"


# Hooks

EVENT = CallEvent(CallReport(call_id="c"), "success", messages=({"role": "user"},), answer="x")


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
def test_the_name_of_an_integration_is_a_warning(file: Path) -> None:
    file.write_text(f"{LIST}litellm_settings: {{callbacks: [otel], success_callback: [otel]}}\n")
    directory = load_directory(ServeOptions(config=str(file)), {})
    (notice,) = directory.notices
    assert "`otel`" in notice.message
    assert load_hooks(directory.config) == ()


# Log lines


@pytest.fixture
def plain_logging() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in ("puna", "uvicorn")]
    before = [(one.handlers, one.propagate, one.level) for one in loggers]
    yield
    for one, (handlers, propagate, level) in zip(loggers, before, strict=True):
        one.handlers, one.propagate = handlers, propagate
        one.setLevel(level)


@pytest.mark.usefixtures("plain_logging")
@pytest.mark.parametrize("is_json", [True, False])
def test_lines_go_to_stderr_as_text_or_json(
    capsys: pytest.CaptureFixture[str],
    is_json: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    set_up_logging(is_debug=False, is_json=is_json)
    logging.getLogger("puna.gateway").info("one\n%s", "two\x1b[31m")
    logging.getLogger("puna.gateway").debug("hidden")
    (line,) = capsys.readouterr().err.splitlines()
    if is_json:
        assert json.loads(line)["message"] == "one\ntwo\x1b[31m"
        assert json.loads(line)["level"] == "info"
    else:
        assert line.endswith("INFO one\\ntwo\\x1b[31m")


@pytest.mark.usefixtures("plain_logging")
def test_debug_shows_more(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logging(is_debug=True, is_json=False)
    logging.getLogger("puna.gateway").debug("shown")
    assert "DEBUG shown" in capsys.readouterr().err


def test_a_json_line_holds_the_traceback() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JSONFormatter())
    logger = logging.getLogger("own.json.lines")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("failed")
    assert "ValueError: x" in json.loads(stream.getvalue())["traceback"]
