"""Each row of the table of options, in every scope: taken where it may stand, refused elsewhere.

The table is walked, so a new row is tried in all of its scopes. A new kind needs two `VALUES`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from docs.reference_pages import options_page
from jsonschema import Draft202012Validator
from tests.support.asgi import CHAT, House
from tests.support.faces import HI, MODEL, settings_for
from tests.support.upstream import Upstream

import puna.types.option_kinds as kinds
from litellm.settings import LOCAL_KEYWORDS, OBEYED_KEYWORDS
from puna import BadRequestError, Client
from puna.config.litellm_keys import REQUEST_PARAMS
from puna.config.litellm_keys import SECTIONS as KEYS
from puna.config.litellm_yaml import parse_litellm_yaml
from puna.config.schema import GatewayConfig
from puna.errors import ConfigError
from puna.gateway.openapi.requests import request_schemas
from puna.types.option_kinds import CONFIG_SCOPES, Kind, Option, Scope
from puna.types.option_scopes import BY_NAME, CALL_OPTIONS, options_in
from puna.types.options import OPTIONS

VALUES: Mapping[Kind, tuple[Any, Any]] = {
    kinds.ADDRESS: ("UPSTREAM", {"a": 1}),
    kinds.ALIASES: ({"other": "m"}, "m"),
    kinds.ANSWER: ("a text", 7),
    kinds.ANSWER_TEXT: ("a text", {"a": 1}),
    kinds.BOOLEAN: (True, "perhaps"),
    kinds.COUNT: (4, -1),
    kinds.DOLLARS: ("12.50", "much"),
    kinds.DURATION: ("30d", "0d"),
    kinds.FALLBACKS: ([MODEL], MODEL),
    kinds.FALLBACK_LISTS: ([{"m": ["m"]}], 7),
    kinds.FALLBACK_NAMES: (["m"], 7),
    kinds.FEW_NAMES: ([MODEL], [MODEL] * 33),
    kinds.FILE: ("responses.db", {"a": 1}),
    kinds.HEADERS: ({"x-a": "b"}, ["x-a"]),
    kinds.HEADER_NAME: ("X-Key", {"a": 1}),
    kinds.HOST_NAMES: (["host.example"], 7),
    kinds.HOST_SETTING: ("us-east-1", {"a": 1}),
    kinds.LOGIN: ("somebody", {"a": 1}),
    kinds.MEGABYTES: (8, -1),
    kinds.MODEL_BUDGETS: ({"m": {"max_budget": 1}}, {"m": {"max_budget": -1}}),
    kinds.NAMES: (["top_p"], 7),
    kinds.NUMBER: (3, -1),
    kinds.OBJECT: ({"a": 1}, ["a"]),
    kinds.PAUSE: (4, -1),
    kinds.POSITIVE: (9, 0),
    kinds.PRICE: ("0.000001", "much"),
    kinds.REFUSAL: (422, 500),
    kinds.SECONDS: (0.5, 0),
    kinds.SECONDS_OF_A_DAY: (3, 86_401),
    kinds.SECRET: ("sk-a-long-one", {"a": 1}),
    kinds.SHORT_COUNT: (3, 11),
    kinds.STRATEGY: ("least-busy", "by-chance"),
    kinds.TEXT: ("meta_llama", {"a": 1}),
    kinds.TRUST: (True, 7),
    kinds.UNPRICED: ("block", "perhaps"),
    kinds.VERSION: ("2024-02-01", {"a": 1}),
}
"""Of each kind but `ANYTHING` a value that is right, and one that is wrong."""

SECTIONS = {
    Scope.SETTINGS: "litellm_settings",
    Scope.ROUTER: "router_settings",
    Scope.GENERAL: "general_settings",
}
ENTRY = {"model_name": "m", "litellm_params": {"model": MODEL, "api_key": "k"}}


def in_scope(*scopes: Scope) -> list[Any]:
    """Each option of each scope, with the scope and a right value."""
    return [
        pytest.param(option, scope, right(option, scope), id=f"{option.name}-{scope.name.lower()}")
        for scope in scopes
        for option in options_in(scope)
    ]


def wrong_in(*scopes: Scope) -> list[Any]:
    """The same with a wrong value, where there is one."""
    return [
        pytest.param(option, scope, VALUES[kind][1], id=f"{option.name}-{scope.name.lower()}")
        for scope in scopes
        for option in options_in(scope)
        if (kind := option.kinds[scope]) is not kinds.ANYTHING
    ]


def outside(*scopes: Scope) -> list[Any]:
    """Each option that may stand in none of these, with a value that is right elsewhere."""
    return [
        pytest.param(option, right(option, next(iter(option.kinds))), id=option.name)
        for option in OPTIONS
        if not any(scope in option.kinds for scope in scopes)
    ]


def right(option: Option, scope: Scope) -> Any:
    kind = option.kinds[scope]
    return "anything" if kind is kinds.ANYTHING else VALUES[kind][0]


def names_its_places(message: str, option: Option) -> bool:
    """Whether an error or a notice names the option, and where it may stand."""
    sections = [scope.value for scope in CONFIG_SCOPES if scope in option.kinds]
    places = sections or [scope.value for scope in option.kinds]
    return f"`{option.name}`" in message and all(place in message for place in places)


def test_a_name_stands_in_one_row_and_says_what_it_does() -> None:
    assert len(BY_NAME) == len(OPTIONS)
    for option in OPTIONS:
        assert option.kinds
        assert option.about
        assert not option.about.endswith(".")
        assert not option.same_as or not BY_NAME[option.same_as].same_as
        assert set(option.notes) <= set(option.kinds)


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_in_the_docs(option: Option) -> None:
    rows = [row for row in options_page().splitlines() if row.startswith(f"| `{option.name}` |")]
    assert len(rows) == len(set(option.kinds.values()))
    assert all(option.about in row for row in rows)


def test_the_drop_in_reads_its_own_keywords_and_no_others() -> None:
    assert CALL_OPTIONS.isdisjoint(LOCAL_KEYWORDS)
    assert {option.name for option in options_in(Scope.DROP_IN)} <= OBEYED_KEYWORDS


# Calls in Python


def call(upstream: Upstream, scope: Scope, name: str, value: Any) -> None:
    """A call with an option, or with a fallback that has it. `strict_tools` is for responses."""
    value = upstream.url if value == "UPSTREAM" else value
    given: dict[str, Any] = {
        name: value,
        **({"mock_response": "hi"} if name == "mock_delay" else {}),
    }
    if scope is Scope.FALLBACK:
        given = {"fallbacks": [{"model": MODEL, name: value}]}
    with Client(settings_for(upstream)) as client:
        if name == "strict_tools":
            client.responses(MODEL, "hi", **given)
        else:
            client.completion(MODEL, HI, **given)


@pytest.mark.parametrize(("option", "scope", "value"), in_scope(Scope.CALL, Scope.FALLBACK))
def test_a_keyword_is_taken_and_not_sent(
    option: Option, scope: Scope, value: Any, upstream: Upstream
) -> None:
    if option.kinds[scope] in (kinds.HOST_SETTING, kinds.LOGIN):
        # A host's row says what it wants to know; this one wants nothing.
        with pytest.raises(BadRequestError, match=f"`{option.name}` is no setting of meta_llama"):
            call(upstream, scope, option.name, value)
        return
    call(upstream, scope, option.name, value)
    assert all(option.name not in request.json for request in upstream.requests)


@pytest.mark.parametrize(("option", "scope", "value"), wrong_in(Scope.CALL, Scope.FALLBACK))
def test_a_wrong_keyword_is_refused_by_its_name(
    option: Option, scope: Scope, value: Any, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError, match=f"`{option.name}`") as caught:
        call(upstream, scope, option.name, value)
    assert caught.value.param == option.name
    assert upstream.requests == []


@pytest.mark.parametrize(("option", "value"), outside(Scope.CALL, Scope.REQUEST))
def test_an_option_of_another_place_is_no_keyword(
    option: Option, value: Any, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError) as caught:
        call(upstream, Scope.CALL, option.name, value)
    assert caught.value.param == option.name
    assert names_its_places(caught.value.message, option)
    assert upstream.requests == []


@pytest.mark.parametrize(("option", "value"), outside(Scope.FALLBACK, Scope.REQUEST))
def test_an_option_of_another_place_is_none_of_a_fallback(
    option: Option, value: Any, upstream: Upstream
) -> None:
    with pytest.raises(BadRequestError) as caught:
        call(upstream, Scope.FALLBACK, option.name, value)
    assert caught.value.param == f"fallbacks.{option.name}"
    message = caught.value.message
    is_of_calls = Scope.CALL in option.kinds
    assert "a whole call" in message if is_of_calls else names_its_places(message, option)
    assert upstream.requests == []


@pytest.mark.parametrize(("option", "value"), outside(Scope.CALL))
def test_a_call_sends_on_what_is_for_a_gateway_behind_it(
    option: Option, value: Any, upstream: Upstream
) -> None:
    if Scope.REQUEST in option.kinds:
        call(upstream, Scope.CALL, option.name, value)
        assert upstream.requests[0].json[option.name] == value


# Requests to the gateway


def ask(upstream: Upstream, name: str, value: Any) -> Any:
    if name == "strict_tools":
        return House(upstream).ask("/v1/responses", {"model": MODEL, "input": "hi", name: value})
    return House(upstream).ask(body={**CHAT, name: value})


@pytest.mark.parametrize(("option", "scope", "value"), in_scope(Scope.REQUEST))
def test_a_field_is_taken_and_not_sent(
    option: Option, scope: Scope, value: Any, upstream: Upstream
) -> None:
    assert scope is Scope.REQUEST
    assert ask(upstream, option.name, value).status == 200
    assert option.name not in upstream.requests[0].json


@pytest.mark.parametrize(("option", "scope", "value"), wrong_in(Scope.REQUEST))
def test_a_wrong_field_is_refused_by_its_name(
    option: Option, scope: Scope, value: Any, upstream: Upstream
) -> None:
    assert scope is Scope.REQUEST
    answer = ask(upstream, option.name, value)
    assert answer.status == 400
    assert answer.error["param"] == option.name
    assert f"`{option.name}`" in answer.error["message"]
    assert upstream.requests == []


@pytest.mark.parametrize(("option", "value"), outside(Scope.REQUEST))
def test_an_option_of_another_place_is_no_field(
    option: Option, value: Any, upstream: Upstream
) -> None:
    answer = ask(upstream, option.name, value)
    assert answer.status == 400
    assert answer.error["code"] == "field_not_allowed"
    assert answer.error["param"] == option.name
    assert names_its_places(answer.error["message"], option)
    assert upstream.requests == []
    assert ask(upstream, option.name, None).status == 200


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_is_in_the_openapi_document(option: Option) -> None:
    for name, schema in request_schemas().items():
        found = schema["properties"].get(option.name)
        if Scope.REQUEST not in option.kinds:
            assert found == {"type": "null"}, name
        elif option.is_chat and name in ("EmbeddingRequest", "ModerationRequest"):
            assert found is None, name
        else:
            assert Draft202012Validator(found).is_valid(right(option, Scope.REQUEST)), name
    kind = option.kinds.get(Scope.REQUEST, kinds.ANYTHING)
    if kind is not kinds.ANYTHING:
        chat = request_schemas()["ChatRequest"]["properties"][option.name]
        assert not Draft202012Validator(chat).is_valid(VALUES[kind][1])


# Configuration files


def parse(scope: Scope, name: str = "", value: Any = None) -> GatewayConfig:
    """A file with an option in a section; YAML may be written as JSON."""
    given = {name: value} if name else {}
    entry: dict[str, Any] = {**ENTRY}
    file: dict[str, Any] = {"model_list": [entry]}
    if scope is Scope.DEPLOYMENT:
        entry["litellm_params"] = {**ENTRY["litellm_params"], **given}  # type: ignore[dict-item]  # a mapping
    elif scope is Scope.MODEL:
        entry["model_info"] = given
    else:
        file[SECTIONS[scope]] = given
    return parse_litellm_yaml(json.dumps(file), {})


def effect(config: GatewayConfig) -> GatewayConfig:
    """What a file does: all but what it is told about and what is only shown."""
    deployments = tuple(replace(one, model_info={}, line=0) for one in config.deployments)
    return replace(config, deployments=deployments, notices=())


@pytest.mark.parametrize(("option", "scope", "value"), in_scope(*CONFIG_SCOPES))
def test_a_key_has_an_effect_and_is_not_reported(option: Option, scope: Scope, value: Any) -> None:
    values = (True, False) if value is True else (value,)
    found = [parse(scope, option.name, one) for one in values]
    about = [one for config in found for one in config.notices if f"`{option.name}`" in one.message]
    if option.name == "routing_strategy":  # another strategy than the usual one is reported
        found, about = [replace(found[0], file="another")], []
    assert about == []
    assert any(effect(config) != effect(parse(scope)) for config in found)


@pytest.mark.parametrize(("option", "scope", "value"), wrong_in(*CONFIG_SCOPES))
def test_a_wrong_key_is_an_error_that_names_it(option: Option, scope: Scope, value: Any) -> None:
    with pytest.raises(ConfigError, match=option.name):
        parse(scope, option.name, value)


KEYS_OF = {
    Scope.DEPLOYMENT: {*KEYS["model_list[].litellm_params"].known, *REQUEST_PARAMS},
    Scope.MODEL: set[str](),
    **{scope: set(KEYS[name].known) for scope, name in SECTIONS.items()},
}
"""The names that LiteLLM knows in each section."""


@pytest.mark.parametrize("scope", CONFIG_SCOPES)
@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_an_option_of_another_place_is_reported(option: Option, scope: Scope) -> None:
    if scope in option.kinds or option.name in KEYS_OF[scope]:
        return
    value = right(option, next(iter(option.kinds)))
    config = parse(scope, option.name, value)
    assert any(names_its_places(notice.message, option) for notice in config.notices)
    assert effect(config) == effect(parse(scope))


@pytest.mark.parametrize("path", ["/v1/messages", "/v1/messages/count_tokens"])
@pytest.mark.parametrize("value", [7, {"model": MODEL}, True])
def test_fallbacks_of_a_message_are_names_or_as_anthropic_has_them(
    path: str, value: Any, upstream: Upstream
) -> None:
    answer = House(upstream).ask(path, {**CHAT, "max_tokens": 3, "fallbacks": value})
    assert answer.status == 400
    assert "`fallbacks` must be a list of at most 32 names" in answer.text
    assert upstream.requests == []
