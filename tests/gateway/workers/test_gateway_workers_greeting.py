"""The lines of the start text work as they are printed."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
from tests.support.asgi import directory_of

from puna.gateway.workers.greeting import greet, lines_to_try
from puna.gateway.workers.settings import ServeOptions, load_directory

KEY = "sk-master-canary-9903"
LIST = 'model_list: [{model_name: "it\'s a", litellm_params: {model: groq/a, api_key: k}}]\n'


def lines(text: str, host: str = "127.0.0.1", **options: str) -> list[str]:
    environ = {"MY_KEY": KEY, "LLAMA_API_KEY": "k"}
    return lines_to_try(ServeOptions(**options), directory_of(text, environ), host)  # type: ignore[arg-type]  # texts only


def test_each_line_is_one_command_of_the_shell_with_the_models_name_whole() -> None:
    _, ask, listing, chat = lines(LIST)
    words = shlex.split(ask)
    body = json.loads(words[words.index("-d") + 1])
    assert body["model"] == "it's a"
    assert words[1] == "http://localhost:4000/v1/chat/completions"
    assert shlex.split(listing) == ["curl", "http://localhost:4000/v1/models"]
    assert shlex.split(chat) == [
        *("puna", "chat", "--api_base", "http://localhost:4000", "--model", "it's a")
    ]


@pytest.mark.parametrize(
    ("key", "variable"), [("os.environ/MY_KEY", "MY_KEY"), (KEY, "PUNA_MASTER_KEY")]
)
def test_with_a_key_the_lines_name_the_variable_that_holds_it(key: str, variable: str) -> None:
    said = lines(f"{LIST}general_settings: {{master_key: {key}}}\n")
    assert KEY not in "\n".join(said)
    assert variable in said[0]
    assert all(f"${variable}" in line for line in said[1:])
    assert ("general_settings.master_key" in said[0]) == (variable == "PUNA_MASTER_KEY")


def test_a_key_of_the_environment_is_named_by_its_own_variable(tmp_path: Path) -> None:
    file = tmp_path / "c.yaml"
    file.write_text(LIST)
    options = ServeOptions(config=str(file))
    directory = load_directory(options, {"LITELLM_MASTER_KEY": KEY})
    assert all("$LITELLM_MASTER_KEY" in line for line in lines_to_try(options, directory, "::")[1:])


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://localhost:4000"),
        ("0.0.0.0", "http://localhost:4000"),  # noqa: S104 - what is tested
        ("192.0.2.7", "http://192.0.2.7:4000"),
        ("2001:db8::1", "http://[2001:db8::1]:4000"),
    ],
)
def test_the_lines_name_an_address_that_answers(host: str, url: str) -> None:
    assert all(url in line for line in lines(LIST, host)[1:])


def test_with_a_certificate_the_lines_trust_it() -> None:
    _, ask, listing, chat = lines(LIST, ssl_certfile_path="my cert.pem")
    assert "curl --cacert 'my cert.pem' https://" in ask
    assert "curl --cacert 'my cert.pem' https://" in listing
    assert chat.lstrip().startswith("SSL_CERT_FILE='my cert.pem' puna chat")


def test_the_lines_name_a_model_that_can_be_used() -> None:
    text = "model_list:\n" + "".join(
        f"  - model_name: {name}\n    litellm_params: {{model: groq/x, api_key: {key}}}\n"
        for name, key in (("broken", "os.environ/GONE"), ("fine", "k"))
    )
    assert "fine" in lines(text)[1]
    assert "broken" not in lines(text)[1]


def test_where_only_wildcards_serve_the_remark_says_what_to_put_in() -> None:
    text = 'model_list: [{model_name: "x/*", litellm_params: {model: "hosted_vllm/*", api_base: "http://h"}}]\n'
    first, ask, *_ = lines(text)
    assert "MODEL is a name that a wildcard matches" in first
    assert '"MODEL"' in ask


def test_the_greeting_holds_no_key() -> None:
    said: list[str] = []
    directory = directory_of(f"{LIST}general_settings: {{master_key: {KEY}}}\n")
    greet(ServeOptions(), directory, "0.0.0.0", said.append)  # noqa: S104 - what is tested
    assert KEY not in "\n".join(said)
    assert said[0].endswith("serving on http://0.0.0.0:4000")
