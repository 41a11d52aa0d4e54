"""A provider as a frozen row, and how a row becomes a target."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl, unquote, urlsplit, urlunsplit

from puna.catalog.facts import find_model
from puna.dialects.base import Quirks, Target
from puna.errors import AuthenticationError, BadRequestError
from puna.providers.model_rules import narrowed
from puna.types.secret import Secret
from puna.types.shown import shown

_USER_INFO = re.compile(r"//[^/@]*@")


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
        is_self_hosted: it is a kind of server, at users' own addresses; its row holds at any of
            them.
        model_prefix: put before a model's name that has no slash.
        query, query_variables: appended to every URL: values, and environment variables for them.
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
    is_self_hosted: bool = False
    model_prefix: str = ""
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    query_variables: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    retirement: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def address_variables(self) -> frozenset[str]:
        """The environment variables that say where requests go, and hold no key."""
        return frozenset(self.base_url_variables).union(*self.query_variables.values())


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
        AuthenticationError: the own host needs a key and none is known, or the key cannot stand in
            a header. Nothing was sent.
        BadRequestError: there is no base URL, or it is none; the key cannot be sent in a header.
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
    base_url, query, basic_auth = _read_base_url(base, provider)
    is_own_host = provider.base_url is not None and base_url == provider.base_url.rstrip("/")
    is_named_by_call = bool((api_base or "").strip()) and not is_own_host
    key = _check_key(api_key, provider)
    if key is None and not (provider.is_key_bound_to_host and is_named_by_call):
        found = first_set(environ, provider.key_variables)
        key = _check_key(Secret(found), provider) if found else None
    if key is not None and basic_auth is not None:
        raise BadRequestError(
            "`api_base` holds a user and a password, and there is a key as well; a request can "
            "carry only one of them.",
            param="api_base",
            provider=provider.name,
            model=model,
        )
    if key is None and is_own_host and provider.needs_key:
        raise _no_key(provider, model)
    name = model if "/" in model else f"{provider.model_prefix}{model}"
    facts = find_model(provider.name, name)
    return Target(
        provider=provider.name,
        model=name,
        base_url=base_url,
        api_key=key,
        basic_auth=basic_auth,
        dialect=provider.dialect,
        quirks=narrowed(provider.quirks, facts),
        headers=provider.headers,
        query={**_row_query(provider, environ), **query},
        input_modalities=frozenset(facts.input_modalities) if facts is not None else None,
        context_tokens=facts.max_input_tokens if facts is not None else None,
        retirement=provider.retirement,
        # Another host may refuse a field that it does not know.
        asks_usage=provider.quirks.tells_stream_usage and (is_own_host or provider.is_self_hosted),
        # Another host with the same dialect may have the endpoint.
        lacks_embeddings=provider.quirks.lacks_embeddings and is_own_host,
        has_responses=provider.quirks.has_responses and (is_own_host or provider.is_self_hosted),
    )


def first_set(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The first of these variables that holds more than blanks."""
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


def _row_query(provider: Provider, environ: Mapping[str, str]) -> dict[str, str]:
    """What the row and the environment add to every URL."""
    found = {
        name: value
        for name, variables in provider.query_variables.items()
        if (value := first_set(environ, variables)) is not None
    }
    return {**provider.query, **found}


def _check_key(key: Secret | None, provider: Provider) -> Secret | None:
    """The key without blanks around it; None for one that is blank."""
    text = key.reveal().strip() if key is not None else ""
    if not text:
        return None
    if not (text.isascii() and text.isprintable()):
        raise BadRequestError(
            f"The key for {provider.name} holds a line break or other characters that no key has; "
            "copy it again.",
            param="api_key",
            provider=provider.name,
        )
    return Secret(text)


def _read_base_url(base: str, provider: Provider) -> tuple[str, dict[str, str], Secret | None]:
    """The address alone, without slash at its end; its query; and its `user:password`."""
    url = base.strip().rstrip("/")
    if provider.base_url is not None and url == provider.base_url.rstrip("/"):
        return url, {}, None
    try:
        parts = urlsplit(url)
        is_web = parts.scheme in ("http", "https") and bool(parts.hostname)
        is_web = is_web and parts.port != 0
    except ValueError:  # brackets that do not match, a port that is no number
        parts, is_web = urlsplit(""), False
    if not is_web or not url.isprintable() or " " in url:
        raise BadRequestError(
            "`api_base` must be an address such as http://localhost:8000/v1, not "
            f"`{shown(_USER_INFO.sub('//…@', base))}`.",
            param="api_base",
            provider=provider.name,
        )
    user, _, host = parts.netloc.rpartition("@")
    address = urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))
    return address, dict(parse_qsl(parts.query)), Secret(unquote(user)) if user else None


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
