"""What a configuration's reader says of a file: all that is wrong, and spellings of variables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.config.environment import PREFIX, unsupported_reference
from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import GatewayConfig
from puna.errors import ConfigError

ENTRY = "model_list:\n  - model_name: m\n    litellm_params:\n      model: groq/x\n"
CANARY = "sk-canary-51b2"


def parse(text: str, **environ: str) -> GatewayConfig:
    return parse_litellm_yaml(text, environ, "c.yaml")


def fail(text: str, **environ: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        parse(text, **environ)
    return caught.value


def test_a_file_with_several_faults_names_them_all_and_the_warnings_beside_them() -> None:
    error = fail(
        f"{ENTRY}      timeout: soon\n      max_retries: -1\n"
        "  - litellm_params: {model: a/b, weight: x}\n"
        "  - 7\n"
        "litellm_settings: {num_retries: many, drop_parms: true}\n"
        "router_settings: {routing_strategy: none}\n"
    )
    assert [line.split(": ", 1)[0] for line in error.problems] == [
        "c.yaml:5",
        "c.yaml:6",
        "c.yaml:7",
        "c.yaml:7",
        "c.yaml:8",
        "c.yaml:9",
        "c.yaml:10",
    ]
    assert str(error) == "\n".join(error.problems)
    assert (error.line, error.key) == (5, "model_list[0].litellm_params.timeout")
    assert any("`drop_parms`" in line and "`drop_params`" in line for line in error.warnings)


@given(
    st.lists(
        st.sampled_from(["timeout: x", "rpm: [1]", "drop_params: 7", "tags: 3", "weight: -1"]),
        unique=True,
        min_size=1,
    )
)
def test_every_wrong_value_is_told_whatever_stands_beside_it(lines: list[str]) -> None:
    error = fail(ENTRY + "".join(f"      {line}\n" for line in lines))
    for line in lines:
        assert any(f".{line.partition(':')[0]}`" in told for told in error.problems)
    assert len(error.problems) == len(lines)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("timeout: soon", "not the text `soon`"),
        ("timeout: '0'", "not the text `0`"),
        ("timeout: 0", "not the number `0`"),
        ("timeout: true", "not the truth value `true`"),
        ("timeout: []", "not a list"),
        ("tags: 3", "not a number"),
        ("api_key: true", "not true or false"),
        ("api_key: [a]", "not a list"),
    ],
)
def test_a_value_is_shown_with_its_type(line: str, words: str) -> None:
    error = fail(f"{ENTRY}      {line}\n")
    assert words in str(error)


# Variables in the spelling of other programs


SPELLINGS = (
    "${NAME}",
    "${NAME:-sk-x}",
    "$NAME",
    "$env:NAME",
    "%NAME%",
    "{{ NAME }}",
    "{{ .Env.NAME }}",
    "{env.NAME}",
    'os.environ["NAME"]',
    "os.environ.get('NAME')",
    "os.getenv('NAME')",
    "os.environ.NAME",
    "OS.ENVIRON/NAME",
    "os.env/NAME",
    "process.env.NAME",
    "env/NAME",
    "env:NAME",
)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_foreign_spelling_in_a_key_is_an_error_that_gives_the_right_one(spelling: str) -> None:
    written = spelling.replace("'", "''")
    config = parse(f"{ENTRY}      api_key: '{written}'\n", NAME="sk-real")
    problem = config.deployments[0].problem
    assert problem is not None
    assert "model `m` cannot be used: its api_key" in problem
    assert "`os.environ/NAME`" in problem
    (notice,) = config.notices
    assert (notice.severity, notice.line) == ("error", 5)


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_a_foreign_spelling_never_becomes_the_master_key(spelling: str) -> None:
    written = spelling.replace("'", "''")
    error = fail(f"{ENTRY}general_settings:\n  master_key: '{written}'\n")
    assert error.line == 6
    assert "`os.environ/NAME`" in str(error)


@pytest.mark.parametrize("base", ["http://${NAME}/v1", "http://os.environ/NAME/v1", "{{ NAME }}"])
def test_a_foreign_spelling_in_an_address_is_an_error(base: str) -> None:
    config = parse(f"{ENTRY}      api_base: '{base}'\n")
    assert "its api_base" in str(config.deployments[0].problem)


def test_a_foreign_spelling_elsewhere_is_a_warning() -> None:
    config = parse(
        f"{ENTRY}      user: $WHO\nenvironment_variables: {{A: '${{B}}'}}\n"
        "litellm_settings: {callbacks: ['${HOOK}']}\n"
    )
    told = {notice.key: notice.severity for notice in config.notices}
    assert told["model_list[0].litellm_params.user"] == "warning"
    assert told["environment_variables.A"] == "warning"
    assert told["litellm_settings.callbacks[0]"] == "warning"


@pytest.mark.parametrize(
    "text",
    ["sk-plain", "gpt-4o", "p$ssw0rd", "100%", "env-prod", "{json}", "os.environ/NAME", "a ${b}"],
)
def test_other_texts_are_no_reference(text: str) -> None:
    assert unsupported_reference(text) is None


@given(st.text(max_size=40))
def test_any_text_is_read(text: str) -> None:
    name = unsupported_reference(text, is_whole=False)
    assert name is None or name.isidentifier()
    assert unsupported_reference(PREFIX + text) is None


def test_what_a_variable_holds_is_never_taken_for_a_reference_nor_shown() -> None:
    config = parse(f"{ENTRY}      api_key: os.environ/KEY\n", KEY="${CANARY}")
    assert config.deployments[0].problem is None
    assert config.notices == ()


# No models


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("model_list: []\n", "`model_list` is empty"),
        ("model_list:\n", "`model_list` is empty"),
        ("{}\n", "there is no `model_list`"),
        ("models:\n  - model_name: m\n", "is it `models` on line 1?"),
        ("model-list: []\n", "is it `model-list` on line 1?"),
        ("model_lst: []\n", "is it `model_lst` on line 1?"),
        ("deployments:\n  - model_name: m\n", "is it `deployments` on line 1?"),
        ("litellm_settings:\n  model_list: []\n", "the one on line 2 stands inside"),
    ],
)
def test_a_file_without_models_says_what_may_have_been_meant(text: str, words: str) -> None:
    config = parse(text)
    assert config.deployments == ()
    (told,) = (notice.message for notice in config.notices if notice.key == "model_list")
    assert words in told


def test_a_foreign_spelling_that_breaks_the_yaml_is_explained_all_the_same() -> None:
    """In braces `${NAME}` is no YAML."""
    error = fail("model_list:\n  - {model_name: m, litellm_params: {api_key: ${GROQ_KEY}}}\n")
    assert error.line == 2
    assert "expected `,` or `}`, but got `{`" in str(error)
    assert "`os.environ/GROQ_KEY`" in str(error)
