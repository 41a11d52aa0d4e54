from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from puna.dialects.base import Target
from puna.errors import AuthenticationError, BadRequestError
from puna.providers.base import Provider, first_set, resolve_target
from puna.providers.table import PROVIDERS, split_model
from puna.types.secret import Secret

LLAMA, OPENAI = PROVIDERS["meta_llama"], PROVIDERS["openai"]
PROXY, EMBEDDED = PROVIDERS["litellm_proxy"], PROVIDERS["embedded"]
EVERY_KEY = {
    "LLAMA_API_KEY": "sk-llama",
    "OPENAI_API_KEY": "sk-openai",
    "LITELLM_PROXY_API_KEY": "sk-proxy",
    "META_API_KEY": "sk-meta",
    "ANTHROPIC_API_KEY": "sk-anthropic",
}
SAYS_NO_KEY = EVERY_KEY | {"LLAMA_API_KEY": ""}


def key_of(target: Target) -> str | None:
    return target.api_key.reveal() if target.api_key is not None else None


def resolve(provider: Provider, environ: dict[str, str], **arguments: Any) -> Target:
    return resolve_target(provider, "m", environ, **arguments)


@pytest.mark.case(4)
def test_an_argument_beats_the_environment_and_that_beats_the_row() -> None:
    environ = {"LLAMA_API_KEY": "k", "LLAMA_API_BASE": "http://env/v1/"}
    assert resolve(LLAMA, environ, api_base="http://arg/v1//").base_url == "http://arg/v1"
    assert resolve(LLAMA, environ).base_url == "http://env/v1"
    assert resolve(LLAMA, {"LLAMA_API_KEY": "k"}).base_url == "https://api.llama.com/compat/v1"
    blank = {"LLAMA_API_KEY": "k", "LLAMA_API_BASE": "  "}
    assert resolve(LLAMA, blank, api_base=" ").base_url == "https://api.llama.com/compat/v1"


@pytest.mark.case(5)
def test_a_key_as_argument_beats_the_environment() -> None:
    assert key_of(resolve(LLAMA, EVERY_KEY, api_key=Secret("arg"))) == "arg"
    assert key_of(resolve(LLAMA, EVERY_KEY)) == "sk-llama"
    assert key_of(resolve(LLAMA, {"LLAMA_API_KEY": " sk-1\n"})) == "sk-1"
    assert key_of(resolve(LLAMA, EVERY_KEY, api_key=Secret("  "))) == "sk-llama"


@pytest.mark.case(6, 7)
@pytest.mark.parametrize("environ", [{}, {"LLAMA_API_KEY": " \t"}, SAYS_NO_KEY])
def test_without_a_key_the_own_host_is_not_asked_and_the_error_names_the_ways_out(
    environ: dict[str, str],
) -> None:
    with pytest.raises(AuthenticationError) as raised:
        resolve(LLAMA, environ)
    error = raised.value
    assert (error.status_code, error.code) == (401, "missing_api_key")
    for words in (
        "`LLAMA_API_KEY`",
        "`LLAMA_API_BASE`",
        "`embedded/smollm2-135m`",
        "Nothing was sent",
        "2026-07-06",
    ):
        assert words in str(error)
    with pytest.raises(AuthenticationError) as other:
        resolve(OPENAI, {"LLAMA_API_KEY": "k"})
    assert "2026" not in str(other.value)
    with pytest.raises(AuthenticationError, match="or give `api_key`; use the embedded"):
        resolve(replace(OPENAI, base_url_variables=()), {})


@pytest.mark.case(7)
@pytest.mark.parametrize("base", ["http://localhost:8000", "https://api.openai.com.evil.test/v1"])
def test_the_openai_key_never_goes_to_an_address_that_a_call_names(base: str) -> None:
    assert key_of(resolve(OPENAI, EVERY_KEY, api_base=base)) is None
    assert key_of(resolve(OPENAI, EVERY_KEY, api_base=base, api_key=Secret("mine"))) == "mine"
    row, model = split_model("any-model", has_api_base=True)
    assert key_of(resolve_target(row, model, EVERY_KEY, api_base=base)) is None


@pytest.mark.case(7)
def test_the_openai_key_goes_to_its_own_host_and_to_the_one_of_the_environment() -> None:
    assert key_of(resolve(OPENAI, EVERY_KEY)) == "sk-openai"
    assert key_of(resolve(OPENAI, EVERY_KEY, api_base="https://api.openai.com/v1/")) == "sk-openai"
    moved = EVERY_KEY | {"OPENAI_BASE_URL": "http://mine/v1", "OPENAI_API_BASE": "http://other"}
    target = resolve(OPENAI, moved)
    assert (target.base_url, key_of(target)) == ("http://mine/v1", "sk-openai")


@pytest.mark.case(7)
@given(
    st.sampled_from(sorted(PROVIDERS)),
    st.sets(st.sampled_from(sorted(EVERY_KEY))),
    st.none() | st.just("http://elsewhere/v1"),
)
def test_no_provider_ever_gets_the_key_of_another(
    name: str, names: set[str], base: str | None
) -> None:
    row = PROVIDERS[name]
    environ = {variable: EVERY_KEY[variable] for variable in names}
    try:
        key = key_of(resolve(row, environ, api_base=base))
    except (AuthenticationError, BadRequestError):
        return
    assert key in {None, *(environ.get(variable) for variable in row.key_variables)}


def test_another_host_than_the_own_needs_no_key() -> None:
    assert resolve(LLAMA, {}, api_base="http://mine").api_key is None
    assert resolve(LLAMA, {"LLAMA_API_BASE": "http://mine"}).api_key is None
    assert key_of(resolve(LLAMA, EVERY_KEY, api_base="http://mine")) == "sk-llama"
    assert resolve(EMBEDDED, EVERY_KEY).api_key is None
    assert resolve(EMBEDDED, {}).base_url == "embedded://local"


def test_a_provider_without_a_host_needs_a_base() -> None:
    with pytest.raises(BadRequestError, match="`LITELLM_PROXY_API_BASE`") as raised:
        resolve(PROXY, EVERY_KEY)
    assert raised.value.param == "api_base"
    nameless = replace(PROXY, base_url_variables=())
    with pytest.raises(BadRequestError, match=r"give `api_base`\.$"):
        resolve(nameless, EVERY_KEY)
    assert key_of(resolve(PROXY, EVERY_KEY, api_base="http://proxy:4000")) == "sk-proxy"
    assert resolve(PROXY, {}, api_base="http://proxy:4000").base_url == "http://proxy:4000"


@pytest.mark.parametrize(
    "base",
    [
        "localhost:8000",
        "ftp://host/v1",
        "http://",
        "http://:80",
        "http://[::1",
        "http://host:port",
        "http://host:99999",
        "http://host:0",
        "http://a b/v1",
        "http://host\x00/v1",
        "embedded://other",
        "text",
    ],
)
def test_an_address_that_is_none_is_refused(base: str) -> None:
    with pytest.raises(BadRequestError, match="must be an address such as") as raised:
        resolve(LLAMA, {"LLAMA_API_KEY": "k"}, api_base=base)
    assert raised.value.param == "api_base"


@pytest.mark.case(37)
def test_a_password_in_a_wrong_address_is_not_shown() -> None:
    with pytest.raises(BadRequestError, match="http://…@host:port") as raised:
        resolve(LLAMA, {}, api_base="http://user:sk-1@host:port")
    assert "sk-1" not in str(raised.value)


def test_a_query_in_the_base_is_kept_apart_and_a_fragment_is_dropped() -> None:
    target = resolve(LLAMA, {}, api_base="http://host:8000/v1/?api-version=1&x=a%20b#part")
    assert target.base_url == "http://host:8000/v1"
    assert target.query == {"api-version": "1", "x": "a b"}
    assert resolve(LLAMA, {}, api_base="http://[::1]:8000/v1").base_url == "http://[::1]:8000/v1"


@pytest.mark.case(17, 37)
@pytest.mark.parametrize("key", ["sk-1\r\nX-Evil: 1", "sk-é", "sk-\x00"])
def test_a_key_that_could_break_a_header_is_refused_and_not_shown(key: str) -> None:
    for arguments in ({"api_key": Secret(key)}, {}):
        with pytest.raises(BadRequestError) as raised:
            resolve(LLAMA, {"LLAMA_API_KEY": key}, **arguments)
        assert raised.value.param == "api_key"
        assert "sk-" not in str(raised.value)


def test_a_target_carries_what_its_row_and_the_catalogue_know() -> None:
    target = resolve_target(LLAMA, "Llama-3.3-8B-Instruct", {"LLAMA_API_KEY": "k"})
    assert target.input_modalities == frozenset(("text",))
    assert (target.provider, target.model) == ("meta_llama", "Llama-3.3-8B-Instruct")
    assert (target.quirks, target.retirement) == (LLAMA.own_quirks, LLAMA.retirement)
    elsewhere = resolve_target(LLAMA, "m", {"LLAMA_API_BASE": "http://localhost:8000/v1"})
    assert target.is_service
    assert not elsewhere.is_service
    assert resolve_target(LLAMA, "unknown", {"LLAMA_API_KEY": "k"}).input_modalities is None
    assert "sk-llama" not in repr(resolve(LLAMA, EVERY_KEY))


def test_the_first_variable_that_holds_something_wins() -> None:
    assert first_set({"A": " ", "B": " b ", "C": "c"}, ("A", "B", "C")) == "b"
    assert first_set({}, ("A",)) is None


# --- provider/model


@pytest.mark.case(3, 28)
@pytest.mark.parametrize(
    ("model", "provider", "upstream"),
    [
        ("meta_llama/Llama-3.3-70B-Instruct", "meta_llama", "Llama-3.3-70B-Instruct"),
        ("meta_llama/unknown", "meta_llama", "unknown"),
        ("litellm_proxy/meta_llama/X", "litellm_proxy", "meta_llama/X"),
        ("embedded//path/to.gguf", "embedded", "/path/to.gguf"),
        ("openai/org/model", "openai", "org/model"),
    ],
)
def test_the_prefix_names_the_provider(model: str, provider: str, upstream: str) -> None:
    for has_api_base in (False, True):
        row, name = split_model(model, has_api_base=has_api_base)
        assert (row.name, name) == (provider, upstream)


def test_a_provider_by_argument_beats_the_prefix() -> None:
    assert split_model("m", provider="meta_llama") == (LLAMA, "m")
    assert split_model("meta_llama/m", provider="meta_llama") == (LLAMA, "m")
    assert split_model("meta_llama/m", provider="litellm_proxy") == (PROXY, "meta_llama/m")


@pytest.mark.case(150)
@pytest.mark.parametrize(
    ("model", "provider"), [("gpt", None), ("acme/gpt", None), ("/m", None), ("m", "acme")]
)
def test_an_unknown_provider_is_an_error_that_lists_the_known_ones(
    model: str, provider: str | None
) -> None:
    with pytest.raises(BadRequestError) as raised:
        split_model(model, provider=provider)
    for name in PROVIDERS:
        assert f"{name}/" in str(raised.value)
    assert f"`{model}`" in str(raised.value)
    assert raised.value.param == "model"
    with pytest.raises(BadRequestError) as long:
        split_model("x" * 10_000)
    assert len(str(long.value)) < 600


@pytest.mark.case(150)
def test_a_prefix_without_a_model_is_an_error_that_says_so() -> None:
    for provider in (None, "meta_llama"):
        with pytest.raises(BadRequestError, match="names no model"):
            split_model("meta_llama/", provider=provider)


def test_a_prefix_that_is_no_providers_never_goes_to_the_host_in_the_models_name() -> None:
    with pytest.raises(BadRequestError, match=r"did you mean `groq/`.*`openai/grok/m`"):
        split_model("grok/m", has_api_base=True)
    with pytest.raises(BadRequestError, match=r"`openai/meta-llama/Llama-3\.3-70B-Instruct`"):
        split_model("meta-llama/Llama-3.3-70B-Instruct", has_api_base=True)


@pytest.mark.parametrize(
    ("prefix", "meant"),
    [
        ("vllm", "hosted_vllm"),
        ("llama", "meta_llama"),
        ("together", "together_ai"),
        ("opnai", "openai"),
        ("LMStudio", "lm_studio"),
        ("nope", None),
        ("watsonx", None),
    ],
)
def test_a_prefix_that_is_nearly_a_providers_names_it(prefix: str, meant: str | None) -> None:
    with pytest.raises(BadRequestError) as caught:
        split_model(f"{prefix}/m")
    hint = f": did you mean `{meant}/`? For" if meant else ". For"
    assert f"Unknown provider `{prefix}` in `{prefix}/m`{hint}" in str(caught.value)


def test_with_an_api_base_a_name_without_prefix_is_a_model_of_an_openai_like_server() -> None:
    assert split_model("m", has_api_base=True) == (OPENAI, "m")
    own = {"meta_llama": LLAMA}
    assert split_model("m", has_api_base=True, providers=own) == (OPENAI, "m")


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-4o", "openai"),
        ("o3-mini", "openai"),
        ("chatgpt-4o-latest", "openai"),
        ("ft:gpt-4o-mini-2024-07-18:org::id", "openai"),
        ("text-embedding-3-small", "openai"),
        ("omni-moderation-latest", "openai"),
        ("claude-sonnet-4-5", "anthropic"),
        ("claude-3-5-haiku-latest", "anthropic"),
        ("gemini-2.5-pro", "gemini"),
        ("mistral-large-latest", "mistral"),
        ("codestral-latest", "mistral"),
        ("open-mixtral-8x7b", "mistral"),
        ("command-a-03-2025", "cohere"),
        ("embed-english-v3.0", "cohere"),
        ("deepseek-chat", "deepseek"),
        ("grok-4", "xai"),
    ],
)
def test_a_bare_name_belongs_to_its_maker(model: str, provider: str) -> None:
    row, name = split_model(model)

    assert (row.name, name) == (provider, model)


def test_a_bare_name_with_an_address_is_the_servers_there_and_a_prefix_wins() -> None:
    assert split_model("claude-sonnet-4-5", has_api_base=True)[0].name == "openai"
    assert split_model("groq/gpt-oss")[0].name == "groq"
    assert split_model("gpt-4o", provider="azure")[0].name == "azure"
    for unknown in ("llama-3.3-70b", "org/gpt-4o", "my-gpt-4o", ""):
        with pytest.raises(BadRequestError, match=r"No provider in|Unknown provider"):
            split_model(unknown)


def test_no_two_hosts_claim_one_bare_name() -> None:
    claims = {(prefix, row.base_url) for row in PROVIDERS.values() for prefix in row.bare_names}
    prefixes = sorted(prefix for prefix, _ in claims)
    for first, second in pairwise(prefixes):
        assert not second.startswith(first), (first, second)
