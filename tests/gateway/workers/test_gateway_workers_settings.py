"""Options of a gateway: what is served, and with which key."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.support.served_files import LIST

from puna.errors import ConfigError
from puna.gateway.workers.settings import EMBEDDED_NAME, ServeOptions, host_of, load_directory


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
    config_file: Path, text: str, near: str
) -> None:
    config_file.write_text(text)
    with pytest.raises(ConfigError, match="names no model") as caught:
        load_directory(ServeOptions(config=str(config_file)), {})
    assert near in str(caught.value)
    assert "?." not in str(caught.value)
    assert caught.value.file == str(config_file)
    if "setings" in text:
        assert any("`litellm_settings`" in line for line in caught.value.warnings)


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


def test_the_files_master_key_wins(config_file: Path) -> None:
    config_file.write_text(f"{LIST}general_settings: {{master_key: sk-of-the-file}}\n")
    directory = load_directory(
        ServeOptions(config=str(config_file)), {"LITELLM_MASTER_KEY": "sk-env"}
    )
    key = directory.config.server.master_key
    assert key is not None
    assert key.reveal() == "sk-of-the-file"


def test_options_without_effect_are_reported(config_file: Path) -> None:
    given = ServeOptions(config=str(config_file), model="meta_llama/b", max_tokens=1)
    said = [notice.message for notice in load_directory(given, {}).notices]
    assert said == [
        "--model has no effect: --config names the models",
        "--max_tokens has no effect: --config names the models",
    ]
    (notice,) = load_directory(ServeOptions(alias="x"), {}).notices
    assert notice.message == "--alias has no effect: there is no --model"
