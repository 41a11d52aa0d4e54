"""Each of LiteLLM's settings and keywords is obeyed, refused, or warned of once by its name."""

from __future__ import annotations

import warnings
from types import ModuleType
from typing import Any

import pytest
from tests.support.drop_in import BOTH, HI, KEY, MODEL, NAME, DropIn, raised_by
from tests.support.upstream import TEXT, Reply, Upstream

import litellm
from litellm import settings
from litellm.released import names_of
from litellm.settings import (
    INTERNAL_KEYWORDS,
    LOCAL_KEYWORDS,
    OBEYED,
    OBEYED_KEYWORDS,
    REFUSED,
    REFUSED_KEYWORDS,
    SettingWarning,
)

UNBUILT = sorted(LOCAL_KEYWORDS.difference(OBEYED_KEYWORDS, INTERNAL_KEYWORDS, REFUSED_KEYWORDS))


@pytest.fixture(autouse=True)
def _nothing_was_warned_of() -> None:
    settings._warned.clear()


def mock_call(**keywords: Any) -> Any:
    return litellm.completion(MODEL, HI, mock_response="hey", **keywords)


def other_than(default: Any) -> Any:
    """A value that a user could set in place of LiteLLM's default."""
    return not default if isinstance(default, bool) else ["x"]


@pytest.mark.parametrize(
    "name", sorted(settings._settable().keys() - REFUSED.keys() - {"TYPE_CHECKING"})
)
def test_a_setting_that_does_nothing_is_warned_of_once(name: str) -> None:
    setattr(litellm, name, other_than(names_of("litellm")["values"][name]))

    with pytest.warns(SettingWarning, match=f"`litellm.{name}` is set"):
        mock_call()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mock_call()


@pytest.mark.parametrize("name", sorted(REFUSED))
def test_a_setting_without_which_a_call_would_differ_is_refused(name: str) -> None:
    setattr(litellm, name, ["x"])

    with pytest.raises(litellm.UnsupportedParamsError, match=rf"`litellm\.{name}`"):
        mock_call()


def test_a_default_and_a_list_that_nobody_filled_are_no_setting() -> None:
    for name, value in names_of("litellm")["values"].items():
        if not isinstance(value, dict):
            found = getattr(litellm, name)
            assert found == value or name in OBEYED or isinstance(found, ModuleType)
    assert mock_call().choices[0].message.content == "hey"


def test_a_list_that_is_filled_in_place_is_a_setting() -> None:
    litellm.audit_log_callbacks.append("x")

    with pytest.warns(SettingWarning, match="audit_log_callbacks"):
        mock_call()


@pytest.mark.parametrize("name", [*UNBUILT, "langfuse_secret_key", "output_cost_per_image"])
def test_a_keyword_that_does_nothing_is_warned_of_and_not_sent(
    name: str, upstream: Upstream
) -> None:
    keywords: dict[str, Any] = {name: "x"}
    with pytest.warns(SettingWarning, match=f"`{name}` is set"):
        litellm.completion(MODEL, HI, api_base=upstream.url, api_key=KEY, **keywords)

    assert upstream.requests[0].json == {"model": NAME, "messages": HI}


@pytest.mark.parametrize("name", sorted(REFUSED_KEYWORDS))
def test_a_keyword_without_which_a_call_would_differ_is_refused(name: str) -> None:
    with pytest.raises(litellm.UnsupportedParamsError, match=f"`{name}`"):
        mock_call(**{name: "x"})


@BOTH
def test_what_litellms_functions_hand_to_each_other_is_not_sent(
    face: DropIn, upstream: Upstream
) -> None:
    face.ask(upstream, **dict.fromkeys(INTERNAL_KEYWORDS - {"self"}, "x"))

    assert upstream.requests[0].json == {"model": NAME, "messages": HI}


def test_the_key_of_a_hosts_setting_goes_to_that_host_only(
    upstream: Upstream, environ: dict[str, str]
) -> None:
    environ["LLAMA_API_BASE"] = upstream.url
    litellm.__dict__["llama_api_key"] = "of-llama"
    litellm.openai_key = "of-openai"

    litellm.completion(MODEL, HI)
    litellm.completion("hosted_vllm/x", HI, api_base=upstream.url)

    sent = [request.headers.get("authorization") for request in upstream.requests]
    assert sent == ["Bearer of-llama", None]


def test_organization_and_project_reach_openai(upstream: Upstream) -> None:
    litellm.organization = "org"
    litellm.project = "proj"

    litellm.completion("openai/x", HI, api_base=upstream.url, api_key=KEY)
    litellm.completion("groq/x", HI, api_base=upstream.url, api_key=KEY)

    first, second = (request.headers for request in upstream.requests)
    assert (first["openai-organization"], first["openai-project"]) == ("org", "proj")
    assert "openai-organization" not in second


@pytest.mark.parametrize("how", ["module", "call", "environment"])
def test_a_litellm_proxy_is_asked_where_that_is_wished(
    how: str, upstream: Upstream, environ: dict[str, str]
) -> None:
    environ |= {"LITELLM_PROXY_API_BASE": upstream.url, "LITELLM_PROXY_API_KEY": "of-proxy"}
    keywords: dict[str, Any] = {}
    if how == "module":
        litellm.use_litellm_proxy = True
    elif how == "call":
        keywords["use_litellm_proxy"] = True
    else:
        environ["USE_LITELLM_PROXY"] = "True"

    litellm.completion("groq/some-llama", HI, **keywords)

    (request,) = upstream.requests
    assert request.json["model"] == "groq/some-llama"
    assert request.headers["authorization"] == "Bearer of-proxy"


def test_a_rule_for_prompts_fails_a_call_before_it_is_sent(upstream: Upstream) -> None:
    seen: list[str] = []

    def is_harmless(text: str) -> bool:
        seen.append(text)
        return "secret" not in text

    litellm.pre_call_rules = [is_harmless]
    parts = [{"type": "text", "text": "a "}, {"type": "text", "text": "secret"}]

    with pytest.raises(litellm.APIResponseValidationError):
        litellm.completion(
            MODEL, [{"role": "user", "content": parts}], api_base=upstream.url, api_key=KEY
        )

    assert seen == ["a secret"]
    assert upstream.requests == []


@BOTH
@pytest.mark.parametrize("decision", [False, {"decision": False, "message": "not this"}])
def test_a_rule_for_answers_fails_a_call(face: DropIn, upstream: Upstream, decision: Any) -> None:
    litellm.post_call_rules = [lambda _: True, lambda text: decision if text == TEXT else True]

    error = raised_by(lambda: face.ask(upstream))

    assert isinstance(error, litellm.APIResponseValidationError)
    assert isinstance(decision, bool) or "not this" in error.message


@BOTH
def test_a_rule_for_answers_sees_a_stream_so_far_and_ends_it(
    face: DropIn, upstream: Upstream
) -> None:
    seen: list[str] = []

    def is_short(text: str) -> bool:
        seen.append(text)
        return len(seen) < 3

    litellm.post_call_rules = [is_short]
    upstream.plays(Reply.endless())

    error = face.stream(upstream).error

    assert isinstance(error, litellm.APIResponseValidationError)
    assert seen[0] in seen[-1]
    assert upstream.sees(lambda: upstream.open_replies == 0)


def test_a_budget_ends_with_the_call_that_passes_it(upstream: Upstream) -> None:
    litellm.max_budget = 0.00002
    prices = {"input_cost_per_token": 0.000001, "output_cost_per_token": 0.000001}
    ask: dict[str, Any] = {"api_base": upstream.url, "api_key": KEY, **prices}

    litellm.completion(MODEL, HI, **ask)
    assert litellm._current_cost == pytest.approx(0.000015)
    list(litellm.completion(MODEL, HI, stream=True, **ask))
    with pytest.raises(litellm.BudgetExceededError) as caught:
        litellm.completion(MODEL, HI, **ask)

    assert caught.value.current_cost == litellm._current_cost > 0.00002
    assert len(upstream.requests) == 2


def test_a_budget_says_which_calls_it_cannot_count(upstream: Upstream) -> None:
    litellm.max_budget = 1.0

    with pytest.warns(SettingWarning, match="price is unknown"):
        litellm.completion("hosted_vllm/mine", HI, api_base=upstream.url)

    assert litellm._current_cost == 0.0


def test_models_without_a_price_can_be_blocked(upstream: Upstream) -> None:
    litellm.block_requests_for_models_without_pricing = True

    with pytest.raises(litellm.ModelNotMappedError, match="register_model"):
        litellm.completion("hosted_vllm/mine", HI, api_base=upstream.url)

    assert upstream.requests == []


SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
FORMAT = {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}


@pytest.mark.parametrize("text", ['{"n": "one"}', "no JSON"])
@pytest.mark.parametrize("how", ["module", "call"])
def test_an_answer_is_held_to_its_schema_where_that_is_wished(text: str, how: str) -> None:
    keywords: dict[str, Any] = {"enable_json_schema_validation": True} if how == "call" else {}
    litellm.enable_json_schema_validation = how == "module"

    with pytest.raises(litellm.JSONSchemaValidationError) as caught:
        litellm.completion(
            "openai/gpt-4o", HI, mock_response=text, response_format=FORMAT, **keywords
        )

    assert caught.value.raw_response == text
    litellm.completion(
        "openai/gpt-4o", HI, mock_response='{"n": 1}', response_format=FORMAT, **keywords
    )


def test_a_call_that_is_not_logged_is_told_to_nobody() -> None:
    told: list[Any] = []
    litellm.success_callback = [lambda *facts: told.append(facts)]

    mock_call(**{"no-log": True})
    assert told == []
    mock_call()
    assert len(told) == 1
