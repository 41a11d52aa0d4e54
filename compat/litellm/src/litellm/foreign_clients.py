"""Clients that a caller brings: `client=`, `litellm.client_session`, `litellm.aclient_session`.

A client of the `openai` package gives its address, key, headers and HTTP client; an HTTP client
(`httpx.Client`, `httpx.AsyncClient`, or those of `httpx2`) carries the requests, so what is set on
it, or what a test put in its place, holds. `PUNA_HTTP_CLIENT=httpx` does the same for a program as
a whole: every request goes through that package, where mocks such as respx see it.
"""

from __future__ import annotations

import asyncio
import atexit
import os
from functools import cache
from importlib import import_module
from typing import Any
from weakref import WeakKeyDictionary

from litellm.exceptions import BadRequestError
from litellm.httpx_transport import AsyncHttpxTransport, HttpxTransport
from puna.client.asynchronous import AsyncClient
from puna.client.settings import ClientSettings
from puna.client.synchronous import Client

SWITCH = "PUNA_HTTP_CLIENT"
_PACKAGES = ("httpx", "httpx2")


def apply_client(client: Any, given: dict[str, Any]) -> None:
    """What a client of the `openai` package says of its host, as keywords of the call.

    Keywords that the call gives itself count before it.
    """
    if not _is_openai(client):
        return
    given.setdefault("api_base", str(client.base_url).rstrip("/"))
    if client.api_key:
        given.setdefault("api_key", client.api_key)
    own = {name: value for name, value in client._custom_headers.items() if isinstance(value, str)}  # noqa: SLF001 - it has no public name
    named = (("OpenAI-Organization", client.organization), ("OpenAI-Project", client.project))
    own |= {name: value for name, value in named if isinstance(value, str)}
    if own:
        given["headers"] = {**own, **given.get("headers", {})}
    if client.max_retries != import_module("openai").DEFAULT_MAX_RETRIES:
        given.setdefault("max_retries", client.max_retries)
    version = client._custom_query.get("api-version")  # noqa: SLF001 - an Azure client keeps it there
    if version:
        given.setdefault("api_version", version)


def own_client_of(
    client: Any, *, is_async: bool, provider: str = ""
) -> Client | AsyncClient | None:
    """Puna's client over what the caller gave as `client=`, or over the HTTP client of the module.

    None means the usual one.

    Raises:
        BadRequestError: the object is none of those that can be used.
    """
    if isinstance(client, Client | AsyncClient):
        return client
    if client is not None and not _is_openai(client) and _package_of(client) is None:
        kind = f"{type(client).__module__}.{type(client).__qualname__}"
        raise BadRequestError(
            f"`client` is a `{kind}`, which Puna cannot use. Give an `openai.OpenAI` or "
            "`openai.AsyncOpenAI`, an `httpx.Client` or `httpx.AsyncClient`, or a `puna.Client`.",
            model="",
            llm_provider=provider,
        )
    carrier = _carrier_of(client)
    if _is_openai(carrier):
        return None
    if carrier is None:
        carrier = _switched(is_async=is_async)
    if carrier is None:
        return None
    if hasattr(carrier, "aclose") is not is_async:
        wanted = "an asynchronous" if is_async else "a synchronous"
        raise BadRequestError(
            f"`client` is a `{type(carrier).__qualname__}`; this call needs {wanted} one.",
            model="",
            llm_provider=provider,
        )
    settings = ClientSettings(environ=os.environ)
    if is_async:
        return AsyncClient(settings, transport=AsyncHttpxTransport(carrier))
    return Client(settings, transport=HttpxTransport(carrier))


def _carrier_of(client: Any) -> Any:
    """The HTTP client that is, or is in, what the caller gave."""
    is_own = _is_openai(client) and not _is_usual(client)
    return client._client if is_own else client  # noqa: SLF001 - it has no public name


def _is_openai(client: Any) -> bool:
    return any(cls.__module__.partition(".")[0] == "openai" for cls in type(client).__mro__) and (
        hasattr(client, "base_url") and hasattr(client, "api_key")
    )


def _is_usual(client: Any) -> bool:
    """Whether an `openai` client made its HTTP client itself."""
    return type(client._client).__module__.partition(".")[0] == "openai"  # noqa: SLF001 - as above


def _package_of(client: Any) -> str | None:
    homes = (cls.__module__.partition(".")[0] for cls in type(client).__mro__)
    return next((home for home in homes if home in _PACKAGES), None)


def _switched(*, is_async: bool) -> Any:
    """The HTTP client that the environment asks for; each event loop has one of its own."""
    package = os.environ.get(SWITCH, "")
    if not package:
        return None
    if package not in _PACKAGES:
        raise BadRequestError(
            f"`{SWITCH}` is `{package}`; it may be `httpx` or `httpx2`.", model="", llm_provider=""
        )
    if not is_async:
        return _usual_client(package)
    loop = asyncio.get_running_loop()
    clients = _clients_by_loop()
    if loop not in clients:
        clients[loop] = import_module(package).AsyncClient()
    return clients[loop]


@cache
def _usual_client(package: str) -> Any:
    client = import_module(package).Client()
    atexit.register(client.close)
    return client


@cache
def _clients_by_loop() -> WeakKeyDictionary[asyncio.AbstractEventLoop, Any]:
    return WeakKeyDictionary()


__all__ = ["SWITCH", "apply_client", "own_client_of"]
