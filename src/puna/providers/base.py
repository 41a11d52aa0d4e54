"""A provider as a frozen row, and how a row becomes a target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from puna.catalog.facts import find_model
from puna.dialects.base import Quirks, Target
from puna.errors import AuthenticationError, BadRequestError
from puna.types.secret import Secret


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything that Puna knows about who answers.

    Attributes:
        name: the prefix of its models, `name/model`.
        base_url: its own host; None when every user has another one.
        base_url_variables, key_variables: environment variables, first one set wins.
        is_key_bound_to_host: the key of the environment goes only to `base_url` or to an address
            from `base_url_variables`, never to an `api_base` that a call names.
        needs_key: whether its own host asks for a key.
        docs_url: the provider's documentation.
        retirement: a sentence for errors that look like the service is gone, or None.
    """

    name: str
    base_url: str | None
    docs_url: str
    base_url_variables: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    dialect: str = "openai_chat"
    quirks: Quirks = Quirks()
    needs_key: bool = True
    is_key_bound_to_host: bool = False
    retirement: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


def resolve_target(
    provider: Provider,
    model: str,
    environ: Mapping[str, str],
    *,
    api_key: Secret | None = None,
    api_base: str | None = None,
) -> Target:
    """Where a call to `model` of this provider goes, and with which key.

    An argument beats the environment, the environment beats the row. A key is required only for
    the provider's own host; elsewhere a missing key means no `Authorization` header.

    Raises:
        AuthenticationError: the own host needs a key and none is known. Nothing was sent.
        BadRequestError: there is no base URL, or it is none.
    """
    from_environment = first_set(environ, provider.base_url_variables)
    base = (api_base or "").strip() or from_environment or provider.base_url
    if base is None:
        names = " or ".join(f"`{name}`" for name in provider.base_url_variables)
        raise BadRequestError(
            f"{provider.name} has no address of its own: give `api_base`"
            f"{' or set ' + names if names else ''}.",
            param="api_base",
            provider=provider.name,
            model=model,
        )
    base_url = _check_base_url(base, provider)
    is_own_host = provider.base_url is not None and base_url == provider.base_url.rstrip("/")
    is_named_by_call = bool((api_base or "").strip()) and not is_own_host
    key = api_key
    if key is None and not (provider.is_key_bound_to_host and is_named_by_call):
        found = first_set(environ, provider.key_variables)
        key = Secret(found) if found else None
    if key is None and is_own_host and provider.needs_key:
        raise _no_key(provider, model)
    facts = find_model(provider.name, model)
    return Target(
        provider=provider.name,
        model=model,
        base_url=base_url,
        api_key=key,
        dialect=provider.dialect,
        quirks=provider.quirks,
        headers=provider.headers,
        input_modalities=frozenset(facts.input_modalities) if facts is not None else None,
        retirement=provider.retirement,
    )


def first_set(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first of these variables that holds more than blanks."""
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


def _check_base_url(base: str, provider: Provider) -> str:
    url = base.strip().rstrip("/")
    parts = urlsplit(url)
    is_web = parts.scheme in ("http", "https") and bool(parts.netloc)
    is_own_scheme = provider.base_url is not None and url == provider.base_url.rstrip("/")
    if not (is_web or is_own_scheme) or any(char.isspace() for char in url):
        raise BadRequestError(
            f"`api_base` must be an address such as http://localhost:8000/v1, not `{url[:80]}`.",
            param="api_base",
            provider=provider.name,
        )
    return url


def _no_key(provider: Provider, model: str) -> AuthenticationError:
    ways = [f"set {' or '.join(f'`{name}`' for name in provider.key_variables)} or give `api_key`"]
    if provider.base_url_variables:
        ways.append(f"point `api_base` or `{provider.base_url_variables[0]}` at a host of your own")
    ways.append("use the embedded model `embedded/smollm2-135m`, which needs no key")
    message = f"No key for {provider.name}: {'; '.join(ways)}. Nothing was sent."
    if provider.retirement:
        message = f"{message} {provider.retirement}"
    return AuthenticationError(
        message, code="missing_api_key", provider=provider.name, model=model, fault="operator"
    )
