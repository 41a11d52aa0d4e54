"""A row alone is enough: one that nobody knew, and its fixtures, go through the same checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest
from tests.support.provider_suite import Fixture, check_requests, check_stream, check_whole

from puna.client.settings import ClientSettings
from puna.client.synchronous import Client
from puna.dialects.quirks import Quirks
from puna.errors import UnsupportedParamsError
from puna.providers.base import Provider, resolve_target
from puna.providers.table import PROVIDERS
from puna.transports.replay import Recorded, ReplayTransport, in_order

ACME = Provider(
    name="acme",
    base_url="https://api.acme.test/v1",
    docs_url="https://docs.acme.test",
    key_variables=("ACME_KEY",),
    is_key_bound_to_host=True,
    model_prefix="acme/models/",
    query_variables={"version": ("ACME_VERSION",)},
    quirks=Quirks(
        rename_params={"max_completion_tokens": "limit"},
        rename_finish_reasons={"done": "stop"},
        usage_parent="meter",
        key_header="x-acme-key",
        path_prefix="/hosted/{model}",
        max_choices=2,
        tool_choices=frozenset(("auto",)),
        unsupported_message_fields=frozenset(("name",)),
    ),
)

URL = "https://api.acme.test/v1/hosted/acme%2Fmodels%2Fm/chat/completions"

CHAT: Fixture = {
    "status": 200,
    "headers": {"content-type": "application/json"},
    "body": {
        "id": "acme-1",
        "created": 1750000000,
        "choices": [{"message": {"content": "Hi"}, "finish_reason": "done"}],
        "meter": {"usage": {"prompt_tokens": 3, "completion_tokens": 1}},
    },
    "expects": {"text": "Hi", "finish_reason": "stop", "tokens": [3, 1, 4], "keeps": ["meter"]},
}

STREAM: Fixture = {
    "request": {"stream_options": {"include_usage": True}},
    "pieces": [
        'data: {"id":"acme-2","created":1,"choices":[{"index":0,"delta":{"content":"Hi"}}]}\n\n',
        'data: {"choices":[{"finish_reason":"done"}],"meter":{"usage":{"prompt_tokens":3}}}\n\n',
        "data: [DONE]\n\n",
    ],
    "expects": {"text": "Hi", "finish_reason": "stop", "usage": [3, 0, 3]},
}

ERROR: Fixture = {
    "status": 429,
    "headers": {"retry-after": "3"},
    "body": {"error": {"message": "Slow down", "code": "slow"}},
    "expects": {
        "error": "RateLimitError",
        "says": ["acme answered 429: Slow down"],
        "code": "slow",
        "retry_after_s": 3.0,
    },
}

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

REQUESTS: Fixture = {
    "url": URL,
    "headers": {"x-acme-key": "KEY", "authorization": None},
    "cases": [
        {"request": {"max_completion_tokens": 7, "n": 2}, "sends": {"limit": 7, "n": 2}},
        {"request": {"n": 3}, "refuses": "n"},
        {"request": {"tools": [TOOL], "tool_choice": "none"}, "refuses": "tool_choice"},
        {
            "request": {"max_completion_tokens": 7, "limit": 8},
            "sends": {"limit": 8},
            "leaves_out": ["max_completion_tokens"],
        },
        {
            "request": {"messages": [{"role": "user", "content": "Hi", "name": "ann"}]},
            "refuses": "messages[0].name",
        },
        {
            "request": {"messages": [{"role": "user", "content": "Hi", "name": "ann"}], "n": 3},
            "drop_params": True,
            "sends": {"messages": [{"role": "user", "content": "Hi"}], "n": None},
            "leaves_out": ["messages[].name", "n"],
        },
    ],
}


@pytest.mark.parametrize(
    ("check", "fixture"),
    [
        (check_whole, CHAT),
        (check_whole, ERROR),
        (check_stream, STREAM),
        (check_requests, REQUESTS),
    ],
    ids=["chat", "error", "stream", "requests"],
)
def test_a_row_that_nobody_knew_goes_through_the_same_suite(
    check: Callable[[Provider, Fixture], None], fixture: Fixture
) -> None:
    check(ACME, fixture)


def client_of(environ: Mapping[str, str], body: bytes) -> tuple[Client, ReplayTransport]:
    transport = ReplayTransport(in_order(Recorded(pieces=[body])))
    settings = ClientSettings(environ=environ, providers={**PROVIDERS, "acme": ACME})
    return Client(settings, transport=transport), transport


def test_a_row_given_at_run_time_serves_calls() -> None:
    body = b'{"id":"acme-1","choices":[{"message":{"content":"Hi"},"finish_reason":"done"}]}'
    environ = {"ACME_KEY": "key-of-acme", "ACME_VERSION": "7", "OPENAI_API_KEY": "another"}
    client, transport = client_of(environ, body)
    asked: list[Any] = [{"role": "user", "content": "Hello"}]

    answer = client.completion("acme/m", asked, max_completion_tokens=5)

    assert answer.choices[0].finish_reason == "stop"
    (sent,) = transport.requests
    assert sent.url == f"{URL}?version=7"
    assert sent.headers["x-acme-key"] == "key-of-acme"
    assert "authorization" not in sent.headers
    assert b'"limit":5' in sent.body
    with pytest.raises(UnsupportedParamsError, match="`n` above 2"):
        client.completion("acme/m", asked, n=3)
    assert len(transport.requests) == 1


def test_what_a_row_says_of_a_kind_of_server_holds_at_any_address() -> None:
    asks = replace(ACME, quirks=Quirks(documents_stream_usage=True))
    elsewhere = "http://elsewhere.test/v1"
    assert not resolve_target(asks, "m", {}, api_base=elsewhere).asks_usage
    anywhere = replace(asks, is_self_hosted=True)
    assert resolve_target(anywhere, "m", {}, api_base=elsewhere).asks_usage


def test_a_prefix_that_stands_in_the_address_is_not_put_there_twice() -> None:
    row = replace(ACME, quirks=Quirks(path_prefix="/v1"))
    for base in ("http://box:11434", "http://box:11434/v1", "http://box:11434/v1/"):
        transport = ReplayTransport(in_order(Recorded(pieces=[b'{"choices":[{"text":"Hi"}]}'])))
        settings = ClientSettings(environ={}, providers={"acme": row})
        client = Client(settings, transport=transport)
        client.completion("acme/m", [{"role": "user", "content": "Hello"}], api_base=base)
        assert transport.requests[0].url == "http://box:11434/v1/chat/completions"


def test_a_version_may_come_from_the_row_the_environment_the_address_or_the_call() -> None:
    base = "https://me.openai.azure.test"
    cases: list[tuple[dict[str, str], str, dict[str, Any], str]] = [
        ({}, base, {}, "2025-02-01-preview"),
        ({"AZURE_API_VERSION": "2"}, base, {}, "2"),
        ({"AZURE_API_VERSION": "2"}, f"{base}?api-version=3", {}, "3"),
        ({"AZURE_API_VERSION": "2"}, f"{base}?api-version=3", {"api_version": "4"}, "4"),
    ]
    for environ, api_base, more, version in cases:
        transport = ReplayTransport(in_order(Recorded(pieces=[b'{"choices":[{"text":"Hi"}]}'])))
        client = Client(ClientSettings(environ=environ), transport=transport)
        hello: list[Any] = [{"role": "user", "content": "Hello"}]
        client.completion("azure/my deployment", hello, api_base=api_base, api_key="k-1", **more)
        (sent,) = transport.requests
        assert sent.url == (
            f"{base}/openai/deployments/my%20deployment/chat/completions?api-version={version}"
        )
        assert sent.headers["api-key"] == "k-1"


def test_a_token_of_the_callers_own_takes_the_place_of_a_key_in_another_header() -> None:
    transport = ReplayTransport(in_order(Recorded(pieces=[b'{"choices":[{"text":"Hi"}]}'])))
    client = Client(ClientSettings(environ={"AZURE_API_KEY": "k-1"}), transport=transport)
    client.completion(
        "azure/d",
        [{"role": "user", "content": "Hello"}],
        api_base="https://me.openai.azure.test",
        extra_headers={"Authorization": "Bearer token"},
    )
    (sent,) = transport.requests
    assert sent.headers["authorization"] == "Bearer token"
    assert "api-key" not in sent.headers
