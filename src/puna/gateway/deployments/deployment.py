"""A configured deployment, resolved against its provider's row and the environment."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from puna.catalog.facts import find_model
from puna.catalog.prices import Price, price_from_dollars_per_token
from puna.config.schema import DeploymentConfig, GatewayConfig, SettingsConfig
from puna.dialects.base import Target
from puna.providers.base import Provider, resolve_target
from puna.providers.table import split_model
from puna.routing.deployment import Deployment
from puna.types.option_kinds import Scope
from puna.types.option_scopes import options_in

_NOWHERE = "http://localhost"
"""The address of a deployment that asks nobody."""
_LIMITS = ("max_input_tokens", "max_output_tokens")
_SETTINGS_OF_ALL = tuple(
    option.attribute
    for option in options_in(Scope.DEPLOYMENT)
    if Scope.SETTINGS in option.kinds and not option.same_as
)
"""Options of a deployment that `litellm_settings` may give for all."""
COMPLETIONS_PATH = "/v1/completions"
RESPONSES_PATH = "/v1/responses"
"""In `model_info.supported_endpoints`: the host speaks the Responses API. A list without it says
that the host does not."""


def make_target(
    one: DeploymentConfig, environ: Mapping[str, str], providers: Mapping[str, Provider]
) -> Target:
    """Resolve a deployment's provider, address, key and model name: where its requests are sent.

    Raises:
        AuthenticationError: its provider's own host asks for a key, and there is none.
        BadRequestError: its provider or its address is none.
    """
    provider, upstream = split_config(one, providers)
    if one.missing_variable is not None:
        # A file that names a variable means that one: another key never takes its place.
        environ = {k: v for k, v in environ.items() if k in provider.address_variables}
    api_base, settings = one.api_base, one.host_settings
    if one.mock_response is not None:
        provider = replace(provider, needs_key=False)
        api_base = api_base or (None if provider.has_fixed_address else _NOWHERE)
        settings = {}
    target = resolve_target(
        provider,
        upstream,
        environ,
        api_key=one.api_key,
        api_base=api_base,
        settings=settings,
    )
    # The operator knows which model was loaded, and how.
    window, longest = (_read_limit(one.model_info.get(name)) for name in _LIMITS)
    if window is not None:
        target = replace(target, context_tokens=window)
    if longest is not None:
        target = replace(target, max_output_tokens=longest)
    if one.api_version is None:
        return target
    return replace(target, query={**target.query, "api-version": one.api_version})


def _read_limit(value: object) -> int | None:
    """A limit from `model_info` as a whole number; None where the operator wrote something else."""
    if not isinstance(value, int) or isinstance(value, bool):
        return None
    return value if value > 0 else None


def may_lack_key(
    one: DeploymentConfig, environ: Mapping[str, str], providers: Mapping[str, Provider]
) -> bool:
    """Whether a deployment can be used although the variable of its key is not set.

    True for canned answers, which ask no host, and where the environment replaces the provider's
    address: what that host wants is not known. Asked when a configuration is loaded.
    """
    if one.mock_response is not None:
        return True
    provider, _ = split_config(one, providers)
    named = any(environ.get(name, "").strip() for name in provider.base_url_variables)
    return named and not one.api_base


def make_deployment(
    one: DeploymentConfig,
    config: GatewayConfig,
    environ: Mapping[str, str],
    providers: Mapping[str, Provider],
) -> Deployment:
    """A configured deployment, resolved against the environment. Raises as `make_target`."""
    target = make_target(one, environ, providers)
    # The operator vouches for hosts that nobody knows, not against a row that knows better.
    if config.server.always_include_stream_usage and target.quirks.accepts("stream_options"):
        target = replace(target, asks_usage=True)
    spoken = one.model_info.get("supported_endpoints")
    if isinstance(spoken, list):
        target = replace(
            target,
            has_responses=RESPONSES_PATH in spoken,
            has_completions=COMPLETIONS_PATH in spoken,
        )
    return Deployment(
        deployment_id=id_of(one),
        public_name=one.public_name,
        target=target,
        params=one.params,
        headers={name.lower(): value for name, value in one.headers.items()},
        timeout_s=config.timeout_s_of(one),
        stream_timeout_s=config.timeout_s_of(one, is_stream=True),
        max_retries=config.max_retries_of(one),
        allowed_params=frozenset(one.allowed_params),
        unwanted_params=frozenset(one.unwanted_params),
        weight=float(one.weight),
        order=one.order or 0,
        price=price_of(one, target),
        canned_answer=one.mock_response,
        **{name: _own_or_shared(name, one, config.settings) for name in _SETTINGS_OF_ALL},
    )


def _own_or_shared(attribute: str, one: DeploymentConfig, settings: SettingsConfig) -> Any:
    """A deployment's own value of an option, else the one that `litellm_settings` has for all."""
    wish = getattr(one, attribute)
    return getattr(settings, attribute) if wish is None else wish


def split_config(one: DeploymentConfig, providers: Mapping[str, Provider]) -> tuple[Provider, str]:
    """The provider's row, and the model's name at the host, from a deployment's `model`.

    Raises BadRequestError where the provider is unknown.
    """
    return split_model(
        one.model,
        provider=one.custom_llm_provider,
        has_api_base=bool(one.api_base),
        providers=providers,
    )


def id_of(one: DeploymentConfig) -> str:
    """The deployment's id, which `make_directory` sets.

    Copies of a deployment, as for a wildcard, have the same id, so that they share one cooldown.
    """
    return one.deployment_id or ""


def price_of(one: DeploymentConfig, target: Target) -> Price | None:
    """The price of a deployment's tokens: the operator's if set, else the catalogue's.

    None if neither.
    """
    if one.input_price is None and one.output_price is None:
        facts = find_model(target.provider, target.model)
        return facts.price if facts is not None else None
    return Price(
        input_picos=price_from_dollars_per_token(one.input_price or "0"),
        output_picos=price_from_dollars_per_token(one.output_price or "0"),
    )
