"""Clients that a caller brings are obeyed: their address, key, headers and HTTP client."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
import httpx2
import openai
import pytest
from tests.support.drop_in import HI, NAME
from tests.support.upstream import TEXT, Reply, Upstream

import litellm


def openai_client(upstream: Upstream, **fields: Any) -> openai.OpenAI:
    return openai.OpenAI(base_url=upstream.url, api_key="of-client", **fields)


def test_the_address_key_and_headers_of_an_openai_client_are_used(
    upstream: Upstream, environ: dict[str, str]
) -> None:
    environ["OPENAI_API_KEY"] = "of-environment"
    with openai_client(upstream, default_headers={"x-a": "b"}, organization="org") as client:
        answer = litellm.completion(f"openai/{NAME}", HI, client=client)
        litellm.completion(f"meta_llama/{NAME}", HI, client=client, headers={"x-a": "call"})

    assert answer.choices[0].message.content == TEXT
    first, second = (request.headers for request in upstream.requests)
    assert first["authorization"] == "Bearer of-client"
    assert (first["x-a"], first["openai-organization"]) == ("b", "org")
    assert second["x-a"] == "call"


def test_an_asynchronous_openai_client_is_used(upstream: Upstream) -> None:
    async def ask() -> Any:
        async with openai.AsyncOpenAI(base_url=upstream.url, api_key="of-client") as client:
            return await litellm.acompletion(f"openai/{NAME}", HI, client=client)

    assert asyncio.run(ask()).choices[0].message.content == TEXT
    assert upstream.requests[0].headers["authorization"] == "Bearer of-client"


def test_the_calls_own_address_and_key_count_before_the_clients(upstream: Upstream) -> None:
    with openai.OpenAI(base_url="http://localhost:1", api_key="of-client") as client:
        litellm.completion(
            f"openai/{NAME}", HI, client=client, api_base=upstream.url, api_key="of-call"
        )

    assert upstream.requests[0].headers["authorization"] == "Bearer of-call"


def test_an_azure_client_gives_its_version(upstream: Upstream) -> None:
    client = openai.AzureOpenAI(base_url=f"{upstream.url}", api_key="k", api_version="2025-01-01")
    with client:
        litellm.completion(f"openai/{NAME}", HI, client=client)

    assert upstream.requests[0].path.endswith("?api-version=2025-01-01")


@pytest.mark.parametrize("package", [httpx, httpx2], ids=["httpx", "httpx2"])
@pytest.mark.parametrize("how", ["call", "module", "openai"])
@pytest.mark.parametrize("is_stream", [False, True])
def test_an_http_client_of_the_callers_carries_the_requests(
    package: Any, how: str, upstream: Upstream, *, is_stream: bool
) -> None:
    seen: list[str] = []
    carrier = package.Client(event_hooks={"request": [lambda request: seen.append(request.method)]})
    ask: dict[str, Any] = {"api_base": upstream.url, "api_key": "k", "stream": is_stream}
    with carrier:
        if how == "module":
            litellm.client_session = carrier
        elif how == "call" or package is httpx:
            ask["client"] = carrier
        else:
            ask["client"] = openai_client(upstream, http_client=carrier)
        answer = litellm.completion(f"openai/{NAME}", HI, **ask)
        text = (
            "".join(chunk.choices[0].delta.content or "" for chunk in answer)
            if is_stream
            else answer.choices[0].message.content
        )

    assert text == TEXT
    assert seen == ["POST"]


@pytest.mark.parametrize("package", [httpx, httpx2], ids=["httpx", "httpx2"])
def test_an_asynchronous_http_client_carries_them_too(package: Any, upstream: Upstream) -> None:
    async def ask() -> str:
        async with package.AsyncClient(headers={"x-own": "yes"}) as carrier:
            litellm.aclient_session = carrier
            whole = await litellm.acompletion(
                f"openai/{NAME}", HI, api_base=upstream.url, api_key="k"
            )
            stream = await litellm.acompletion(
                f"openai/{NAME}", HI, api_base=upstream.url, api_key="k", stream=True
            )
            pieces = [chunk.choices[0].delta.content or "" async for chunk in stream]
            return f"{whole.choices[0].message.content} {''.join(pieces)}"

    assert asyncio.run(ask()) == f"{TEXT} {TEXT}"
    assert {request.headers["x-own"] for request in upstream.requests} == {"yes"}


def test_the_errors_of_such_a_client_are_those_of_any_other(upstream: Upstream) -> None:
    upstream.plays(Reply.error(429), Reply.hang(), Reply.reset())
    ask: dict[str, Any] = {"api_base": upstream.url, "api_key": "k", "num_retries": 0}
    with httpx.Client() as carrier:
        litellm.client_session = carrier
        with pytest.raises(litellm.RateLimitError):
            litellm.completion(f"openai/{NAME}", HI, **ask)
        with pytest.raises(litellm.Timeout):
            litellm.completion(f"openai/{NAME}", HI, timeout=0.2, **ask)
        with pytest.raises(litellm.APIConnectionError):
            litellm.completion(f"openai/{NAME}", HI, **ask)


def test_a_redirect_is_not_followed_whatever_the_client_does(upstream: Upstream) -> None:
    upstream.plays(Reply.redirect(f"{upstream.url}/elsewhere"))
    with (
        httpx.Client(follow_redirects=True) as carrier,
        pytest.raises(litellm.NotFoundError, match="not followed"),
    ):
        litellm.completion(
            f"openai/{NAME}", HI, client=carrier, api_base=upstream.url, api_key="k", num_retries=0
        )

    assert len(upstream.requests) == 1


@pytest.mark.parametrize("client", [object(), "a client", {"base_url": "http://x"}])
def test_an_object_that_cannot_be_used_is_refused_before_anything_is_sent(
    client: Any, upstream: Upstream
) -> None:
    with pytest.raises(litellm.BadRequestError, match="`client` is a `builtins"):
        litellm.completion(f"openai/{NAME}", HI, client=client, api_base=upstream.url, api_key="k")

    assert upstream.requests == []


def test_a_client_of_the_other_kind_is_refused(upstream: Upstream) -> None:
    async def ask(client: Any) -> None:
        await litellm.acompletion(
            f"openai/{NAME}", HI, client=client, api_base=upstream.url, api_key="k"
        )

    with httpx.Client() as carrier, pytest.raises(litellm.BadRequestError, match="asynchronous"):
        asyncio.run(ask(carrier))


@pytest.mark.parametrize("package", ["httpx", "httpx2"])
def test_the_switch_sends_all_requests_through_a_package(
    package: str, upstream: Upstream, environ: dict[str, str]
) -> None:
    environ["PUNA_HTTP_CLIENT"] = package

    async def ask() -> Any:
        return await litellm.acompletion(f"openai/{NAME}", HI, api_base=upstream.url, api_key="k")

    litellm.completion(f"openai/{NAME}", HI, api_base=upstream.url, api_key="k")
    asyncio.run(ask())

    agents = [request.headers["accept-encoding"] for request in upstream.requests]
    assert len(agents) == 2


def test_a_wrong_switch_says_what_it_may_be(environ: dict[str, str]) -> None:
    environ["PUNA_HTTP_CLIENT"] = "curl"

    with pytest.raises(litellm.BadRequestError, match=r"`curl`.*`httpx`"):
        litellm.completion("openai/x", HI, api_key="k")
