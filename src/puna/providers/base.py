"""A provider as a frozen row, and the conversion of a row to a request target."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from puna.catalog.facts import find_model
from puna.catalog.retirements import find_retirement
from puna.dialects.base import Target
from puna.dialects.quirks import Quirks
from puna.errors import UNTOLD, APIError, AuthenticationError, BadRequestError
from puna.providers.addresses import fill_address, read_base_url
from puna.providers.host_settings import HostSetting, SigningRule, check_known
from puna.providers.model_rules import narrow_quirks, with_family
from puna.types.secret import Secret
from puna.wire.sigv4 import Signing


@dataclass(frozen=True, slots=True)
class Provider:
    """Everything that Puna knows about one provider.

    Attributes:
        name: the prefix of its models, `name/model`.
        base_url: its own host, perhaps with settings in it (`{region}`); None when every user has
            another one.
        base_url_variables, key_variables: environment variables; the first one that is set counts.
        is_key_bound_to_host: the environment's key is sent only to `base_url` or to an address from
            `base_url_variables`, never to an `api_base` that a call names.
        dialect, quirks: the protocol it speaks, and how it deviates from that.
        own_quirks: the quirks of its own host, in place of `quirks`, where that host has limits
            that others of the same models do not have, or where the row serves other hosts, too.
        needs_key: whether its own host requires a key.
        is_self_hosted: whether it is server software at users' own addresses; its row is valid at
            any of them.
        model_prefix: put before a model's name that has no slash.
        optional_prefixes: removed from the beginning of a model's name.
        bare_names: prefixes of model names that belong to this provider without `name/`.
        model_quirks: the quirks of models whose name contains a text, in place of `quirks`; the
            first text that matches counts.
        query, query_variables: appended to every URL: values, and environment variables for them.
        headers: sent with every request, lower-case names.
        settings: what the host requires beside a key, such as a region.
        refused_settings: LiteLLM's names of settings that are not built, each with an alternative.
        signing: how requests are signed where no key is sent.
        key_hint: how to get a key, for the error about a missing one.
        docs_url: the provider's documentation.
        retirement: a sentence for errors that look like the service was shut down, or None.
    """

    name: str
    base_url: str | None
    docs_url: str
    base_url_variables: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    dialect: str = "openai_chat"
    quirks: Quirks = Quirks()
    own_quirks: Quirks | None = None
    needs_key: bool = True
    is_key_bound_to_host: bool = False
    is_self_hosted: bool = False
    model_prefix: str = ""
    optional_prefixes: tuple[str, ...] = ()
    bare_names: tuple[str, ...] = ()
    model_quirks: Mapping[str, Quirks] = field(default_factory=dict[str, Quirks])
    query: Mapping[str, str] = field(default_factory=dict[str, str])
    query_variables: Mapping[str, tuple[str, ...]] = field(
        default_factory=dict[str, tuple[str, ...]]
    )
    settings: tuple[HostSetting, ...] = ()
    refused_settings: Mapping[str, str] = field(default_factory=dict[str, str])
    signing: SigningRule | None = None
    key_hint: str = ""
    retirement: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str], repr=False)

    @property
    def address_variables(self) -> frozenset[str]:
        """The environment variables that determine the address, and hold no key."""
        told = (setting.variables for setting in self.settings)
        return frozenset(self.base_url_variables).union(*self.query_variables.values(), *told)

    @property
    def has_fixed_address(self) -> bool:
        """Whether its own host is the same for everybody."""
        return self.base_url is not None and "{" not in self.base_url

    def own_address(self, environ: Mapping[str, str]) -> str | None:
        """Its own host, filled in from the environment; None where a setting is missing."""
        try:
            return _own_address(self, {}, environ)
        except BadRequestError:
            return None

    def upstream_name(self, model: str) -> str:
        """The name under which this host knows a model."""
        for prefix in self.optional_prefixes:
            model = model.removeprefix(prefix)
        return model

    def quirks_of(self, model: str, *, is_own_host: bool = False) -> Quirks:
        """The quirks for a model, at the provider's own host or at another one."""
        for text, quirks in self.model_quirks.items():
            if text in model:
                return quirks
        return self.own_quirks if is_own_host and self.own_quirks is not None else self.quirks


def resolve_target(
    provider: Provider,
    model: str,
    environ: Mapping[str, str],
    *,
    api_key: Secret | None = None,
    api_base: str | None = None,
    settings: Mapping[str, Secret] | None = None,
) -> Target:
    """The target of a call to `model` at this provider: address, key, headers and quirks.

    `settings` are those of the row by their keywords. An argument wins over the environment, and
    the environment over the row. A key is required only for the provider's own host; elsewhere a
    missing key means no `Authorization` header.

    Raises:
        AuthenticationError: the own host needs a key and none is known, the key cannot stand in a
            header, or a way to log in is not built. Nothing was sent.
        BadRequestError: the base URL is missing or invalid; the key cannot be sent in a header; a
            setting is missing, wrong or unknown.
    """
    try:
        return _resolve(provider, model, environ, api_key, api_base, settings or {})
    except APIError as error:
        error.provider = error.provider or provider.name
        error.model = error.model or model
        raise


def _resolve(
    provider: Provider,
    model: str,
    environ: Mapping[str, str],
    api_key: Secret | None,
    api_base: str | None,
    given: Mapping[str, Secret],
) -> Target:
    """Build the target; see `resolve_target`."""
    known = (*provider.settings, *(provider.signing.keys if provider.signing else ()))
    check_known(provider.name, given, known, provider.refused_settings)
    called = (api_base or "").strip()
    base, own = _choose_base(provider, called, given, environ)
    base_url, query, basic_auth = read_base_url(base, own)
    is_own_host = own is not None and base_url == own
    is_named_by_call = bool(called) and not is_own_host
    # The keys of the environment are for the provider, not for whomever a call names.
    keys = {} if provider.is_key_bound_to_host and is_named_by_call else environ
    key, signing = _read_keys(provider, api_key, given, environ, keys)
    if key is not None and basic_auth is not None:
        raise BadRequestError(
            "`api_base` holds a user and a password, and there is a key as well; a request can "
            "carry only one of them.",
            param="api_base",
        )
    if key is None and signing is None and is_own_host and provider.needs_key:
        raise _no_key(provider, model)
    name = model if "/" in model else f"{provider.model_prefix}{model}"
    facts = find_model(provider.name, name)
    # An address that the caller fills in, as a cloud's private endpoint, is the same service.
    is_service = is_own_host or (own is not None and not provider.has_fixed_address)
    quirks = narrow_quirks(provider.quirks_of(name, is_own_host=is_own_host), facts)
    if provider.dialect == "openai_chat":
        quirks = with_family(quirks, name)
    return Target(
        provider=provider.name,
        model=name,
        base_url=base_url,
        api_key=key,
        basic_auth=basic_auth,
        signing=signing,
        dialect=provider.dialect,
        quirks=quirks,
        headers=provider.headers,
        query={**_row_query(provider, environ), **query},
        input_modalities=frozenset(facts.input_modalities) if facts is not None else None,
        context_tokens=facts.max_input_tokens if facts is not None else None,
        # Another host of the same model has limits of its own.
        max_output_tokens=facts.max_output_tokens if facts is not None and is_service else None,
        retirement=provider.retirement,
        is_service=is_service,
        model_end=_model_end(provider, name) if is_service else None,
        # Another host may refuse a field that it does not know.
        asks_usage=quirks.documents_stream_usage and (is_own_host or provider.is_self_hosted),
        # Another host with the same dialect may have the endpoint.
        lacks_embeddings=quirks.lacks_embeddings and is_own_host,
        has_responses=quirks.has_responses and (is_own_host or provider.is_self_hosted),
        has_completions=quirks.has_completions and (is_own_host or provider.is_self_hosted),
    )


def _model_end(provider: Provider, model: str) -> str | None:
    """The sentence about a model that the provider shuts down, or has shut down; else None."""
    end = find_retirement(provider.name, model)
    return end.describe(provider.name, model) if end is not None else None


def _choose_base(
    provider: Provider, called: str, given: Mapping[str, Secret], environ: Mapping[str, str]
) -> tuple[str, str | None]:
    """The address to ask, and the provider's own address if it is known.

    `called` names the call's own address.
    """
    named = called or first_set(environ, provider.base_url_variables)
    try:
        own = _own_address(provider, given, environ)
    except BadRequestError:
        if named is None:
            raise
        own = None  # somebody names another host, and not what this one wants to be told
    base = named or own
    if base is None:
        names = " or ".join(f"`{name}`" for name in provider.base_url_variables)
        raise BadRequestError(
            f"{provider.name} has no address of its own: give `api_base`"
            f"{' or set ' + names if names else ''}.",
            param="api_base",
            code=UNTOLD,
        )
    return base, own


def _own_address(
    provider: Provider, given: Mapping[str, Secret], environ: Mapping[str, str]
) -> str | None:
    """The provider's own host, filled in; None where it has none. Raises as `fill_address`."""
    if provider.base_url is None:
        return None
    return fill_address(provider.base_url, provider.settings, given, environ).rstrip("/")


def _read_keys(
    provider: Provider,
    api_key: Secret | None,
    given: Mapping[str, Secret],
    environ: Mapping[str, str],
    keys: Mapping[str, str],
) -> tuple[Secret | None, Signing | None]:
    """The key to send, or the credentials to sign with: the call's, else those of `keys`.

    `keys` is the environment, or empty where the environment's keys must not be used.
    """
    rule = provider.signing
    key = _check_key(api_key, provider)
    if rule is not None and rule.is_given(given):
        if key is not None:
            raise BadRequestError(
                f"There is an `api_key`, and `{rule.access_key_id.keywords[0]}` as well: give one "
                "of them.",
                param="api_key",
            )
        return None, rule.read(given, environ, keys)
    if key is None:
        found = first_set(keys, provider.key_variables)
        key = _check_key(Secret(found), provider) if found else None
    return key, rule.read(given, environ, keys) if rule is not None and key is None else None


def first_set(environ: Mapping[str, str], names: tuple[str, ...]) -> str | None:
    """The value of the first of these variables that is not blank."""
    return next((value for name in names if (value := environ.get(name, "").strip())), None)


def _row_query(provider: Provider, environ: Mapping[str, str]) -> dict[str, str]:
    """The query parameters that the row and the environment add to every URL."""
    found = {
        name: value
        for name, variables in provider.query_variables.items()
        if (value := first_set(environ, variables)) is not None
    }
    return {**provider.query, **found}


def _check_key(key: Secret | None, provider: Provider) -> Secret | None:
    """The key without white space around it; None for a blank one."""
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


def _no_key(provider: Provider, model: str) -> AuthenticationError:
    """The error for a missing key."""
    ways = [f"set {' or '.join(f'`{name}`' for name in provider.key_variables)} or give `api_key`"]
    if provider.signing is not None:
        variables = " and ".join(f"`{setting.variables[0]}`" for setting in provider.signing.keys)
        ways.append(f"set {variables} (the last for a session only)")
    if provider.key_hint:
        ways.append(provider.key_hint)
    if provider.base_url_variables:
        ways.append(f"point `api_base` or `{provider.base_url_variables[0]}` at a host of your own")
    ways.append("use the embedded model `embedded/smollm2-135m`, which needs no key")
    message = f"No key for {provider.name}: {'; '.join(ways)}. Nothing was sent."
    if provider.retirement:
        message = f"{message} {provider.retirement}"
    return AuthenticationError(
        message, code="missing_api_key", provider=provider.name, model=model, fault="operator"
    )
