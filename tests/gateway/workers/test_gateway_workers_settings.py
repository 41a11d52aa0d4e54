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
from puna.errors import ConfigError, ServiceUnavailableError
from puna.gateway.deployments.directory import Directory
from puna.gateway.hooks import load_hooks
from puna.gateway.logs.lines import JSONFormatter, set_up_logging
from puna.gateway.workers.settings import EMBEDDED_NAME, ServeOptions, host_of, load_directory
from puna.telemetry.events import CallEvent, Texts
from puna.types.report import CallReport

LIST = "model_list: [{model_name: a, litellm_params: {model: groq/a, api_key: k}}]\n"


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


@pytest.mark.parametrize(
    ("text", "near"),
    [
        ("litellm_settings: {drop_params: true}\n", "there is no `model_list`"),
        ("models:\n  - model_name: m\n    litellm_params: {model: groq/x}\n", "is it `models`"),
        ("model_list: []\n", "`model_list` is empty"),
        ("model_list: [] \nlitellm_setings: {}\n", "`model_list` is empty"),
        ("{}\n", "there is no `model_list`"),
    ],
)
def test_a_file_that_names_no_model_does_not_start_with_the_embedded_one(
    file: Path, text: str, near: str
) -> None:
    file.write_text(text)
    with pytest.raises(ConfigError, match="names no model") as caught:
        load_directory(ServeOptions(config=str(file)), {})
    assert near in str(caught.value)
    assert "?." not in str(caught.value)
    assert caught.value.file == str(file)
    if "setings" in text:
        assert any("`litellm_settings`" in line for line in caught.value.warnings)


def load(file: Path, text: str, *, allow_unset: bool = False, **environ: str) -> Directory:
    file.write_text(text)
    return load_directory(ServeOptions(config=str(file)), environ, allow_unset=allow_unset)


def listed(*params: str) -> str:
    """A file with a model `m0`, `m1`, … for each of these `litellm_params`."""
    entries = (
        f"  - model_name: m{index}\n    litellm_params: {{{text}}}\n"
        for index, text in enumerate(params)
    )
    return "model_list:\n" + "".join(entries)


GOOD = "model: groq/x, api_key: k"


@pytest.mark.parametrize("base", ["", ", api_base: 'http://127.0.0.1:9/v1'"])
def test_a_key_whose_variable_is_not_set_is_an_error_at_any_address(file: Path, base: str) -> None:
    directory = load(file, listed(GOOD, f"model: openai/x, api_key: os.environ/GONE{base}"))
    (error,) = (notice for notice in directory.notices if notice.severity == "error")
    assert "model `m1` cannot be used: its api_key names the environment variable" in error.message
    assert "`GONE`" in error.message
    assert len(directory.ready) == 1
    with pytest.raises(ServiceUnavailableError):
        directory.plan("m1")


def test_an_address_from_the_environment_is_asked_without_the_key_and_it_is_told(
    file: Path,
) -> None:
    text = listed("model: meta_llama/x, api_key: os.environ/GONE")
    directory = load(file, text, LLAMA_API_BASE="http://127.0.0.1:9/v1")
    assert len(directory.ready) == 1
    assert any("is asked without a key" in notice.message for notice in directory.notices)


def test_all_faults_of_all_deployments_are_told_at_once(file: Path) -> None:
    text = listed(GOOD, "model: grok/x", "model: openai/x, api_base: 'ftp://x'") + "modles: 1\n"
    with pytest.raises(ConfigError) as caught:
        load(file, text)
    first, second = caught.value.problems
    assert first.startswith(f"{file}:4: model `m1`: Unknown provider `grok`")
    assert second.startswith(f"{file}:6: model `m2`: `api_base` must be an address")
    assert any("`modles`" in line for line in caught.value.warnings)


def test_faults_of_values_and_of_providers_are_told_together(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file, listed("model: groq/x, api_key: k, timeout: soon", "model: grok/x"))
    first, second = caught.value.problems
    assert "not the text `soon`" in first
    assert "Unknown provider `grok`" in second


def test_where_no_deployment_can_be_used_each_says_why(file: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load(file, listed("model: groq/x", "model: groq/y, api_key: os.environ/GONE"))
    assert ["GROQ_API_KEY" in line for line in caught.value.problems] == [True, False]
    assert "`GONE`" in caught.value.problems[1]


@pytest.mark.parametrize(
    ("base", "words"),
    [
        ("http://h/v1/v1", "holds `/v1/v1`: write `/v1` once"),
        ("http://h/openai/v1/v1/", "holds `/v1/v1`"),
        ("http://h/v1/chat/completions", "ends with `/chat/completions`"),
        ("http://h/v1/completions", "ends with `/completions`"),
        ("http://h/v1/embeddings", "ends with `/embeddings`"),
        ("http://h/v1/models/", "ends with `/models`"),
        ("http://h/v1/responses", "ends with `/responses`"),
    ],
)
def test_an_address_that_can_only_miss_is_named_at_the_start(
    file: Path, base: str, words: str
) -> None:
    directory = load(file, listed(f"model: openai/x, api_base: '{base}'"))
    (told,) = (notice.message for notice in directory.notices)
    assert words in told
    assert "model `m0`" in told


@pytest.mark.parametrize("base", ["http://h/v1", "http://h", "http://h/openai/v1", "http://h/v2"])
def test_a_usual_address_is_no_notice(file: Path, base: str) -> None:
    assert load(file, listed(f"model: openai/x, api_base: '{base}'")).notices == ()


@pytest.mark.parametrize(
    "params",
    [
        "model: groq/x, api_key: os.environ/GONE",
        "model: groq/x",
        "model: openai/x, api_base: os.environ/GONE",
        "model: os.environ/GONE",
        "model: bedrock/x, aws_region_name: os.environ/GONE",
        "model: vertex_ai/x, api_key: k",
        "model: azure/x, api_key: k",
    ],
)
def test_with_unset_variables_allowed_a_deployment_waits_for_them(file: Path, params: str) -> None:
    directory = load(file, listed(params), allow_unset=True)
    assert (len(directory.waiting), directory.ready, directory.problems) == (1, {}, {})
    assert [one.severity for one in directory.notices if one.severity != "info"] == []


def test_with_unset_variables_allowed_everything_else_is_checked(file: Path) -> None:
    text = listed("model: grok/x, api_key: os.environ/GONE", "model: groq/x, api_key: '${KEY}'")
    with pytest.raises(ConfigError, match="Unknown provider `grok`"):
        load(file, text, allow_unset=True)
    text = listed("model: groq/x, api_key: '${KEY}'", "model: groq/x, api_key: os.environ/GONE")
    text += "general_settings: {master_key: os.environ/GONE}\n"
    directory = load(file, text, allow_unset=True)
    assert (len(directory.problems), len(directory.waiting)) == (1, 1)


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
