"""LiteLLM's config.yaml: what is read, what is reported, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.litellm_configs import CANARY, ONE, fail, parse, with_params

from puna.config.litellm_keys import SECTIONS
from puna.config.litellm_yaml import load_litellm_yaml
from puna.config.matching import expand_names, find_deployments
from puna.config.schema import GatewayConfig
from puna.config.usable import why_unusable
from puna.errors import ConfigError
from puna.types.secret import Secret

SEED = """\
model_list:
  - model_name: meta_llama/Llama-3.3-70B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-70B-Instruct
      api_key: os.environ/LLAMA_API_KEY

  - model_name: meta_llama/Llama-3.3-8B-Instruct
    litellm_params:
      model: meta_llama/Llama-3.3-8B-Instruct
      api_key: os.environ/LLAMA_API_KEY
"""
NO_ENVIRON: dict[str, str] = {}


def messages(config: GatewayConfig) -> list[str]:
    return [notice.message for notice in config.notices]


# The page's own file


@pytest.mark.case(112)
def test_the_pages_config_loads_with_its_variable() -> None:
    config = parse(SEED, LLAMA_API_KEY="sk-llama")
    first, second = config.deployments
    assert first.public_name == first.model == "meta_llama/Llama-3.3-70B-Instruct"
    assert first.api_key == second.api_key == Secret("sk-llama")
    assert (first.line, second.line) == (2, 7)
    assert first.missing_variable is None
    assert config.notices == ()
    assert config.server.master_key is None


@pytest.mark.case(112, 159)
@pytest.mark.parametrize("environ", [{}, {"LLAMA_API_KEY": ""}])
def test_the_pages_config_loads_without_its_variable_and_remembers_it(
    environ: dict[str, str],
) -> None:
    environ = {**environ, "OPENAI_API_KEY": CANARY, "META_LLAMA_API_KEY": CANARY}
    config = parse(SEED, **environ)
    for deployment in config.deployments:
        assert deployment.api_key is None
        assert deployment.missing_variable == "LLAMA_API_KEY"
        assert deployment.unset_variables == ("LLAMA_API_KEY",)
        assert why_unusable(deployment, may_lack_key=True) is None


# Variables


@pytest.mark.case(159)
def test_a_missing_key_names_variable_and_model() -> None:
    config = parse(SEED)
    reason = why_unusable(config.deployments[0])
    assert reason is not None
    assert "`LLAMA_API_KEY`" in reason
    assert "`meta_llama/Llama-3.3-70B-Instruct`" in reason


@pytest.mark.case(159)
@pytest.mark.parametrize(
    "line",
    [
        "api_base: os.environ/NOT_SET",
        "api_version: os.environ/NOT_SET",
        "extra_headers: {X-Auth: os.environ/NOT_SET}",
    ],
)
def test_an_unset_address_makes_a_deployment_unusable(line: str) -> None:
    text = with_params(line)
    (only_one,) = parse(text, LLAMA_API_BASE="http://other").deployments
    assert "model `m` cannot be used" in str(only_one.problem)
    assert "`NOT_SET`" in str(only_one.problem)
    second = "  - model_name: n\n    litellm_params: {model: meta_llama/B}\n"
    config = parse(text + second)
    first, other = config.deployments
    assert first.problem is not None
    assert why_unusable(first, may_lack_key=True) == first.problem
    assert other.problem is None
    assert any("`NOT_SET`" in text and "(line 5)" in text for text in messages(config))


@pytest.mark.parametrize("key", ["model", "model_name"])
def test_an_unset_name_is_an_error(key: str) -> None:
    line = {"model": "      model: meta_llama/A", "model_name": "  - model_name: m"}[key]
    before = line.partition(":")[0]
    error = fail(ONE.replace(line, f"{before}: os.environ/NOT_SET"))
    assert "`NOT_SET`, which is not set" in str(error)


def test_any_other_unset_variable_is_a_warning_and_the_key_counts_as_not_given() -> None:
    text = with_params(
        "temperature: os.environ/T\nstop: a\nallowed_openai_params: [os.environ/U, a]"
    )
    config = parse(text + "router_settings:\n  timeout: os.environ/V\n")
    deployment = config.deployments[0]
    assert deployment.params == {"stop": "a"}
    assert deployment.allowed_params == ("a",)
    assert config.router.timeout_s is None
    assert {notice.line for notice in config.notices} == {5, 7, 9}
    assert ["`T`" in text or "`U`" in text or "`V`" in text for text in messages(config)] == [
        True,
        True,
        True,
    ]


@pytest.mark.case(159)
@pytest.mark.parametrize("environ", [{}, {"KEY": " "}])
def test_an_unset_master_key_never_opens_the_gateway(environ: dict[str, str]) -> None:
    text = f"{ONE}general_settings:\n  master_key: os.environ/KEY\n"
    error = fail(text, **environ)
    assert error.line == 6
    assert error.key == "general_settings.master_key"
    assert "`KEY`, which is not set" in str(error)
    assert error.warnings == ()  # none says that the gateway is open
    assert parse(text, KEY="sk-x-long").server.master_key == Secret("sk-x-long")


@pytest.mark.case(161)
def test_environment_variables_apply_before_the_rest_and_are_never_shown() -> None:
    text = (
        SEED + "environment_variables:\n  LLAMA_API_KEY: os.environ/REAL\n  DEBUG: on\n"
        "  PORT: 0815\n  GONE: os.environ/NOT_SET\n  NOTHING:\n"
    )
    config = parse(text, REAL=CANARY, LLAMA_API_KEY="sk-outer")
    assert config.deployments[0].api_key == Secret(CANARY)
    assert {name: secret.reveal() for name, secret in config.environment.items()} == {
        "LLAMA_API_KEY": CANARY,
        "DEBUG": "on",
        "PORT": "0815",
    }
    assert CANARY not in repr(config)
    assert [notice.key for notice in config.notices] == ["environment_variables.GONE"]
    assert "must be a text, not a list" in str(
        fail(f"{ONE}environment_variables:\n  A: [{CANARY}]\n")
    )


@pytest.mark.parametrize(
    "variable", ['"": x', '"A=B": x', '"A\\0B": x', 'A: "x\\0y"', 'A: "x\\ud800y"', '"=": true']
)
def test_a_variable_that_no_environment_can_hold_is_an_error_at_its_line(variable: str) -> None:
    error = fail(f"{ONE}environment_variables:\n  {variable}\n")
    assert error.line == 6
    assert "environment variable" in str(error)


@pytest.mark.parametrize("name", ["X Key", "a\\nb", "X:", "schl\u00fcssel"])
def test_what_no_header_can_be_called_is_no_header_for_keys(name: str) -> None:
    error = fail(f'{ONE}general_settings: {{litellm_key_header_name: "{name}"}}\n')
    assert error.key == "general_settings.litellm_key_header_name"
    assert "must be the name of a header" in str(error)


@pytest.mark.case(162)
def test_wildcards_serve_and_list() -> None:
    text = "model_list:\n  - model_name: meta_llama/*\n    litellm_params: {model: meta_llama/*}\n"
    config = parse(text)
    (found,) = find_deployments(config.deployments, "meta_llama/X", {})
    assert found.model == "meta_llama/X"
    assert expand_names(config, ["meta_llama/A"]) == ("meta_llama/A",)


@pytest.mark.case(167)
@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("model_list: {a: 1}\n", 1, "`model_list` must be a list"),
        ("a: 1\nmodel_list: hello\n", 2, "`model_list` must be a list"),
        ("model_list:\n  - hello\n", 2, "`model_list[0]` must be a mapping"),
        ("model_list:\n  - litellm_params: {model: a/b}\n", 2, "model_name` is missing"),
        ("model_list:\n  - model_name: m\n", 2, "litellm_params.model` is missing"),
        ("model_list:\n  - model_name: m\n    litellm_params: x\n", 3, "must be a mapping"),
        (
            "model_list:\n  - model_name: m\n    litellm_params:\n      modle: a/b\n",
            3,
            "did you mean it by `modle`",
        ),
        ("model_list:\n  - model_name: m\n    litellm_params:\n      model:\n", 4, "is missing"),
        ("model_list:\n  - model_name: a*b*\n    litellm_params: {model: x}\n", 2, "one `*` at"),
        ("model_list:\n  - model_name: a*\n    litellm_params: {model: '**'}\n", 2, "one `*` at"),
        ("model_list:\n  - model_name: m\n    litellm_params: {model: x/*}\n", 3, "has no `*`"),
        (with_params("timeout: soon"), 5, "a number above 0, not the text `soon`"),
        (with_params("timeout: 0"), 5, "a number above 0, not the number `0`"),
        (with_params("timeout: .inf"), 5, "a number above 0"),
        (with_params("max_retries: 1.5"), 5, "a whole number of 0 or more, not the number `1.5`"),
        (with_params("max_retries: true"), 5, "not the truth value `true`"),
        (with_params("drop_params: maybe"), 5, "true or false, not the text `maybe`"),
        (with_params("drop_params: 2.5"), 5, "true or false, not the number"),
        (with_params("rpm: -1"), 5, "a whole number of 0 or more"),
        (with_params("rpm: [1]"), 5, "a whole number of 0 or more, not a list"),
        (with_params("weight: -1"), 5, "a number of 0 or more"),
        (with_params("api_base: true"), 5, "must be a text, not true or false"),
        (with_params("api_base: {a: b}"), 5, "must be a text, not a mapping"),
        (with_params("tags: 3"), 5, "a list of texts, not a number"),
        (with_params("extra_headers: [a]"), 5, "must be a mapping, not a list"),
        (with_params("input_cost_per_token: free"), 5, "a price"),
        (with_params("input_cost_per_token: -1"), 5, "a price"),
        (with_params("input_cost_per_token: true"), 5, "a price"),
        (f"{ONE}router_settings: 3\n", 5, "must be a mapping, not a number"),
        (f"{ONE}litellm_settings:\n  num_retries: lots\n", 6, "not the text `lots`"),
        (f"{ONE}router_settings:\n  routing_strategy: least-bussy\n", 6, "mean `least-busy`"),
        (f"{ONE}router_settings:\n  routing_strategy: 99\n", 6, "use one of simple-shuffle"),
        (f"{ONE}router_settings:\n  fallbacks: [a]\n", 6, "a mapping of a model name"),
        (f"{ONE}router_settings:\n  fallbacks:\n    - a:\n", 7, "a list of texts, not empty"),
        (f"{ONE}router_settings:\n  model_group_alias: {{a: }}\n", 6, "must name a model"),
        (f"{ONE}router_settings:\n  model_group_alias: {{a: {{}}}}\n", 6, "must name a model"),
        (f"{ONE}general_settings:\n  master_key: ''\n", 6, "is blank"),
        (f"{ONE}general_settings:\n  max_request_size_mb: big\n", 6, "not the text `big`"),
    ],
)
def test_what_cannot_be_used_is_one_line_with_file_and_line(
    text: str, line: int, words: str
) -> None:
    error = fail(text)
    assert words in str(error)
    assert error.line == line
    assert str(error).startswith(f"config.yaml:{line}: ")
    assert len(error.problems) == 1


def test_two_deployments_cannot_share_an_id() -> None:
    entry = "  - model_name: m\n    litellm_params: {model: a/b}\n    model_info: {id: x}\n"
    error = fail(f"model_list:\n{entry}{entry}")
    assert error.line == 7
    assert "on line 2 too" in str(error)


def test_a_file_without_models_says_so() -> None:
    config = parse("model_list:\nlitellm_settings:\n")
    assert config.deployments == ()
    assert messages(config) == ["`model_list` is empty: the file names no model (line 1)"]


# Settings


@pytest.mark.case(164)
def test_litellm_settings_arrive() -> None:
    config = parse(
        f"{ONE}litellm_settings:\n  drop_params: true\n  num_retries: 5\n  request_timeout: 10\n"
        "  fallbacks: [{m: [m]}]\n  context_window_fallbacks: {m: m}\n"
        "  default_fallbacks: [m]\n  callbacks: otel\n  success_callback: [a, b]\n"
        "  failure_callback: [c]\n  turn_off_message_logging: true\n  json_logs: true\n"
        "  set_verbose: yes\n"
    )
    settings = config.settings
    assert settings.drop_params
    assert (settings.num_retries, settings.request_timeout_s) == (5, 10)
    assert settings.callbacks == ("otel",)
    assert settings.success_callback == ("a", "b")
    assert settings.failure_callback == ("c",)
    assert settings.turn_off_message_logging
    assert settings.json_logs
    assert settings.set_verbose
    assert config.router.fallbacks == {"m": ("m",)}
    assert config.router.context_window_fallbacks == {"m": ("m",)}
    assert config.router.default_fallbacks == ("m",)
    assert config.notices == ()


def test_general_settings_arrive() -> None:
    server = parse(
        f"{ONE}general_settings:\n  master_key: ' {CANARY} '\n  max_request_size_mb: 0.5\n"
        "  litellm_key_header_name: X-My-Key\n"
    ).server
    assert server.master_key == Secret(CANARY)
    assert server.max_request_bytes == 512 * 1024
    assert server.key_header_name == "x-my-key"
    assert parse(ONE).server.max_request_bytes == 32 * 1024 * 1024


@pytest.mark.case(158)
def test_a_key_that_everybody_knows_starts_with_a_warning() -> None:
    config = parse(f"{ONE}general_settings:\n  master_key: sk-1234\n")
    assert config.server.master_key == Secret("sk-1234")
    (notice,) = config.notices
    assert notice.severity == "warning"
    assert "everybody knows" in notice.message
    assert "1234" not in notice.message


@pytest.mark.case(158)
def test_an_empty_master_key_line_is_open_with_a_warning() -> None:
    config = parse(f"{ONE}general_settings:\n  master_key:\n")
    assert config.server.master_key is None
    assert "the gateway is open" in messages(config)[0]


def test_unknown_keys_of_an_entry_are_said() -> None:
    config = parse(f"{ONE}    api_base: http://h\n    qqqqqq: 1\n    modl_info: {{}}\n")
    assert messages(config) == [
        (
            "unknown key `api_base` in model_list[0]: `api_base` belongs inside "
            "`litellm_params` (line 5)"
        ),
        "unknown key `qqqqqq` in model_list[0]: ignored (line 6)",
        "unknown key `modl_info` in model_list[0]: did you mean `model_info`? (line 7)",
    ]


# Files


@pytest.mark.case(167)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing\.yaml: .*no such file"):
        load_litellm_yaml(tmp_path / "missing.yaml", NO_ENVIRON)
    with pytest.raises(ConfigError, match="is a directory"):
        load_litellm_yaml(tmp_path, NO_ENVIRON)


@pytest.mark.case(167)
def test_a_file_in_another_encoding_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"a: 1\nb: caf\xe9\n")
    with pytest.raises(ConfigError, match=r":2: the file is not UTF-8"):
        load_litellm_yaml(path, NO_ENVIRON)


def test_a_file_with_a_byte_order_mark_and_crlf_loads(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + SEED.replace("\n", "\r\n").encode())
    config = load_litellm_yaml(path, {"LLAMA_API_KEY": "k"})
    assert len(config.deployments) == 2
    assert config.file == str(path)


# Anything at all


VALUES = st.recursive(
    st.sampled_from(["a", "*", "a/*", "os.environ/A", "1", "true", "", "-1", "m"]),
    lambda inner: (
        st.lists(inner, max_size=2).map(lambda items: f"[{', '.join(items)}]")
        | st.dictionaries(st.sampled_from(["m", "*", "model"]), inner, max_size=2).map(
            lambda items: "{" + ", ".join(f"'{key}': {item}" for key, item in items.items()) + "}"
        )
    ),
    max_leaves=4,
)


@given(st.data())
def test_any_value_of_any_key_gives_a_config_or_one_line(data: st.DataObject) -> None:
    lines = ["model_list:", "  - model_name: m", "    litellm_params:", "      model: a/b"]
    given_params = data.draw(
        st.dictionaries(
            st.sampled_from(SECTIONS["model_list[].litellm_params"].known), VALUES, max_size=3
        )
    )
    lines += [f"      {key}: {value}" for key, value in given_params.items() if key != "model"]
    for name in ("litellm_settings", "general_settings", "router_settings"):
        lines.append(f"{name}:")
        keys = data.draw(st.dictionaries(st.sampled_from(SECTIONS[name].known), VALUES, max_size=3))
        lines += [f"  {key}: {value}" for key, value in keys.items()]
    found: GatewayConfig | ConfigError
    try:
        found = parse("\n".join(lines))
    except ConfigError as error:
        found = error
    if isinstance(found, ConfigError):
        assert "\n" not in "".join(found.problems)
        assert str(found) == "\n".join(found.problems)
        assert found.line is not None
    else:
        assert len(found.deployments) == 1
