"""The gateway's OpenAPI document: whole, true, and asked for by few.

schemathesis asks the gateway what the document allows, and what it does not. No answer is a 5xx,
and none has a status, a type or a body that the document does not name.
"""

from __future__ import annotations

import copy
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_schema_conformance,
    status_code_conformance,
)
from tests.support.asgi import CONFIG, House
from tests.support.usual import USUAL, play

from puna.gateway.endpoints.rows import Endpoint
from puna.gateway.endpoints.table import ENDPOINTS
from puna.gateway.openapi import make_document
from puna.transports.replay import AsyncReplayTransport

KEY = "sk-gateway-canary-2207"
HOST_KEY = "sk-host-canary-5551"
EVERY_NAME = f"""{CONFIG}  - model_name: "*"
    litellm_params: {{model: openai/m, api_key: {HOST_KEY}, api_base: "http://up.test/v1"}}
general_settings: {{master_key: {KEY}}}
"""
KEYED = {"x-litellm-api-key": KEY}
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


HOUSE = House(config=EVERY_NAME, transport=AsyncReplayTransport(play))
SCHEMA = schemathesis.openapi.from_asgi("/openapi.json", HOUSE.app)
FIRST: Mapping[str, Endpoint] = {one.name: one for one in reversed(ENDPOINTS)}
"""Of each action one path: the others lead to the same place."""
TAKES = [name for name, one in FIRST.items() if one.method == "POST" or "{" in one.path]


# --- the document


def test_every_endpoint_is_in_the_document_and_nothing_else() -> None:
    paths = HOUSE.get("/openapi.json").json["paths"]
    told = [(method.upper(), path) for path, methods in paths.items() for method in methods]
    assert sorted(told) == sorted((one.method, one.path) for one in ENDPOINTS)


def test_the_document_is_valid_openapi() -> None:
    SCHEMA.validate()
    broken = copy.deepcopy(make_document())
    del broken["info"]["title"]
    with pytest.raises(ValueError, match="title"):
        schemathesis.openapi.from_dict(broken).validate()


def test_every_schema_is_valid_and_used_and_every_reference_leads_somewhere() -> None:
    document = make_document()
    schemas = document["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    assert set(references(document)) == {f"#/components/schemas/{name}" for name in schemas}


def references(node: Any) -> Iterator[str]:
    if isinstance(node, list):
        for one in node:
            yield from references(one)
    elif isinstance(node, dict):
        for name, value in node.items():
            if name == "$ref":
                yield value
            else:
                yield from references(value)


def test_operations_have_ids_of_their_own() -> None:
    operations = [one for path in make_document()["paths"].values() for one in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations) == len(ENDPOINTS)


def test_no_key_model_or_address_is_in_the_document() -> None:
    text = HOUSE.get("/openapi.json").text
    for secret in (KEY, HOST_KEY, "up.test", "Llama-3.3"):
        assert secret not in text


def test_the_document_says_where_the_key_may_stand() -> None:
    config = EVERY_NAME.replace("{master", "{litellm_key_header_name: X-Own-Key, master")
    document = House(config=config).get("/openapi.json").json
    schemes = document["components"]["securitySchemes"]
    assert schemes["bearer"] == {"type": "http", "scheme": "bearer"}
    assert schemes["x-own-key"] == {"type": "apiKey", "in": "header", "name": "x-own-key"}
    assert {} not in document["paths"]["/v1/models"]["get"]["security"]
    assert document["paths"]["/routes"]["get"]["security"] == []
    open_document = House().get("/openapi.json").json
    assert {} in open_document["paths"]["/v1/models"]["get"]["security"]


@pytest.mark.parametrize("endpoint", [one for one in ENDPOINTS if one.needs_key])
def test_an_endpoint_that_asks_for_a_key_in_the_document_asks_for_it(endpoint: Endpoint) -> None:
    path = endpoint.path.replace("{model}", "m").replace("{response_id}", "resp_1")
    answer = HOUSE.ask(path, {"model": "m"}, method=endpoint.method)
    assert answer.status == 401
    told = HOUSE.get("/openapi.json").json["paths"][endpoint.path][endpoint.method.lower()]
    assert told["security"]
    assert "401" in told["responses"]


def test_the_document_is_not_loaded_before_it_is_asked_for() -> None:
    script = (
        "import sys, puna.gateway.app, puna.gateway.workers.run\n"
        "sys.exit(any(name.startswith('puna.gateway.openapi') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


# --- what is asked and answered


def ask_all(endpoint: Endpoint, mode: GenerationMode, examples: int, checks: list[Any]) -> None:
    """Send what the document says of an endpoint, or what it says not, and check the answers."""

    @settings(
        max_examples=examples,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
    )
    @given(case=SCHEMA[endpoint.path][endpoint.method].as_strategy(mode))
    def ask(case: schemathesis.Case[Any]) -> None:
        case.call_and_validate(checks=checks, headers=KEYED)

    ask()


def has_crashed(caplog: pytest.LogCaptureFixture) -> bool:
    """Whether something has happened that nobody foresaw."""
    return any(one.exc_info for one in caplog.records)


@pytest.mark.case(129, 131, 155)
@pytest.mark.parametrize("action", FIRST)
def test_what_the_document_allows_is_answered_as_it_says(
    action: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask_all(FIRST[action], GenerationMode.POSITIVE, 25, CHECKS)
    assert not has_crashed(caplog)


@pytest.mark.case(129, 131, 155)
@pytest.mark.parametrize("action", TAKES)
def test_what_the_document_forbids_is_refused_as_it_says(
    action: str, caplog: pytest.LogCaptureFixture
) -> None:
    ask_all(FIRST[action], GenerationMode.NEGATIVE, 25, [*CHECKS, negative_data_rejection])
    assert not has_crashed(caplog)


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda one: f"{one.method}-{one.path}")
def test_a_usual_request_succeeds_as_the_document_says(endpoint: Endpoint) -> None:
    operation = SCHEMA[endpoint.path][endpoint.method]
    body = USUAL.get(endpoint.name)
    fields: dict[str, Any] = {} if body is None else {"body": {"model": "m", **body}}
    names: dict[str, Any] = {}
    if "{model}" in endpoint.path:
        names = {"model": "m"}
    elif "{response_id}" in endpoint.path:
        made = HOUSE.ask("/v1/responses", {"model": "m", "input": "hi"}, KEYED)
        names = {"response_id": made.json["id"]}
    if body is not None:
        fields["media_type"] = "application/json"
    case = operation.Case(path_parameters=names, **fields)
    answer = case.call(headers=KEYED)
    case.validate_response(answer, checks=CHECKS)
    assert answer.status_code == (400 if is_refused(endpoint) else 200), answer.text


def is_refused(endpoint: Endpoint) -> bool:
    """Whether the document tells of no success."""
    return endpoint.name == "cancel_response"


@pytest.mark.parametrize("action", ["models", "model"])
def test_lists_in_anthropics_form_are_as_the_document_says(action: str) -> None:
    endpoint = FIRST[action]
    headers = {**KEYED, "anthropic-version": "2023-06-01"}
    case = SCHEMA[endpoint.path]["GET"].Case(
        path_parameters={"model": "m"} if action == "model" else {}, headers=headers
    )
    case.call_and_validate(checks=CHECKS, headers=KEYED)


@pytest.mark.parametrize("action", ["chat", "text", "messages", "respond"])
def test_streams_are_as_the_document_says(action: str) -> None:
    case = SCHEMA[FIRST[action].path]["POST"].Case(
        body={"model": "m", "stream": True, **USUAL[action]}, media_type="application/json"
    )
    answer = case.call(headers=KEYED)
    case.validate_response(answer, checks=CHECKS)
    assert answer.headers["content-type"] == ["text/event-stream"]
